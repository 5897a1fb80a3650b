//! A folder of IDX files, recognised by their names.

use std::path::Path;

use super::class_names::class_names;
use super::entries::{Entry, read_unpacked, single};
use crate::{Dataset, Error, Result, idx};

/// Reads the images and labels of a folder that has files with the names of IDX files; none if it has
/// no such file.
pub(super) fn load(folder: &Path, entries: &[Entry]) -> Result<Option<(Dataset, Option<Dataset>)>> {
    let pair = |part| Pair::find(folder, entries, part);
    let (train, test, whole) = (pair(Part::Train)?, pair(Part::Test)?, pair(Part::Whole)?);
    let (train, test) = match (train, test, whole) {
        (None, None, None) => return Ok(None),
        (Some(train), test, None) => (train, test),
        (None, None, Some(whole)) => (whole, None),
        (None, Some(_), _) => {
            let reason = "a test split, but no images to train on";
            return Err(Error::input(reason).at(folder));
        }
        (_, _, Some(whole)) => {
            let reason = "which split is it of? Its name has neither `train` nor `test` nor \
                          `t10k`, but other files of the folder do";
            return Err(Error::input(reason).at(&whole.images.path));
        }
    };
    let train = train.read()?;
    let test = test.map(Pair::read).transpose()?;
    let labels = [Some(&train), test.as_ref()].into_iter().flatten();
    let names = class_names(folder, labels.map(|part| part.labels.as_slice()))?;
    Ok(Some((
        train.dataset(&names)?,
        test.map(|test| test.dataset(&names)).transpose()?,
    )))
}

fn is_idx(entry: &Entry) -> bool {
    let name = entry.lower();
    !entry.is_dir && name.contains("idx") && (name.contains("images") || name.contains("labels"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Test,
    /// Not split.
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

/// The files of a split.
struct Pair<'a> {
    images: &'a Entry,
    labels: &'a Entry,
}

/// Their content.
struct Read<'a> {
    pair: Pair<'a>,
    pixels: Vec<u8>,
    labels: Vec<i32>,
}

impl<'a> Pair<'a> {
    fn find(folder: &Path, entries: &'a [Entry], part: Part) -> Result<Option<Self>> {
        let only = |kind: &str| {
            let of_kind = entries.iter().filter(|entry| {
                let name = entry.lower();
                is_idx(entry) && name.contains(kind) && Part::of(&name) == part
            });
            single(folder, of_kind, &format!("{kind} of the same split"))
        };
        let (images, labels) = (only("images")?, only("labels")?);
        let (alone, other) = match (images, labels) {
            (Some(images), Some(labels)) => return Ok(Some(Self { images, labels })),
            (None, None) => return Ok(None),
            (Some(images), None) => (images, "labels"),
            (None, Some(labels)) => (labels, "images"),
        };
        Err(Error::input(format!(
            "there is no file of the same split with `{other}` in its name"
        ))
        .at(&alone.path))
    }

    fn read(self) -> Result<Read<'a>> {
        let (images, labels) = (&self.images.path, &self.labels.path);
        Ok(Read {
            pixels: idx::images(read_unpacked(images)?).map_err(|error| error.at(images))?,
            labels: idx::labels(&read_unpacked(labels)?).map_err(|error| error.at(labels))?,
            pair: self,
        })
    }
}

impl Read<'_> {
    fn dataset(self, names: &[String]) -> Result<Dataset> {
        Dataset::numbered(self.pixels, self.labels, 0, names)
            .map_err(|error| error.at(&self.pair.labels.path))
    }
}
