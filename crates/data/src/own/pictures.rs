//! A folder with a sub-folder of pictures for each class, as torchvision's ImageFolder reads it:
//! <https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>.

use std::path::Path;

use super::entries::{Entry, list, printable};
use crate::{Dataset, Error, Result};
use lenet_picture::{Form, IMAGE_PIXELS, IMAGE_SIDE, Ink, MAX_BYTES, Picture, to_mnist_form};

/// How far below its class's folder a picture may be: a link back to its own folder would never end.
const MAX_DEPTH: usize = 8;

/// What the folders of the splits are called. A set with `val` but no `test` is tested on `val`.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// Reads the pictures below a folder; none if none of its sub-folders has any.
pub(super) fn load(folder: &Path, entries: &[Entry]) -> Result<Option<(Dataset, Option<Dataset>)>> {
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
        return Ok(Some((read(folder, &names, true)?, None)));
    };
    let names = class_names(&train.path)?;
    if names.is_empty() {
        let reason = "no folder of pictures for each class";
        return Err(Error::input(reason).at(&train.path));
    }
    if let Some(test) = test {
        tracing::info!("test split: {:?}", test.path);
    }
    let test = test.map(|test| read(&test.path, &names, false));
    Ok(Some((read(&train.path, &names, true)?, test.transpose()?)))
}

/// The names of the sub-folders, sorted; none if no sub-folder has a picture.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let mut folders = list(folder)?;
    folders.retain(|entry| entry.is_dir);
    for entry in &folders {
        if !files(&entry.path)?.is_empty() {
            return Ok(folders.iter().map(class_name).collect());
        }
    }
    Ok(Vec::new())
}

fn class_name(entry: &Entry) -> String {
    printable(&entry.name.to_string_lossy())
}

/// The pictures of a split. Each class must have some in the split that the classes come from.
fn read(folder: &Path, names: &[String], all_classes: bool) -> Result<Dataset> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut taken = 0;
    for entry in list(folder)?.iter().filter(|entry| entry.is_dir) {
        let wrong = |reason| Error::input(reason).at(&entry.path);
        let label = (names.iter())
            .position(|name| *name == class_name(entry))
            .ok_or_else(|| wrong("a class that the images to train on do not have"))?;
        let files = files(&entry.path)?;
        if files.is_empty() && all_classes {
            return Err(wrong(
                "no PNG or JPEG picture in the folder of a class: fill it, or remove it",
            ));
        }
        for file in files {
            let bytes = lenet_files::read(&file.path, MAX_BYTES)?;
            let (image, as_it_is) = pixels_of(&bytes).map_err(|error| error.at(&file.path))?;
            pixels.extend_from_slice(&image);
            taken += usize::from(as_it_is);
            labels.push(label as i32);
        }
    }
    if taken > 0 {
        tracing::info!(
            "{folder:?}: {taken} of {} pictures are grey and have 28x28 pixels, and are taken as they \
             are; `lenet predict --as-is` does the same",
            labels.len()
        );
    }
    Dataset::numbered(pixels, labels, 0, names).map_err(|error| error.at(folder))
}

/// The pixels of a picture, and whether it was taken as it is: a grey picture of 28x28 pixels is in
/// the form of these data sets already. All others are prepared as a picture to classify is.
fn pixels_of(picture: &[u8]) -> Result<([u8; IMAGE_PIXELS], bool)> {
    let picture = Picture::decode(picture)?;
    let grey = |&[red, green, blue, opacity]: &[u8; 4]| {
        (red == green && green == blue && opacity == 255).then_some(red)
    };
    if [picture.width(), picture.height()] == [IMAGE_SIDE; 2] {
        let pixels: Option<Vec<u8>> = picture.pixels().iter().map(grey).collect();
        if let Some(pixels) = pixels.as_deref().and_then(|pixels| pixels.first_chunk()) {
            return Ok((*pixels, true));
        }
    }
    match to_mnist_form(&picture, Ink::Auto) {
        Form::Digit(pixels) => Ok((pixels, false)),
        Form::Blank => Err(Error::input("nothing is drawn on it; remove it")),
    }
}

/// The pictures in a folder and below it, by the ends of their names, in the order of the paths.
fn files(folder: &Path) -> Result<Vec<Entry>> {
    let mut files = Vec::new();
    collect(folder, MAX_DEPTH, &mut files)?;
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<Entry>) -> Result<()> {
    for entry in list(folder)? {
        if entry.is_dir {
            if depth == 0 {
                let reason = "too deep below the folder of its class: perhaps a link leads back";
                return Err(Error::input(reason).at(&entry.path));
            }
            collect(&entry.path, depth - 1, files)?;
        } else if is_picture(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

fn is_picture(entry: &Entry) -> bool {
    let name = entry.lower();
    [".png", ".jpg", ".jpeg"]
        .iter()
        .any(|end| name.ends_with(end))
}
