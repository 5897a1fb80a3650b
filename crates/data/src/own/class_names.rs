//! Names of classes for data that numbers them: `classes.txt`, one name a line, that of label 0 first.

use std::collections::BTreeSet;
use std::path::Path;

use super::entries::printable;
use crate::{Error, Result};

const FILE: &str = "classes.txt";
/// Enough for 256 names of any language.
const MAX_BYTES: usize = 1 << 16;

/// Names for all these labels, from the folder that the data is in; their numbers if it has no such
/// file.
pub(super) fn class_names<'a>(
    folder: &Path,
    labels: impl IntoIterator<Item = &'a [i32]>,
) -> Result<Vec<String>> {
    let greatest = labels.into_iter().flatten().copied().max();
    // A label that cannot be a class is refused with its image.
    let needed = greatest.unwrap_or(0).clamp(0, 255) + 1;
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok((0..needed).map(|class| class.to_string()).collect());
    }
    let text = lenet_files::read_text(&path, MAX_BYTES)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end();
    let names: Vec<String> = text.lines().map(|line| printable(line.trim())).collect();
    let wrong = |reason: String| Err(Error::input(reason).at(&path));
    let mut seen = BTreeSet::new();
    for (line, name) in std::iter::zip(1.., &names) {
        if name.is_empty() {
            return wrong(format!("line {line} is empty: each is the name of a class"));
        }
        if !seen.insert(name) {
            return wrong(format!("line {line} repeats the name {name:?}"));
        }
    }
    if (names.len() as i32) < needed {
        return wrong(format!(
            "{} names, but there is a label {}: put a name for each class on a line of its own, that \
             of label 0 first, or remove the file to call the classes by their numbers",
            names.len(),
            needed - 1
        ));
    }
    Ok(names)
}
