//! The files of the registry's data sets in a folder, or in the archive that they come in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::registry::{DatasetSpec, FileSpec, Known};
use crate::{Error, Result, Splits, archive, sha256};

/// A stored file may exceed its genuine size by this many bytes before it is not read at all:
/// compression adds to noise, and an error message counts the bytes that are too many.
const SLACK: usize = 64 * 1024;

/// How many of the four files a folder lacks.
pub(super) fn missing(spec: &DatasetSpec, folder: &Path) -> usize {
    (spec.files.iter())
        .filter(|file| find(spec, folder, file).is_none())
        .count()
}

/// Reads the four files in a folder, and returns the SHA-256 of each, decompressed.
pub(super) fn load(
    spec: &DatasetSpec,
    folder: &Path,
) -> Result<(Splits, BTreeMap<String, String>)> {
    let mut sha256 = BTreeMap::new();
    let mut split = |images: &FileSpec, labels: &FileSpec| {
        let (_, image_bytes) = read(spec, folder, images)?;
        let (path, label_bytes) = read(spec, folder, labels)?;
        for (file, bytes) in [(images, &image_bytes), (labels, &label_bytes)] {
            sha256.insert(file.name.to_owned(), sha256_of(file, bytes));
        }
        spec.dataset(image_bytes, &label_bytes)
            .map_err(|error| error.at(&path))
    };
    let [train_images, train_labels, test_images, test_labels] = &spec.files;
    let splits = Splits {
        train: split(train_images, train_labels)?,
        test: split(test_images, test_labels)?,
        validation: None,
        preparation: spec.pictures,
    };
    Ok((splits, sha256))
}

/// The SHA-256 of a decompressed file, which was verified if the registry has it.
pub(super) fn sha256_of(file: &FileSpec, content: &[u8]) -> String {
    match file.digest {
        Known::Sha256(digest) => digest.to_owned(),
        _ => sha256(content),
    }
}

/// A file's path and decompressed content, verified.
fn read(spec: &DatasetSpec, folder: &Path, file: &FileSpec) -> Result<(PathBuf, Vec<u8>)> {
    let path = find(spec, folder, file).unwrap_or_else(|| folder.join(file.name));
    let limit = file.bytes.saturating_add(SLACK);
    let stored = match spec.archive {
        Some(archive) if path.ends_with(archive.name) => {
            archive::read_member(&path, &archive.member(file), limit)?
        }
        _ => lenet_files::read(&path, limit)?,
    };
    let content = file.open(stored).map_err(|error| {
        Error::input(format!(
            "{error}; `lenet data download --force {}` replaces it, with the same --data-dir if \
             one was given",
            spec.name
        ))
        .at(&path)
    })?;
    Ok((path, content))
}

/// Where a folder has a file, compressed or raw. If it has both, the compressed one counts: it is the
/// one that a download replaces. Files of an archive may also be in the folder that unpacking makes,
/// or still inside the archive.
fn find(spec: &DatasetSpec, folder: &Path, file: &FileSpec) -> Option<PathBuf> {
    let unpacked = spec.archive.map(|archive| folder.join(archive.folder));
    let names = [file.gz(), file.name.to_owned()];
    [Some(folder.to_owned()), unpacked]
        .iter()
        .flatten()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|path| path.exists())
        .or_else(|| {
            // Not a pipe, which would never end.
            let archive = folder.join(spec.archive?.name);
            archive.is_file().then_some(archive)
        })
}
