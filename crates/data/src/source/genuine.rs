//! The registry's data sets: their files in a folder, or in the archive that they come in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::read_file;
use crate::registry::{Archive, DatasetSpec, FileSpec, Known, Labels, Orientation};
use crate::{Dataset, Error, FormatError, Result, Sha256, Splits, gzip, idx, zip};
use lenet_picture::IMAGE_PIXELS;

/// A stored file may exceed its genuine size by this many bytes before it is not read at all: room
/// for what compression adds to noise, and for an error message that counts what is too many.
const SLACK: usize = 64 * 1024;

/// The first file that a folder lacks.
pub(super) fn missing<'a>(spec: &'a DatasetSpec, folder: &Path) -> Option<&'a FileSpec> {
    let mut files = spec.files.iter();
    files.find(|file| stored(spec, folder, file).is_none())
}

/// Reads the four files in a folder, and gives the SHA-256 of each, decompressed.
pub(super) fn load(
    spec: &DatasetSpec,
    folder: &Path,
) -> Result<(Splits, BTreeMap<String, String>)> {
    let [train_images, train_labels, test_images, test_labels] = &spec.files;
    let mut computed = BTreeMap::new();
    let mut split = |images: &FileSpec, labels: &FileSpec| {
        let images = read(spec, folder, images, |bytes| idx::images(bytes).map(drop))?;
        let labels = read(spec, folder, labels, |bytes| {
            classes_of(spec, bytes).map(drop)
        })?;
        let in_labels = |source| Error::File {
            path: labels.path.clone(),
            source,
        };
        let classes = classes_of(spec, &labels.bytes).map_err(in_labels)?;
        for file in [&images, &labels] {
            if let Some(digest) = &file.computed {
                computed.insert(file.name.to_owned(), digest.clone());
            }
        }
        let dataset = Dataset::from_images(images.bytes, classes, spec.class_names, |image| {
            if spec.orientation == Orientation::Transposed {
                transpose(image);
            }
        });
        let dataset = dataset.map_err(in_labels)?;
        // Last of all: every other error says more than that the digest differs.
        for (path, forged) in [(images.path, images.forged), (labels.path, labels.forged)] {
            if let Some(source) = forged {
                return Err(Error::File { path, source });
            }
        }
        Ok(dataset)
    };
    let splits = Splits {
        train: split(train_images, train_labels)?,
        test: split(test_images, test_labels)?,
    };
    Ok((splits, digests(spec, computed)))
}

/// The SHA-256 of each decompressed file by its name: that of the registry, or the computed one.
pub(super) fn digests(
    spec: &DatasetSpec,
    mut computed: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    for file in &spec.files {
        if let Known::Sha256(digest) = file.digest {
            computed.insert(file.name.to_owned(), digest.to_owned());
        }
    }
    computed
}

/// A file's decompressed bytes, well-formed, and how their digest differs from the genuine one.
struct Read {
    name: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
    forged: Option<FormatError>,
    /// SHA-256 of the bytes, where the registry does not have it.
    computed: Option<String>,
}

fn read(
    spec: &DatasetSpec,
    folder: &Path,
    file: &FileSpec,
    parse: impl Fn(&[u8]) -> Result<(), FormatError>,
) -> Result<Read> {
    let place = stored(spec, folder, file);
    let place = place.unwrap_or_else(|| Stored::File(folder.join(file.name)));
    let path = place.path().to_owned();
    let in_file = |source| Error::File {
        path: path.clone(),
        source,
    };
    let limit = file.bytes.saturating_add(SLACK);
    let stored = match &place {
        Stored::File(path) => read_file(path, limit)?,
        Stored::Member(path, archive) => zip::read_member(path, &archive.member(file), limit)?,
    };
    let unpacked = match gzip::is_gzip(&stored) {
        true => Some(gzip::decode(&stored, file.bytes).map_err(in_file)?),
        false => None,
    };
    let content = unpacked.as_deref().unwrap_or(&stored);
    parse(content).map_err(in_file)?;
    let verified = file.verify(&stored, content);
    if let Ok(false) = verified {
        tracing::warn!(
            "{path:?}: no digest of the decompressed file is known, its form alone is checked"
        );
    }
    let computed = match file.digest {
        Known::Sha256(_) => None,
        _ => Some(Sha256::of(content).to_string()),
    };
    Ok(Read {
        name: file.name,
        path,
        bytes: unpacked.unwrap_or(stored),
        forged: verified.err(),
        computed,
    })
}

/// Where a folder has a file.
enum Stored {
    File(PathBuf),
    /// In this archive.
    Member(PathBuf, Archive),
}

impl Stored {
    fn path(&self) -> &Path {
        match self {
            Stored::File(path) | Stored::Member(path, _) => path,
        }
    }
}

/// The path under which a folder stores a file, compressed or raw. Where there are both, the
/// compressed one counts: it is the one that a download replaces. Files of an archive may also be in
/// the folder that unpacking makes, or still inside it.
fn stored(spec: &DatasetSpec, folder: &Path, file: &FileSpec) -> Option<Stored> {
    let names = [format!("{}.gz", file.name), file.name.to_owned()];
    let unpacked = spec.archive.map(|archive| folder.join(archive.folder));
    let folders = [Some(folder.to_owned()), unpacked];
    let plain = folders
        .iter()
        .flatten()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|path| path.exists());
    if let Some(path) = plain {
        return Some(Stored::File(path));
    }
    let archive = spec.archive?;
    let path = folder.join(archive.name);
    path.exists().then_some(Stored::Member(path, archive))
}

/// The labels of a data set's label file, from 0.
fn classes_of(spec: &DatasetSpec, bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let classes = spec.class_names.len();
    match spec.labels {
        Labels::FromZero => numbered(0, classes, idx::labels(bytes)?.iter().copied()),
        Labels::FromOne => numbered(1, classes, idx::labels(bytes)?.iter().copied()),
        Labels::Qmnist => numbered(0, classes, idx::qmnist_labels(bytes)?),
    }
}

/// Labels that count from `first`, as they are counted from 0.
///
/// # Errors
/// The first label that is outside of the classes.
pub(crate) fn numbered<L: Into<i64>>(
    first: i64,
    classes: usize,
    labels: impl IntoIterator<Item = L>,
) -> Result<Vec<u8>, FormatError> {
    let number = |(index, label): (usize, L)| {
        let label = label.into();
        let class = u8::try_from(label - first).ok();
        class
            .filter(|&class| usize::from(class) < classes)
            .ok_or(FormatError::LabelOutOfRange {
                index,
                label,
                first,
                classes,
            })
    };
    labels.into_iter().enumerate().map(number).collect()
}

/// Swaps rows and columns.
fn transpose(image: &mut [u8; IMAGE_PIXELS]) {
    let from = *image;
    let (rows, _) = image.as_chunks_mut::<{ lenet_picture::IMAGE_SIDE }>();
    for (y, row) in rows.iter_mut().enumerate() {
        for (to, column) in std::iter::zip(row, from.chunks(lenet_picture::IMAGE_SIDE)) {
            *to = column.get(y).copied().unwrap_or_default();
        }
    }
}
