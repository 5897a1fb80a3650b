//! What is in a folder of own data.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lenet_files::outputs;
use unicode_normalization_alignments::UnicodeNormalization as _;

use crate::{Error, Result};

/// The most bytes that a file of own data may have, compressed or not.
pub(super) const MAX_BYTES: usize = 1 << 30;

/// A file or folder in a folder.
pub(super) struct Entry {
    pub name: OsString,
    pub path: PathBuf,
    pub is_dir: bool,
}

impl Entry {
    /// The name in lower case; bytes that are not UTF-8 are replaced.
    pub(super) fn lower(&self) -> String {
        self.name.to_string_lossy().to_lowercase()
    }
}

/// The entries of a folder, sorted by name. Hidden entries and the folders that lenet writes are
/// skipped; links are followed, as data is often linked together.
pub(super) fn list(folder: &Path) -> Result<Vec<Entry>> {
    let failed = |error| Error::io("read", folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let is_dir = path.is_dir();
        if is_dir && is_output(&path, OUTPUT_DEPTH) {
            tracing::debug!("{path:?}: a folder of runs is no data");
            continue;
        }
        entries.push(Entry { name, path, is_dir });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// How far below a folder of runs their folders may be: those of comparisons are one further.
const OUTPUT_DEPTH: u8 = 2;

/// Whether a folder is that of a run, which has a file `LOCK`, or has nothing but such folders and
/// what compares them.
fn is_output(folder: &Path, depth: u8) -> bool {
    if folder.join(outputs::LOCK).is_file() {
        return true;
    }
    let (mut has_runs, entries) = (false, fs::read_dir(folder));
    let is_ours = |entry: fs::DirEntry| {
        let is_run = depth > 0 && entry.path().is_dir() && is_output(&entry.path(), depth - 1);
        has_runs |= is_run;
        let name = entry.file_name();
        let mut beside = outputs::COMPARISON.iter().chain(&outputs::SWEEP);
        let is_summary = beside.any(|ours| name == *ours);
        is_run || is_summary || name.to_string_lossy().starts_with('.')
    };
    let mut entries = entries.into_iter().flatten().flatten();
    entries.all(is_ours) && has_runs
}

/// The one entry of a kind; if it is there raw and compressed, the compressed one.
pub(super) fn single<'a>(
    folder: &Path,
    entries: impl IntoIterator<Item = &'a Entry>,
    kind: &str,
) -> Result<Option<&'a Entry>> {
    let mut found: Option<&Entry> = None;
    for entry in entries {
        match found {
            Some(before) if entry.lower().strip_suffix(".gz") != Some(&before.lower()) => {
                return Err(Error::input(format!(
                    "{:?} and {:?} are both {kind}: put each data set into a folder of its own, or \
                     name a file",
                    before.name, entry.name
                ))
                .at(folder));
            }
            _ => found = Some(entry),
        }
    }
    Ok(found)
}

/// A name without control characters, which could move the cursor, and in the composed form (NFC) that
/// most systems write; macOS writes the other.
pub(super) fn printable(name: &str) -> String {
    let is_shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().map(is_shown).nfc().map(|(c, _)| c).collect()
}
