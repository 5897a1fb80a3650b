//! Names of classes that the data have numbers for: `classes.txt`, a name a line, that of number 0
//! first.

use std::collections::BTreeSet;
use std::path::Path;

use super::{in_file, layout, printable};
use crate::{Error, FormatError, Result, read_file};

const FILE: &str = "classes.txt";
/// 256 names of any language, with room.
const MAX_BYTES: usize = 1 << 16;

/// Names for all labels of all parts, from the folder that the data lie in; their numbers where it
/// has no such file.
pub(super) fn class_names<'a>(
    folder: &Path,
    labels: impl IntoIterator<Item = &'a [i64]>,
) -> Result<Vec<String>> {
    let greatest = labels.into_iter().flatten().copied().max();
    // A label that is no class at all is refused where its image is.
    let needed = greatest.unwrap_or(0).clamp(0, 255) + 1;
    let path = folder.join(FILE);
    let text = match read_file(&path, MAX_BYTES) {
        Ok(text) => text,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok((0..needed).map(|class| class.to_string()).collect());
        }
        Err(error) => return Err(error),
    };
    let names = parse(&text).map_err(|reason| layout(&path, reason))?;
    if names.len() > 256 {
        return Err(in_file(&path)(FormatError::ClassCount {
            found: names.len(),
        }));
    }
    if (names.len() as i64) < needed {
        let reason = format!(
            "{} names, but there is a label {}: put a name for each class on a line of its own, that \
             of label 0 first, or remove the file to call the classes by their numbers",
            names.len(),
            needed - 1
        );
        return Err(layout(&path, reason));
    }
    Ok(names)
}

fn parse(text: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "no UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end();
    let names: Vec<String> = text.lines().map(|line| printable(line.trim())).collect();
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let line = index + 1;
        if name.is_empty() {
            return Err(format!("line {line} is empty: each is the name of a class"));
        }
        if !seen.insert(name) {
            return Err(format!(
                "line {line}: the name {name:?} is there a second time"
            ));
        }
    }
    Ok(names)
}
