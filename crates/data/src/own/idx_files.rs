//! A folder of IDX files, by the pattern of their names.

use std::path::Path;

use super::class_names::class_names;
use super::{Entry, Found, in_file, layout, read_unpacked};
use crate::source::numbered;
use crate::{Dataset, FormatError, Result, idx};

/// Reads the images and labels of a folder that has files with the names of IDX files; nothing
/// where it has none.
pub(super) fn load(folder: &Path, entries: &[Entry]) -> Result<Option<Found>> {
    if !entries.iter().any(is_idx) {
        return Ok(None);
    }
    let pair = |part: Part| -> Result<Option<Pair<'_>>> {
        let images = only(folder, entries, part, "images")?;
        let labels = only(folder, entries, part, "labels")?;
        match (images, labels) {
            (None, None) => Ok(None),
            (Some(images), Some(labels)) => Ok(Some(Pair { images, labels })),
            (Some(images), None) => Err(layout(
                &images.path,
                "images without labels: there is no file of the same kind with `labels` in its name",
            )),
            (None, Some(labels)) => Err(layout(
                &labels.path,
                "labels without images: there is no file of the same kind with `images` in its name",
            )),
        }
    };
    let (train, test, whole) = (pair(Part::Train)?, pair(Part::Test)?, pair(Part::Whole)?);
    let (train, test) = match (train, test, whole) {
        (Some(train), test, None) => (train, test),
        (None, None, Some(whole)) => (whole, None),
        (None, Some(_), _) => {
            return Err(layout(folder, "a test split, but no images to train on"));
        }
        (_, _, Some(whole)) => {
            return Err(layout(
                &whole.images.path,
                "of which split is it? Its name has neither `train` nor `test` nor `t10k`, others \
                 of the folder have",
            ));
        }
        (None, None, None) => return Ok(None),
    };
    let train = train.read()?;
    let test = test.map(|pair| pair.read()).transpose()?;
    let labels = [Some(&train), test.as_ref()].into_iter().flatten();
    let names = class_names(folder, labels.map(|part| part.labels.as_slice()))?;
    Ok(Some(Found {
        train: train.dataset(&names)?,
        test: test.map(|test| test.dataset(&names)).transpose()?,
    }))
}

fn is_idx(entry: &Entry) -> bool {
    let name = entry.lower();
    !entry.is_dir && name.contains("idx") && (name.contains("images") || name.contains("labels"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Test,
    /// Not divided.
    Whole,
}

impl Part {
    fn of(name: &str) -> Self {
        if name.contains("train") {
            Part::Train
        } else if name.contains("t10k") || name.contains("test") {
            Part::Test
        } else {
            Part::Whole
        }
    }
}

/// The one file of a kind; where it is there raw and compressed, the compressed one.
fn only<'a>(
    folder: &Path,
    entries: &'a [Entry],
    part: Part,
    kind: &str,
) -> Result<Option<&'a Entry>> {
    let mut found: Option<&Entry> = None;
    for entry in entries.iter().filter(|entry| is_idx(entry)) {
        let name = entry.lower();
        if !name.contains(kind) || Part::of(&name) != part {
            continue;
        }
        match found {
            Some(before) if name.strip_suffix(".gz") != Some(before.lower().as_str()) => {
                return Err(layout(
                    folder,
                    format!(
                        "{:?} and {:?} are both {kind} of the same split: put each data set into a \
                         folder of its own, or call a known one by its name with --data-dir",
                        before.name, entry.name
                    ),
                ));
            }
            _ => found = Some(entry),
        }
    }
    Ok(found)
}

struct Pair<'a> {
    images: &'a Entry,
    labels: &'a Entry,
}

struct Read<'a> {
    pair: Pair<'a>,
    images: Vec<u8>,
    labels: Vec<i64>,
}

impl<'a> Pair<'a> {
    fn read(self) -> Result<Read<'a>> {
        let images = read_unpacked(&self.images.path)?;
        idx::images(&images).map_err(in_file(&self.images.path))?;
        let bytes = read_unpacked(&self.labels.path)?;
        let labels = match idx::is_qmnist_labels(&bytes) {
            true => idx::qmnist_labels(&bytes),
            false => idx::labels(&bytes).map(|labels| labels.iter().map(|&l| l.into()).collect()),
        };
        let labels = labels.map_err(in_file(&self.labels.path))?;
        Ok(Read {
            pair: self,
            images,
            labels,
        })
    }
}

impl Read<'_> {
    fn dataset(self, names: &[String]) -> Result<Dataset> {
        let labels = numbered(0, names.len(), self.labels);
        let dataset = labels.and_then(|labels| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Dataset::from_images(self.images, labels, &names, |_| ())
        });
        dataset.map_err(|source| match source {
            FormatError::NoImages => in_file(&self.pair.images.path)(source),
            _ => in_file(&self.pair.labels.path)(source),
        })
    }
}
