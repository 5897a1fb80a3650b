//! Data sets of the user's own: IDX files, folders of pictures, CSV files.
//!
//! | what is there | how it is recognised |
//! |---|---|
//! | IDX files of images and labels | names with `images` and `labels`, and `train` or `test` or `t10k` |
//! | a folder of pictures for each class, as torchvision's ImageFolder has them | sub-folders; those in `train`, `test` and `val` are splits |
//! | CSV with a label and 784 pixels a line, as Kaggle has MNIST | a file, or names with `train` and `test` |
//!
//! A folder with nothing but another folder is entered. A table has commas, semicolons or tabs, is
//! UTF-8 or UTF-16, and has the label first, or last if its heading calls that column `label` or
//! `class`. EMNIST's own files, whose images lie on their side, are known by their digests, or by their
//! names and numbers of images.
//!
//! The classes of IDX and CSV files are called by their numbers, or as `classes.txt` in the same folder
//! says, one name a line. If there is no test split, a fifth of each class is held out for it.

mod class_names;
mod csv;
mod entries;
mod idx_files;
mod pictures;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::sha256_of_all;
use crate::registry::{self, DatasetSpec, FileSpec, Known};
use crate::{Dataset, Error, Reading, Result, Splits};
use class_names::class_names;
use lenet_files::Tally;
use lenet_picture::{Form, IMAGE_PIXELS, IMAGE_SIDE, Ink, Picture, Preparation, prepare};

/// Reads own data whole, and returns the SHA-256 of each split.
pub(crate) fn load(path: &Path, reading: Reading) -> Result<(Splits, BTreeMap<String, String>)> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    let Found {
        train,
        test,
        validation,
        preparation,
    } = if metadata.is_dir() {
        load_folder(path, reading, MAX_DESCENT)?
    } else {
        csv::load_file(path, reading)?
    };
    warn_of_doubts(path, &train);
    let (train, test) = match test {
        Some(test) => (train, test),
        None => hold_out(path, &train)?,
    };
    let sets = [
        ("train", Some(&train)),
        ("test", Some(&test)),
        ("validation", validation.as_ref()),
    ];
    let sha256 = sets
        .into_iter()
        .filter_map(|(name, set)| Some((name.to_owned(), digest(set?))));
    let sha256 = sha256.collect();
    let splits = Splits {
        train,
        test,
        validation,
        preparation,
    };
    Ok((splits, sha256))
}

/// Warns of classes without an image, which one odd label can make, and of pixels that are nearly all
/// black.
fn warn_of_doubts(path: &Path, train: &Dataset) {
    let (names, counts) = (train.class_names(), train.class_counts());
    let empty = std::iter::zip(names, &counts).filter(|(_, count)| **count == 0);
    let empty: Vec<&str> = empty.map(|(name, _)| name.as_str()).collect();
    if let Some(listed) = empty.chunks(LISTED).next() {
        let last = counts.len() - 1;
        let at = train
            .iter()
            .position(|(_, label)| usize::from(label) == last);
        let last = at.zip(names.last()).zip(counts.last());
        let last = last.map_or(String::new(), |((at, name), count)| {
            format!("; the last class, {name:?}, has {count}, the first at index {at}")
        });
        let more = if empty.len() > LISTED { " ..." } else { "" };
        tracing::warn!(
            "{path:?}: {} of {} classes have no image: {}{more}{last}",
            empty.len(),
            names.len(),
            listed.join(", ")
        );
    }
    if train
        .iter()
        .all(|(image, _)| image.iter().all(|&pixel| pixel <= 1))
    {
        tracing::warn!("{path:?}: all pixels are 0 or 1, nearly black: white is 255");
    }
}

/// The most classes that a warning lists.
const LISTED: usize = 10;

/// How many folders with nothing but a folder in them are entered.
const MAX_DESCENT: usize = 8;

/// What is read before it is divided into splits.
struct Found {
    train: Dataset,
    test: Option<Dataset>,
    validation: Option<Dataset>,
    preparation: Preparation,
}

/// Images of 28x28 pixels with numbered labels, as IDX and CSV files have them.
struct Numbered {
    /// The file that errors name.
    path: PathBuf,
    pixels: Vec<u8>,
    labels: Vec<i32>,
    /// The name of the file of the images, in lower case.
    name: String,
    /// Its SHA-256 if it is a gzip stream.
    sha256: Option<String>,
}

impl Numbered {
    /// EMNIST's entry of the registry if this is a file of its own, whose images lie on their side.
    fn emnist(&self) -> Option<&'static DatasetSpec> {
        let mut specs = registry::ALL.iter().filter(|spec| spec.transposed);
        specs.find(|spec| {
            let sha256 = self.sha256.as_deref();
            let is_genuine = |file: &FileSpec| matches!(file.digest, Known::GzipSha256(digest) if Some(digest) == sha256);
            let mut splits = std::iter::zip(["train", "test"], spec.counts);
            spec.files.iter().any(is_genuine)
                || splits.any(|(split, count)| {
                    let start = format!("{}-{split}", spec.name);
                    self.name.starts_with(&start) && self.labels.len() == count
                })
        })
    }
}

