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

use crate::{Dataset, Error, Result, Sha256, Splits};
pub(crate) use entries::printable;

/// Reads own data whole, and returns the SHA-256 of each split.
pub(crate) fn load(path: &Path) -> Result<(Splits, BTreeMap<String, String>)> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    let (train, test) = if metadata.is_dir() {
        load_folder(path)?
    } else {
        (csv::load_file(path)?, None)
    };
    let (train, test) = match test {
        Some(test) => (train, test),
        None => hold_out(path, &train)?,
    };
    let sha256 = [("train", &train), ("test", &test)];
    let sha256 = sha256.map(|(name, set)| (name.to_owned(), digest(set)));
    Ok((Splits { train, test }, sha256.into()))
}

/// The training images and, if they are separate, the test images.
fn load_folder(folder: &Path) -> Result<(Dataset, Option<Dataset>)> {
    let entries = entries::list(folder)?;
    if let Some(found) = idx_files::load(folder, &entries)? {
        return Ok(found);
    }
    if let Some(found) = pictures::load(folder, &entries)? {
        return Ok(found);
    }
    if let Some(found) = csv::load_folder(folder, &entries)? {
        return Ok(found);
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
