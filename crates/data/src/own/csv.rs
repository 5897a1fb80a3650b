//! CSV files with a label and 784 pixels a line, as Kaggle has MNIST
//! (<https://www.kaggle.com/c/digit-recognizer/data>), with or without a heading.

use std::path::Path;

use super::class_names::class_names;
use super::{Entry, Found, in_file, layout, read_unpacked};
use crate::source::numbered;
use crate::{Dataset, FormatError, Result};
use lenet_picture::IMAGE_PIXELS;

/// The lines of one file, all of which are to be divided.
pub(super) fn load_file(path: &Path) -> Result<Found> {
    let part = read(path)?.ok_or_else(|| layout(path, UNLABELLED))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let names = class_names(folder, [part.labels.as_slice()])?;
    Ok(Found {
        train: part.dataset(path, &names)?,
        test: None,
    })
}

const UNLABELLED: &str =
    "784 columns: pixels without labels, which can be neither trained on nor tested with";

/// The CSV files of a folder: one with `train` in its name and perhaps one with `test`, or one alone.
pub(super) fn load_folder(folder: &Path, entries: &[Entry]) -> Result<Option<Found>> {
    let tables: Vec<&Entry> = entries.iter().filter(|entry| is_table(entry)).collect();
    let only = |split: &str| -> Result<Option<&Entry>> {
        let mut named = tables.iter().filter(|entry| entry.lower().contains(split));
        match (named.next(), named.next()) {
            (Some(first), Some(second)) => Err(layout(
                folder,
                format!(
                    "{:?} and {:?} are both of the split {split}: name a file, or put each data \
                     set into a folder of its own",
                    first.name, second.name
                ),
            )),
            (found, _) => Ok(found.copied()),
        }
    };
    let (train, test) = match (only("train")?, only("test")?, tables.as_slice()) {
        (Some(train), test, _) => (train, test),
        (None, None, []) => return Ok(None),
        (None, None, [alone]) => (*alone, None),
        _ => {
            return Err(layout(
                folder,
                "CSV files, but none with `train` in its name: name a file",
            ));
        }
    };
    let part = read(&train.path)?.ok_or_else(|| layout(&train.path, UNLABELLED))?;
    let tested = match test {
        Some(test) => {
            let tested = read(&test.path)?;
            if tested.is_none() {
                tracing::warn!("{:?} is passed over: {UNLABELLED}", test.path);
            }
            tested.map(|tested| (tested, test))
        }
        None => None,
    };
    let labels = [Some(&part), tested.as_ref().map(|(tested, _)| tested)];
    let labels = labels.into_iter().flatten();
    let names = class_names(folder, labels.map(|part| part.labels.as_slice()))?;
    Ok(Some(Found {
        train: part.dataset(&train.path, &names)?,
        test: tested
            .map(|(tested, test)| tested.dataset(&test.path, &names))
            .transpose()?,
    }))
}

fn is_table(entry: &Entry) -> bool {
    let name = entry.lower();
    !entry.is_dir && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
}

struct Part {
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Part {
    fn dataset(self, path: &Path, names: &[String]) -> Result<Dataset> {
        let labels = numbered(0, names.len(), self.labels);
        labels
            .and_then(|labels| Dataset::new(self.pixels, labels, names.iter().cloned()))
            .map_err(in_file(path))
    }
}

/// The labelled images of a file; nothing where it has pixels without labels.
fn read(path: &Path) -> Result<Option<Part>> {
    parse(&read_unpacked(path)?).map_err(in_file(path))
}

fn parse(bytes: &[u8]) -> Result<Option<Part>, FormatError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let mut lines = lines
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .peekable();
    let Some((_, first)) = lines.peek() else {
        return Err(FormatError::NoImages);
    };
    if fields(first).count() == IMAGE_PIXELS {
        return Ok(None);
    }
    // A heading has words.
    if fields(first)
        .next()
        .is_some_and(|field| number(field).is_none())
    {
        heading(first)?;
        lines.next();
    }
    let mut part = Part {
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for (line, text) in lines {
        let wrong = |reason| FormatError::Csv { line, reason };
        let mut count = 0;
        for (column, field) in fields(text).enumerate() {
            count += 1;
            let value = number(field).ok_or_else(|| {
                let shown = String::from_utf8_lossy(field);
                let shown: String = shown.chars().take(20).collect();
                let column = column + 1;
                wrong(format!(
                    "column {column}: {shown:?} is no whole number from 0 to 255"
                ))
            })?;
            match column {
                0 => part.labels.push(value.into()),
                _ if column <= IMAGE_PIXELS => part.pixels.push(value),
                _ => {}
            }
        }
        if count != IMAGE_PIXELS + 1 {
            return Err(wrong(columns(count)));
        }
    }
    Ok(Some(part))
}

/// Refuses what is no heading of such a file.
fn heading(line: &[u8]) -> Result<(), FormatError> {
    let count = fields(line).count();
    if count == IMAGE_PIXELS + 1 {
        return Ok(());
    }
    Err(FormatError::Csv {
        line: 1,
        reason: columns(count),
    })
}

fn columns(count: usize) -> String {
    format!("{count} columns, there must be a label and 784 pixels: 785")
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(|field| {
        let field = field.trim_ascii();
        let quoted = field.strip_prefix(b"\"");
        quoted
            .and_then(|field| field.strip_suffix(b"\""))
            .unwrap_or(field)
    })
}

/// A whole number of at most three digits that fits into a byte.
fn number(field: &[u8]) -> Option<u8> {
    if field.is_empty() || field.len() > 3 {
        return None;
    }
    let mut value = 0_u16;
    for digit in field {
        value = value * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    u8::try_from(value).ok()
}