impl Found {
    /// Prepared as the looks of the images suggest.
    fn of_numbered(train: Numbered, test: Option<Numbered>, reading: Reading) -> Result<Self> {
        let emnist = train.emnist();
        let (first, names) = match emnist {
            Some(spec) => {
                let names = spec.class_names.iter().map(|name| (*name).to_owned());
                (spec.first_label.into(), names.collect())
            }
            None => {
                let parts = [Some(&train), test.as_ref()].into_iter().flatten();
                let folder = train.path.parent().unwrap_or(Path::new(""));
                (
                    0,
                    class_names(folder, parts.map(|part| part.labels.as_slice()))?,
                )
            }
        };
        let is_transposed = reading.transposed.unwrap_or(emnist.is_some());
        if let (Some(spec), None) = (emnist, reading.transposed) {
            tracing::info!(
                "{:?} is of {}, whose images lie on their side: they are turned upright; \
                 --no-transposed leaves them as they are",
                train.path,
                spec.title
            );
        }
        let dataset = |mut part: Numbered| {
            if is_transposed {
                registry::transpose(&mut part.pixels);
            }
            Dataset::numbered(part.pixels, part.labels, first, &names)
                .map_err(|error| error.at(&part.path))
        };
        let (train, test) = (dataset(train)?, test.map(dataset).transpose()?);
        let preparation = match reading.pictures {
            Some(preparation) => preparation,
            None => Preparation::suiting(sample(train.len(), |index| {
                let (image, _) = train.get(index)?;
                Picture::from_grey(IMAGE_SIDE, IMAGE_SIDE, image).ok()
            })),
        };
        let form = |set: Dataset| match preparation {
            Preparation::Ink => in_form(&set),
            _ => Ok(set),
        };
        Ok(Self {
            train: form(train)?,
            test: test.map(form).transpose()?,
            validation: None,
            preparation,
        })
    }
}

/// The most pictures that decide how all are prepared.
const SAMPLE: usize = 500;

/// Some of `count` pictures, spread evenly.
fn sample(
    count: usize,
    picture: impl Fn(usize) -> Option<Picture>,
) -> impl Iterator<Item = Picture> {
    let step = count.div_ceil(SAMPLE).max(1);
    (0..count).step_by(step).filter_map(picture)
}

/// The images in MNIST's form; those of MNIST, and blank ones, stay as they are.
fn in_form(set: &Dataset) -> Result<Dataset> {
    let (mut pixels, mut labels) = (Vec::with_capacity(set.len() * IMAGE_PIXELS), Vec::new());
    for (image, label) in set.iter() {
        let picture = Picture::from_grey(IMAGE_SIDE, IMAGE_SIDE, image)?;
        match prepare(&picture, Preparation::Ink, Ink::Auto) {
            Form::Digit(image) => pixels.extend(image),
            Form::Blank => pixels.extend(image),
        }
        labels.push(label);
    }
    Dataset::new(pixels, labels, set.class_names())
}

fn load_folder(folder: &Path, reading: Reading, descent: usize) -> Result<Found> {
    let entries = entries::list(folder)?;
    if let Some(found) = idx_files::load(folder, &entries, reading)? {
        return Ok(found);
    }
    let has_tables = entries.iter().any(csv::is_table);
    if let Some(found) = pictures::load(folder, has_tables, reading)? {
        return Ok(found);
    }
    if let Some(found) = csv::load_folder(folder, &entries, reading)? {
        return Ok(found);
    }
    let (folders, files): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_dir);
    if let ([only], true) = (folders.as_slice(), descent > 0) {
        return load_folder(&only.path, reading, descent - 1);
    }
    let mut found = Tally::default();
    files.iter().for_each(|file| found.add(&file.path));
    let folders: Vec<_> = folders.iter().map(|folder| &folder.name).collect();
    Err(Error::input(format!(
        "no data set: neither IDX files (train-images-idx3-ubyte ...), nor a folder of pictures for \
         each class, nor CSV files (train.csv ...). Its folders: {folders:?}; its files: {found}"
    ))
    .at(folder))
}

fn hold_out(path: &Path, all: &Dataset) -> Result<(Dataset, Dataset)> {
    let (train, test) = all.hold_out_fifth();
    if test.is_empty() {
        let reason = "only one image: none is left to test with";
        return Err(Error::input(reason).at(path));
    }
    tracing::info!(
        "{path:?} has no test split: {} of its {} images are held out for it, a fifth of each class \
         and always the same",
        test.len(),
        all.len()
    );
    Ok((train, test))
}

/// SHA-256 of the names of the classes, one a line, and of each image's label and pixels.
fn digest(set: &Dataset) -> String {
    let names: String = (set.class_names().iter())
        .map(|name| format!("{name}\n"))
        .collect();
    let labels: Vec<u8> = set.iter().map(|(_, label)| label).collect();
    let images = std::iter::zip(set.iter(), labels.chunks(1))
        .flat_map(|((image, _), label)| [label, &image[..]]);
    sha256_of_all(std::iter::once(names.as_bytes()).chain(images))
}
