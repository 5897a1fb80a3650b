//! What is in a folder of own data.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lenet_files::outputs;

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
    let mut out = String::new();
    for c in name.chars() {
        let c = if c.is_control() { '\u{fffd}' } else { c };
        let whole = out.chars().last().and_then(|base| composed(base, c));
        if whole.is_some() {
            out.pop();
        }
        out.push(whole.unwrap_or(c));
    }
    out
}

/// Marks, and letters each with what it becomes under the mark.
const COMPOSED: [(char, &str); 15] = [
    ('\u{300}', "AÀEÈIÌOÒUÙaàeèiìoòuù"),
    (
        '\u{301}',
        "AÁEÉIÍOÓUÚYÝaáeéiíoóuúyýCĆcćLĹlĺNŃnńRŔrŕSŚsśZŹzźГЃКЌгѓкќ",
    ),
    ('\u{302}', "AÂEÊIÎOÔUÛaâeêiîoôuûCĈcĉGĜgĝHĤhĥJĴjĵSŜsŝ"),
    ('\u{303}', "AÃNÑOÕaãnñoõIĨiĩUŨuũ"),
    ('\u{304}', "AĀaāEĒeēIĪiīOŌoōUŪuū"),
    ('\u{306}', "AĂaăGĞgğUŬuŭУЎИЙийуў"),
    ('\u{307}', "CĊcċEĖeėGĠgġIİZŻzż"),
    ('\u{308}', "AÄEËIÏOÖUÜaäeëiïoöuüyÿYŸЕЁІЇеёії"),
    ('\u{30a}', "AÅaåUŮuů"),
    ('\u{30b}', "OŐoőUŰuű"),
    ('\u{30c}', "CČcčDĎdďEĚeěLĽlľNŇnňRŘrřSŠsšTŤtťZŽzž"),
    ('\u{327}', "CÇcçGĢKĶkķLĻlļNŅnņSŞsşTŢtţ"),
    ('\u{328}', "AĄaąEĘeęIĮiįUŲuų"),
    (
        '\u{3099}',
        "かがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどはばひびふぶへべほぼうゔカガキギ\
         クグケゲコゴサザシジスズセゼソゾタダチヂツヅテデトドハバヒビフブヘベホボウヴ",
    ),
    ('\u{309a}', "はぱひぴふぷへぺほぽハパヒピフプヘペホポ"),
];

fn composed(base: char, mark: char) -> Option<char> {
    let pairs = COMPOSED.iter().find(|(known, _)| *known == mark);
    let mut pairs = pairs.map_or("", |(_, pairs)| pairs).chars();
    while let (Some(letter), Some(whole)) = (pairs.next(), pairs.next()) {
        if letter == base {
            return Some(whole);
        }
    }
    // Syllables of Hangul are numbered by their two or three parts.
    let (base, mark) = (u32::from(base), u32::from(mark));
    char::from_u32(match (base, mark) {
        (0x1100..=0x1112, 0x1161..=0x1175) => 0xac00 + ((base - 0x1100) * 21 + mark - 0x1161) * 28,
        (0xac00..=0xd7a3, 0x11a8..=0x11c2) if (base - 0xac00).is_multiple_of(28) => {
            base + mark - 0x11a7
        }
        _ => return None,
    })
}
