//! Data sets of the user's own: IDX files, folders of pictures, CSV files.
//!
//! | what is there | how it is recognised |
//! |---|---|
//! | IDX files of images and labels | names with `images` and `labels`, and `train` or `test` or `t10k` |
//! | a folder of pictures for each class, as torchvision's ImageFolder has them | sub-folders; those in `train` and `test` are two splits |
//! | CSV with a label and 784 pixels a line, as Kaggle has MNIST | a file, or names with `train` and `test` |
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
use std::path::Path;

use crate::{Dataset, Error, Reading, Result, Sha256, Splits};
use lenet_picture::{Form, IMAGE_PIXELS, IMAGE_SIDE, Ink, Picture, Preparation, prepare};

/// Reads own data whole, and returns the SHA-256 of each split.
pub(crate) fn load(path: &Path, reading: Reading) -> Result<(Splits, BTreeMap<String, String>)> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    let Found {
        train,
        test,
        preparation,
    } = if metadata.is_dir() {
        load_folder(path, reading)?
    } else {
        Found::of_images((csv::load_file(path)?, None), reading)?
    };
    let (train, test) = match test {
        Some(test) => (train, test),
        None => hold_out(path, &train)?,
    };
    let sha256 = [("train", &train), ("test", &test)];
    let sha256 = sha256.map(|(name, set)| (name.to_owned(), digest(set)));
    let splits = Splits {
        train,
        test,
        preparation,
    };
    Ok((splits, sha256.into()))
}

/// The training images and, if they are separate, the test images.
struct Found {
    train: Dataset,
    test: Option<Dataset>,
    preparation: Preparation,
}

impl Found {
    /// Images of 28x28 pixels, as IDX and CSV files have them, prepared as their looks suggest.
    fn of_images((train, test): (Dataset, Option<Dataset>), reading: Reading) -> Result<Self> {
        let preparation = match reading.pictures {
            Some(preparation) => preparation,
            None => Preparation::suiting(sample(train.len(), |index| {
                let (image, _) = train.get(index)?;
                Picture::from_grey(IMAGE_SIDE, IMAGE_SIDE, image).ok()
            })),
        };
        if preparation != Preparation::Ink {
            return Ok(Self {
                train,
                test,
                preparation,
            });
        }
        Ok(Self {
            train: in_form(&train)?,
            test: test.as_ref().map(in_form).transpose()?,
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

fn load_folder(folder: &Path, reading: Reading) -> Result<Found> {
    let entries = entries::list(folder)?;
    if let Some(found) = idx_files::load(folder, &entries)? {
        return Found::of_images(found, reading);
    }
    if let Some(found) = pictures::load(folder, &entries, reading)? {
        return Ok(found);
    }
    if let Some(found) = csv::load_folder(folder, &entries)? {
        return Found::of_images(found, reading);
    }
    Err(Error::input(
        "no data set: neither IDX files (train-images-idx3-ubyte ...), nor a folder of pictures for \
         each class, nor CSV files (train.csv ...)",
    )
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
    Sha256::of_all(std::iter::once(names.as_bytes()).chain(images)).to_string()
}
