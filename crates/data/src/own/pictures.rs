//! A folder with a sub-folder of pictures for each class, as torchvision's ImageFolder reads it:
//! <https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html>.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::entries::{list, printable};
use super::{Found, sample};
use crate::{Dataset, Error, Reading, Result};
use lenet_files::Tally;
use lenet_picture::{
    Form, IMAGE_PIXELS, Ink, MAX_BYTES, Picture, Preparation, is_picture, prepare,
};

/// The most skipped pictures that a warning lists.
const LISTED: usize = 10;

/// How far below the data's folder a picture may be: a link back to its own folder would never end.
const MAX_DEPTH: usize = 10;

/// What the folders of the splits are called. The name of one that holds folders of classes may also
/// just begin so. A set with `val` but no `test` is tested on `val`.
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["test", "testing"];
const VALIDATION: &[&str] = &["val", "valid", "validation"];

/// Reads the pictures below a folder; none if no sub-folder has any, or only one beside tables.
pub(super) fn load(folder: &Path, has_tables: bool, reading: Reading) -> Result<Option<Found>> {
    let whole = Folder::read(folder, MAX_DEPTH)?;
    let root = whole.inner();
    let train = root.split(TRAIN).filter(|train| train.is_parent());
    let tested = [TEST, VALIDATION].map(|names| root.split(names));
    let top = train.map_or(root, Folder::inner);
    let is_tested = |folder: &&Folder| {
        let mut splits = tested.iter().flatten();
        splits.any(|split| split.path == folder.path)
    };
    let folders = top.folders.iter();
    let classes: Vec<&Folder> = folders.filter(|folder| !is_tested(folder)).collect();
    let count = classes.iter().filter(|class| class.is_filled()).count();
    if root.filled().is_empty() || train.is_none() && count < 2 && has_tables {
        return Ok(None);
    }
    let refused = |reason: &str| {
        let found: Vec<String> = root.folders.iter().map(Folder::summary).collect();
        Err(Error::input(format!("{reason}. Its folders: {}", found.join(", "))).at(&root.path))
    };
    if let Some(set) = classes.iter().find(|class| class.inner().is_set()) {
        return refused(&format!(
            "{:?} is a data set of its own: name one",
            set.name
        ));
    }
    if train.is_none() && tested.iter().flatten().any(|split| split.is_parent()) {
        return refused("no folder `train` beside the other splits");
    }
    if count < 2 {
        return refused("a training needs two classes or more, each a folder of pictures");
    }
    if let Some(class) = classes.iter().find(|class| !class.is_filled()) {
        let reason = "no PNG, JPEG or BMP picture in the folder of a class: fill it, or remove it";
        return Err(Error::input(reason).at(&class.path));
    }
    if top.path != folder {
        tracing::info!("the folders of the classes are in {:?}", top.path);
    }
    let mut names: Vec<String> = Vec::new();
    for class in &classes {
        if !names.contains(&class.name) {
            names.push(class.name.clone());
        }
    }
    let train = labelled(top, classes.into_iter(), &names)?;
    let [test, validation] = tested.map(|split| {
        let split = split.map(Folder::inner)?;
        let filled = split.filled();
        if filled.len() < 2 && !filled.iter().any(|class| names.contains(&class.name)) {
            tracing::warn!(
                "{:?} is passed over: its pictures have no classes",
                split.path
            );
            return None;
        }
        Some(labelled(split, split.folders.iter(), &names))
    });
    let [test, validation] = match [test.transpose()?, validation.transpose()?] {
        [None, validation] => [validation, None],
        both => both,
    };
    let splits = [Some(&train), test.as_ref(), validation.as_ref()];
    report_left_out(&whole, splits.into_iter().flatten());
    let preparation = reading.pictures.unwrap_or_else(|| {
        let files = &train.1;
        Preparation::suiting(sample(files.len(), |index| {
            decode(files.get(index)?.0).ok()
        }))
    });
    let read = |split: Split<'_>| read(&split, &names, preparation, reading.strict);
    Ok(Some(Found {
        train: read(train)?,
        test: test.map(read).transpose()?,
        validation: validation.map(read).transpose()?,
        preparation,
    }))
}

