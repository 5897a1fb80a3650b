//! A folder of IDX files, recognised by their names.

use std::io::Read as _;
use std::path::Path;

use super::entries::{Entry, MAX_BYTES, single};
use super::{Found, Numbered};
use crate::{Error, Reading, Result, gzip, idx, sha256};

/// Reads the images and labels of a folder that has files with the names of IDX files; none if it has
/// no such file.
pub(super) fn load(folder: &Path, entries: &[Entry], reading: Reading) -> Result<Option<Found>> {
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
    let test = test.map(Pair::read).transpose()?;
    Found::of_numbered(train.read()?, test, reading).map(Some)
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

/// A compressed file may have more bytes than its content by this number; what is too short for an
/// IDX file is shorter.
const SLACK: usize = 1 << 16;

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

    fn read(self) -> Result<Numbered> {
        let (images, labels) = (&self.images.path, &self.labels.path);
        let (bytes, sha256) = read(images)?;
        Ok(Numbered {
            path: labels.clone(),
            pixels: idx::images(bytes).map_err(|error| error.at(images))?,
            labels: idx::labels(&read(labels)?.0).map_err(|error| error.at(labels))?,
            name: self.images.lower(),
            sha256,
        })
    }
}

/// A file's bytes, decompressed if it is a gzip stream, whose SHA-256 is also returned. The header
/// bounds what is read.
fn read(path: &Path) -> Result<(Vec<u8>, Option<String>)> {
    let failed = |error| Error::io("read", path, error);
    let (file, mut start) = (lenet_files::open(path)?, Vec::new());
    let length = file.metadata().map_err(failed)?.len();
    file.take(SLACK as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let is_gzip = gzip::is_gzip(&start);
    let header = if is_gzip {
        gzip::start(&start, idx::IMAGES_HEADER)
    } else {
        start
    };
    let Some(claimed) = idx::claimed(&header).filter(|claimed| *claimed <= MAX_BYTES) else {
        // What is wrong is in the first bytes.
        return Ok((header, None));
    };
    if length > (claimed + SLACK) as u64 {
        let reason = format!("the header claims {claimed} bytes in all, the file has {length}");
        return Err(Error::input(reason).at(path));
    }
    let bytes = lenet_files::read(path, claimed + SLACK)?;
    if !is_gzip {
        return Ok((bytes, None));
    }
    let content = gzip::decode(&bytes, claimed).map_err(|error| error.at(path))?;
    Ok((content, Some(sha256(&bytes))))
}
