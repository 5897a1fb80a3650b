//! A folder with a sub-folder of pictures for each class, as torchvision's ImageFolder reads it:
//! <https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>.

use std::path::Path;

use super::{Entry, Found, in_file, layout, list, printable};
use lenet_picture::{Form, IMAGE_PIXELS, IMAGE_SIDE, Ink, MAX_BYTES, Picture, to_mnist_form};

use crate::{Dataset, FormatError, Result, read_file};

/// How far below its class's folder a picture may be: a link that leads back to its own folder
/// would go on for ever.
const MAX_DEPTH: usize = 8;

/// What the folders of the splits are called. A set that is tried on `val` alone has it for a test.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// Reads the pictures below a folder; nothing where none of its sub-folders has any.
pub(super) fn load(folder: &Path, entries: &[Entry]) -> Result<Option<Found>> {
    let named = |names: &[&str]| -> Option<&Entry> {
        let mut folders = names.iter().filter_map(|name| {
            let mut entries = entries.iter();
            entries.find(|entry| entry.is_dir && entry.lower() == **name)
        });
        folders.next()
    };
    match (named(&TRAIN), named(&TEST)) {
        (Some(train), test) => {
            let names = class_names(&train.path)?;
            if names.is_empty() {
                return Err(layout(&train.path, "no folder of pictures for each class"));
            }
            if let Some(test) = test {
                tracing::info!("test split: {:?}", test.path);
            }
            Ok(Some(Found {
                train: read(&train.path, &names, true)?,
                test: test
                    .map(|test| read(&test.path, &names, false))
                    .transpose()?,
            }))
        }
        (None, Some(test)) if !class_names(&test.path)?.is_empty() => Err(layout(
            folder,
            format!("a folder {:?}, but no folder `train` beside it", test.name),
        )),
        _ => {
            let names = class_names(folder)?;
            match names.is_empty() {
                true => Ok(None),
                false => Ok(Some(Found {
                    train: read(folder, &names, true)?,
                    test: None,
                })),
            }
        }
    }
}

/// The names of the sub-folders, sorted; none where no sub-folder holds a picture.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let folders = list(folder)?;
    let folders: Vec<&Entry> = folders.iter().filter(|entry| entry.is_dir).collect();
    for entry in &folders {
        if !files(&entry.path)?.is_empty() {
            return Ok(folders.iter().map(|entry| class_name(entry)).collect());
        }
    }
    Ok(Vec::new())
}

fn class_name(entry: &Entry) -> String {
    printable(&entry.name.to_string_lossy())
}

/// The pictures of a split. Each class must have some in the split that the classes come from.
fn read(folder: &Path, names: &[String], all_classes: bool) -> Result<Dataset> {
    if names.len() > 256 {
        return Err(in_file(folder)(FormatError::ClassCount {
            found: names.len(),
        }));
    }
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut taken = 0;
    for entry in list(folder)?.iter().filter(|entry| entry.is_dir) {
        let name = class_name(entry);
        let label = names.iter().position(|known| *known == name);
        let label = label.and_then(|label| u8::try_from(label).ok());
        let label = label.ok_or_else(|| {
            layout(
                &entry.path,
                "a class that the images to train on do not have",
            )
        })?;
        let files = files(&entry.path)?;
        if files.is_empty() && all_classes {
            return Err(layout(
                &entry.path,
                "no PNG or JPEG picture in the folder of a class: fill it, or remove it",
            ));
        }
        for file in files {
            let bytes = read_file(&file.path, MAX_BYTES)?;
            let (image, as_it_is) = pixels_of(&bytes).map_err(|error| error.at(&file.path))?;
            pixels.extend_from_slice(&image);
            taken += usize::from(as_it_is);
            labels.push(label);
        }
    }
    if taken > 0 {
        tracing::info!(
            "{folder:?}: {taken} of {} pictures are grey and of 28x28 pixels, and are taken as they \
             are; `lenet predict --as-is` takes pictures so, too",
            labels.len()
        );
    }
    Dataset::new(pixels, labels, names.iter().cloned()).map_err(in_file(folder))
}

/// The one place in which a picture becomes pixels here. A grey one of 28x28 pixels is in the form
/// of these data sets already, whatever it shows and lies on; all others go the way that a picture
/// goes which is to be classified. Tells whether it was taken as it is.
fn pixels_of(picture: &[u8]) -> Result<([u8; IMAGE_PIXELS], bool), lenet_files::Error> {
    let picture = Picture::decode(picture)?;
    let grey = |&[red, green, blue, opacity]: &[u8; 4]| {
        (red == green && green == blue && opacity == 255).then_some(red)
    };
    if [picture.width(), picture.height()] == [IMAGE_SIDE; 2]
        && let Some(pixels) = picture
            .pixels()
            .iter()
            .map(grey)
            .collect::<Option<Vec<u8>>>()
        && let Some(pixels) = pixels.first_chunk::<IMAGE_PIXELS>()
    {
        return Ok((*pixels, true));
    }
    match to_mnist_form(&picture, Ink::Auto) {
        Form::Digit(pixels) => Ok((pixels, false)),
        Form::Blank => Err(lenet_files::Error::input(
            "nothing is drawn on it; remove it",
        )),
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
                return Err(layout(
                    &entry.path,
                    "too deep below the folder of its class: perhaps a link leads back",
                ));
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