/// A folder and all below it.
struct Folder {
    path: PathBuf,
    name: String,
    folders: Vec<Folder>,
    pictures: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Folder {
    fn read(path: &Path, depth: usize) -> Result<Self> {
        if depth == 0 {
            let reason = "too deep below the folder of its class: perhaps a link leads back";
            return Err(Error::input(reason).at(path));
        }
        let mut folder = Self {
            path: path.to_owned(),
            name: printable(&path.file_name().unwrap_or_default().to_string_lossy()),
            folders: Vec::new(),
            pictures: Vec::new(),
            others: Vec::new(),
        };
        for entry in list(path)? {
            if entry.is_dir {
                folder.folders.push(Self::read(&entry.path, depth - 1)?);
            } else if is_picture(&entry.path) {
                folder.pictures.push(entry.path);
            } else {
                folder.others.push(entry.path);
            }
        }
        Ok(folder)
    }

    /// This folder and those below it.
    fn all(&self) -> Vec<&Self> {
        let below = self.folders.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }

    /// The pictures in it and below it, in the order of their paths.
    fn all_pictures(&self) -> Vec<&Path> {
        let all = self.all().into_iter().flat_map(|folder| &folder.pictures);
        let mut pictures: Vec<&Path> = all.map(PathBuf::as_path).collect();
        pictures.sort_unstable();
        pictures
    }

    fn filled(&self) -> Vec<&Self> {
        let folders = self.folders.iter();
        folders.filter(|folder| folder.is_filled()).collect()
    }

    fn is_filled(&self) -> bool {
        !self.pictures.is_empty() || self.folders.iter().any(Self::is_filled)
    }

    /// Whether all its pictures are in its folders.
    fn is_parent(&self) -> bool {
        self.pictures.is_empty() && !self.filled().is_empty()
    }

    fn is_called(&self, names: &[&str]) -> bool {
        names.contains(&self.name.to_lowercase().as_str())
    }

    /// Where the pictures are if only one way leads down to them; not into a split to test on.
    fn inner(&self) -> &Self {
        match self.filled().as_slice() {
            [only] if self.pictures.is_empty() && only.is_parent() && !only.is_called(TEST) => {
                only.inner()
            }
            _ => self,
        }
    }

    /// Whether its folders are those of digits or letters.
    fn is_set(&self) -> bool {
        let is_short = |folder: &&Self| folder.name.chars().count() == 1;
        self.is_parent() && self.filled().len() > 1 && self.filled().iter().all(is_short)
    }

    /// The folder of a split, if there is no doubt.
    fn split(&self, names: &[&str]) -> Option<&Self> {
        let filled = self.filled();
        let called = filled.iter().find(|folder| folder.is_called(names));
        let mut like = filled.iter().filter(|folder| {
            let name = folder.name.to_lowercase();
            folder.is_parent() && names.iter().any(|start| name.starts_with(start))
        });
        match (called, like.next(), like.next()) {
            (None, Some(_), Some(_)) => None,
            (called, like, _) => called.or(like).copied(),
        }
    }

    fn summary(&self) -> String {
        let (name, count) = (&self.name, self.all_pictures().len());
        format!(
            "{name:?} with {} folders and {count} pictures",
            self.folders.len()
        )
    }
}

/// The folder of a split, and its picture files, each with its class.
type Split<'a> = (&'a Path, Vec<(&'a Path, usize)>);

fn labelled<'a>(
    split: &'a Folder,
    classes: impl Iterator<Item = &'a Folder>,
    names: &[String],
) -> Result<Split<'a>> {
    let mut files = Vec::new();
    for class in classes {
        let label = names.iter().position(|name| *name == class.name);
        let label = label.ok_or_else(|| {
            let reason = "a class that the images to train on do not have";
            Error::input(reason).at(&class.path)
        })?;
        files.extend(class.all_pictures().into_iter().map(|file| (file, label)));
    }
    Ok((&split.path, files))
}

/// Counts the pictures that are in no class, and what else is in the folders.
fn report_left_out<'a>(whole: &Folder, splits: impl Iterator<Item = &'a Split<'a>>) {
    let used: HashSet<&Path> = splits
        .flat_map(|split| &split.1)
        .map(|(file, _)| *file)
        .collect();
    let others = whole
        .all()
        .into_iter()
        .skip(1)
        .flat_map(|folder| &folder.others);
    let pictures = whole
        .all_pictures()
        .into_iter()
        .filter(|file| !used.contains(file));
    let mut tally = Tally::default();
    pictures
        .chain(others.map(PathBuf::as_path))
        .for_each(|file| tally.add(file));
    if !tally.is_empty() {
        tracing::warn!(
            "{:?}: left out are {tally}: only PNG, JPEG and BMP pictures in the folders of classes \
             are read",
            whole.path
        );
    }
}

/// The pictures of a split. Those that cannot be read, or on which nothing is drawn, are skipped with
/// a warning that lists them, unless `strict`. A class of blank pictures is one of black images.
fn read(
    (folder, files): &Split<'_>,
    names: &[String],
    preparation: Preparation,
    strict: bool,
) -> Result<Dataset> {
    // Of each class, how many more pictures are blank than drawn.
    let mut blank: BTreeMap<usize, isize> = BTreeMap::new();
    let forms: Vec<Result<Form>> = (files.iter())
        .map(|(file, label)| {
            let form = prepare(&decode(file)?, preparation, Ink::Auto);
            let is_blank = form == Form::Blank;
            *blank.entry(*label).or_default() += if is_blank { 1 } else { -1 };
            Ok(form)
        })
        .collect();
    let (mut pixels, mut labels, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    let mut skipped = Vec::new();
    for ((file, label), form) in std::iter::zip(files, forms) {
        let image = match form {
            Ok(Form::Digit(image)) => Ok(image),
            Ok(Form::Blank) if blank.get(label).is_some_and(|more| *more > 0) => {
                Ok([0; IMAGE_PIXELS])
            }
            Ok(Form::Blank) => Err(Error::input("nothing is drawn on it")),
            Err(error) => Err(error),
        };
        match image {
            Ok(image) => {
                pixels.extend_from_slice(&image);
                labels.push(*label as i32);
                paths.push(file.to_path_buf());
            }
            Err(error) if strict => return Err(error.at(file)),
            Err(error) => skipped.push(error.at(file).to_string()),
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
