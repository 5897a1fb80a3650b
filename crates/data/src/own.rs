//! Data sets of the user's own: IDX files, folders of pictures, CSV files.
//!
//! | what is there | how it is known |
//! |---|---|
//! | IDX files of images and labels | names with `images` and `labels`, and `train` or `test` or `t10k` |
//! | a folder of pictures for each class, as torchvision's ImageFolder has them | sub-folders; those in `train` and `test` are two splits |
//! | CSV with a label and 784 pixels a line, as Kaggle has MNIST | a file, or names with `train` and `test` |
//!
//! The classes of IDX and CSV files are called by their numbers, or as `classes.txt` in the same folder
//! says, a name a line. Where there is no test split, a fifth of each class is held out for it.

mod class_names;
mod csv;
mod idx_files;
mod pictures;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Dataset, Error, FormatError, Loaded, Origin, Result, Sha256, Splits, gzip, read_file};

/// The most bytes that a file of own data may have, compressed or not.
const MAX_BYTES: usize = 1 << 30;

/// Reads own data whole.
pub(crate) fn load(path: &Path) -> Result<Loaded> {
    let failed = |source| Error::Io {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return finish(csv::load_file(path)?, Origin::File(path.to_owned()));
    }
    let entries = list(path)?;
    let found = match idx_files::load(path, &entries)? {
        Some(found) => Some(found),
        None => pictures::load(path, &entries)?,
    };
    let found = match found {
        Some(found) => Some(found),
        None => csv::load_folder(path, &entries)?,
    };
    let found = found.ok_or_else(|| {
        layout(
            path,
            "no data set: neither IDX files (train-images-idx3-ubyte ...), nor a folder of \
             pictures for each class, nor CSV files (train.csv ...)",
        )
    })?;
    finish(found, Origin::Folder(path.to_owned()))
}

/// What was read: the images to train on and, where they came apart, those to test with.
struct Found {
    train: Dataset,
    test: Option<Dataset>,
}

fn finish(found: Found, origin: Origin) -> Result<Loaded> {
    let (train, test) = match found.test {
        Some(test) => (found.train, test),
        None => {
            let (train, test) = found.train.hold_out_fifth();
            if test.is_empty() {
                let (Origin::Folder(path) | Origin::File(path)) = &origin else {
                    return Err(FormatError::NoImages.into());
                };
                return Err(layout(path, "one image alone: none is left to test with"));
            }
            tracing::info!(
                "{origin} has no test split: {} of its {} images are held out for it, a fifth of \
                 each class and always the same",
                test.len(),
                train.len() + test.len()
            );
            (train, test)
        }
    };
    let sha256 = BTreeMap::from([
        ("train".to_owned(), digest(&train)),
        ("test".to_owned(), digest(&test)),
    ]);
    Ok(Loaded {
        splits: Splits { train, test },
        origin,
        sha256,
    })
}

/// SHA-256 of the names of the classes, one a line, and of each image's label and pixels.
fn digest(set: &Dataset) -> String {
    let names = set.class_names().iter();
    let names: String = names.map(|name| format!("{name}\n")).collect();
    let labels: Vec<u8> = set.iter().map(|(_, label)| label).collect();
    let images = std::iter::zip(set.iter(), labels.chunks(1));
    let images = images.flat_map(|((image, _), label)| [label, &image[..]]);
    Sha256::of_all(std::iter::once(names.as_bytes()).chain(images)).to_string()
}

/// One thing in a folder.
struct Entry {
    name: OsString,
    path: PathBuf,
    is_dir: bool,
}

impl Entry {
    /// The name in lower case; what is no UTF-8 in it is replaced.
    fn lower(&self) -> String {
        self.name.to_string_lossy().to_lowercase()
    }
}

/// What a folder holds, sorted by name. What is hidden, and links to nothing, are passed over.
fn list(folder: &Path) -> Result<Vec<Entry>> {
    let failed = |source| Error::Io {
        operation: "read",
        path: folder.to_owned(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        // Follows links, as data is often linked together.
        if let Ok(metadata) = fs::metadata(&path) {
            entries.push(Entry {
                name,
                path,
                is_dir: metadata.is_dir(),
            });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A file's bytes, decompressed where it is a gzip stream.
fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_file(path, MAX_BYTES)?;
    match gzip::is_gzip(&bytes) {
        true => gzip::decode(&bytes, MAX_BYTES).map_err(in_file(path)),
        false => Ok(bytes),
    }
}

fn in_file(path: &Path) -> impl Fn(FormatError) -> Error {
    move |source| Error::File {
        path: path.to_owned(),
        source,
    }
}

fn layout(path: &Path, reason: impl Into<String>) -> Error {
    in_file(path)(FormatError::Layout {
        reason: reason.into(),
    })
}

/// The last part of a path, fit for a heading.
pub(crate) fn title(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    printable(&name.to_string_lossy())
}

/// A name without characters that move the cursor.
fn printable(name: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().map(shown).collect()
}

/// What a path begins with that was written as text though it is none.
const SCHEME: &str = "file:";

/// A path as text, each byte that is not a plain letter as `%` and two digits.
pub(crate) fn uri(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let part = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    SCHEME
        .chars()
        .map(String::from)
        .chain(bytes.iter().map(part))
        .collect()
}

/// The path that [`uri`] made the text of.
pub(crate) fn path_from_uri(text: &str) -> Option<PathBuf> {
    let mut rest = text.strip_prefix(SCHEME)?.as_bytes();
    let mut bytes = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    path_of(bytes)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(OsString::from_vec(bytes).into())
}

/// Other systems' paths are not bytes.
#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}
