//! A folder with a sub-folder of pictures for each class, as torchvision's ImageFolder reads it:
//! <https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>.

use std::path::{Path, PathBuf};

use super::entries::{Entry, list, printable};
use super::{Found, sample};
use crate::{Dataset, Error, Reading, Result};
use lenet_picture::{
    Form, IMAGE_PIXELS, Ink, MAX_BYTES, Picture, Preparation, is_picture, prepare,
};

/// The most skipped pictures that a warning lists.
const LISTED: usize = 10;

/// How far below its class's folder a picture may be: a link back to its own folder would never end.
const MAX_DEPTH: usize = 8;

/// What the folders of the splits are called. A set with `val` but no `test` is tested on `val`.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// Reads the pictures below a folder; none if none of its sub-folders has any.
pub(super) fn load(folder: &Path, entries: &[Entry], reading: Reading) -> Result<Option<Found>> {
    let named = |names: &[&str]| -> Option<&Entry> {
        names
            .iter()
            .find_map(|name| (entries.iter()).find(|entry| entry.is_dir && entry.lower() == **name))
    };
    let (train, test) = (named(&TRAIN), named(&TEST));
    let Some(train) = train else {
        if let Some(test) = test
            && !class_names(&test.path)?.is_empty()
        {
            let reason = format!("a folder {:?}, but no folder `train` beside it", test.name);
            return Err(Error::input(reason).at(folder));
        }
        let names = class_names(folder)?;
        if names.is_empty() {
            return Ok(None);
        }
        return read_all(folder, None, &names, reading).map(Some);
    };
    let names = class_names(&train.path)?;
    if names.is_empty() {
        let reason = "no folder of pictures for each class";
        return Err(Error::input(reason).at(&train.path));
    }
    if let Some(test) = test {
        tracing::info!("test split: {:?}", test.path);
    }
    let test = test.map(|test| test.path.as_path());
    read_all(&train.path, test, &names, reading).map(Some)
}

/// Reads both splits; the pictures to train on decide how all are prepared.
fn read_all(
    train: &Path,
    test: Option<&Path>,
    names: &[String],
    reading: Reading,
) -> Result<Found> {
    let files = labelled(train, names, true)?;
    let preparation = reading.pictures.unwrap_or_else(|| {
        Preparation::suiting(sample(files.len(), |index| {
            let (file, _) = files.get(index)?;
            decode(&file.path).ok()
        }))
    });
    let read = |folder: &Path, files: &[(Entry, usize)]| {
        read(folder, files, names, preparation, reading.strict)
    };
    Ok(Found {
        train: read(train, &files)?,
        test: match test {
            Some(test) => Some(read(test, &labelled(test, names, false)?)?),
            None => None,
        },
        preparation,
    })
}

/// The names of the sub-folders, sorted; none if no sub-folder has a picture.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let mut folders = list(folder)?;
    folders.retain(|entry| entry.is_dir);
    for entry in &folders {
        if !files(&entry.path)?.pictures.is_empty() {
            return Ok(folders.iter().map(class_name).collect());
        }
    }
    Ok(Vec::new())
}

fn class_name(entry: &Entry) -> String {
    printable(&entry.name.to_string_lossy())
}

/// The picture files of a split, each with its class. Each class must have some in the split that the
/// classes come from.
fn labelled(folder: &Path, names: &[String], all_classes: bool) -> Result<Vec<(Entry, usize)>> {
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for entry in list(folder)?.iter().filter(|entry| entry.is_dir) {
        let wrong = |reason| Error::input(reason).at(&entry.path);
        let label = (names.iter())
            .position(|name| *name == class_name(entry))
            .ok_or_else(|| wrong("a class that the images to train on do not have"))?;
        let files = files(&entry.path)?;
        if files.pictures.is_empty() && all_classes {
            return Err(wrong(
                "no PNG, JPEG or BMP picture in the folder of a class: fill it, or remove it",
            ));
        }
        all.extend(files.pictures.into_iter().map(|file| (file, label)));
        left_out.extend(files.others);
    }
    if let Some(first) = left_out.first() {
        let count = left_out.len();
        tracing::warn!("{folder:?}: {count} files are no PNG, JPEG or BMP pictures: {first:?} ...");
    }
    Ok(all)
}

/// The pictures of a split. Those that cannot be read, or on which nothing is drawn, are skipped with
/// a warning that lists them, unless `strict`.
fn read(
    folder: &Path,
    files: &[(Entry, usize)],
    names: &[String],
    preparation: Preparation,
    strict: bool,
) -> Result<Dataset> {
    let (mut pixels, mut labels, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    let mut skipped = Vec::new();
    for (file, label) in files {
        match image_of(&file.path, preparation) {
            Ok(image) => {
                pixels.extend_from_slice(&image);
                labels.push(*label as i32);
                paths.push(file.path.clone());
            }
            Err(error) if strict => return Err(error.at(&file.path)),
            Err(error) => skipped.push(error.at(&file.path).to_string()),
        }
    }
    if !skipped.is_empty() {
        let (count, all) = (skipped.len(), files.len());
        let more = count.saturating_sub(LISTED);
        skipped.truncate(LISTED);
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        tracing::warn!(
            "{folder:?}: {count} of {all} pictures are skipped; --strict refuses them:\n  {}{more}",
            skipped.join("\n  ")
        );
    }
    let set = Dataset::numbered(pixels, labels, 0, names).map_err(|error| error.at(folder))?;
    Ok(set.with_files(paths))
}

fn decode(path: &Path) -> Result<Picture> {
    Picture::decode(&lenet_files::read(path, MAX_BYTES)?)
}

fn image_of(path: &Path, preparation: Preparation) -> Result<[u8; IMAGE_PIXELS]> {
    match prepare(&decode(path)?, preparation, Ink::Auto) {
        Form::Digit(image) => Ok(image),
        Form::Blank => Err(Error::input("nothing is drawn on it")),
    }
}

/// The files of a class.
#[derive(Default)]
struct Files {
    pictures: Vec<Entry>,
    /// Those that are no pictures.
    others: Vec<PathBuf>,
}

/// The files in a folder and below it, in the order of the paths.
fn files(folder: &Path) -> Result<Files> {
    let mut files = Files::default();
    collect(folder, MAX_DEPTH, &mut files)?;
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut Files) -> Result<()> {
    for entry in list(folder)? {
        if entry.is_dir {
            if depth == 0 {
                let reason = "too deep below the folder of its class: perhaps a link leads back";
                return Err(Error::input(reason).at(&entry.path));
            }
            collect(&entry.path, depth - 1, files)?;
        } else if is_picture(&entry.path) {
            files.pictures.push(entry);
        } else {
            files.others.push(entry.path);
        }
    }
    Ok(())
}
