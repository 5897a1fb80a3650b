//! CSV files with a label and 784 pixels a line, as Kaggle and OpenML have MNIST
//! (<https://www.kaggle.com/c/digit-recognizer/data>), with or without a heading.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::entries::{Entry, MAX_BYTES, single};
use super::{Found, Numbered};
use crate::{Error, Reading, Result};
use lenet_files::Format;
use lenet_picture::IMAGE_PIXELS;

const UNLABELLED: &str =
    "784 columns: pixels without labels, which can be neither trained on nor tested with";

/// The most bytes of a line: 785 names or numbers are far shorter.
const MAX_LINE: usize = 1 << 17;

/// How a heading calls the column of labels, in lower case.
const LABELS: [&str; 5] = ["label", "labels", "class", "target", "digit"];

/// The images of one file, which are to be split.
pub(super) fn load_file(path: &Path, reading: Reading) -> Result<Found> {
    let table = read(path)?.ok_or_else(|| Error::input(UNLABELLED).at(path))?;
    Found::of_numbered(table, None, reading)
}

/// The CSV files of a folder: one with `train` in its name and perhaps one with `test`, or just one.
pub(super) fn load_folder(
    folder: &Path,
    entries: &[Entry],
    reading: Reading,
) -> Result<Option<Found>> {
    let tables: Vec<&Entry> = entries.iter().filter(|entry| is_table(entry)).collect();
    let only = |split: &str| {
        let of_split = tables
            .iter()
            .copied()
            .filter(|entry| entry.lower().contains(split));
        single(folder, of_split, &format!("of the split {split}"))
    };
    let (train, test) = match (only("train")?, only("test")?, tables.as_slice()) {
        (Some(train), test, _) => (train, test),
        (None, None, []) => return Ok(None),
        (None, None, [alone]) => return load_file(&alone.path, reading).map(Some),
        _ => {
            let reason = "CSV files, but none with `train` in its name: name a file";
            return Err(Error::input(reason).at(folder));
        }
    };
    let train = read(&train.path)?.ok_or_else(|| Error::input(UNLABELLED).at(&train.path))?;
    let test_table = test.map(|test| read(&test.path)).transpose()?;
    if let (Some(test), Some(None)) = (test, &test_table) {
        tracing::warn!("{:?} is skipped: {UNLABELLED}", test.path);
    }
    Found::of_numbered(train, test_table.flatten(), reading).map(Some)
}

pub(super) fn is_table(entry: &Entry) -> bool {
    let name = entry.lower();
    !entry.is_dir && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
}

/// The labelled images of a file; none if it has pixels without labels.
fn read(path: &Path) -> Result<Option<Numbered>> {
    let failed = |source| Error::io("read", path, source);
    let mut file = BufReader::new(lenet_files::open(path)?);
    let mut text: Box<dyn BufRead> = match Format::of(file.fill_buf().map_err(failed)?) {
        Some(Format::GZIP) => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        _ => Box::new(file),
    };
    let damaged = |error| {
        Error::input("the gzip stream is damaged")
            .caused_by(error)
            .at(path)
    };
    let start = text.fill_buf().map_err(damaged)?;
    if let Some(format) = Format::of(start).filter(|_| !start.is_empty()) {
        return Err(Error::input(format!("{format}, not a CSV file: {}", advice(format))).at(path));
    }
    let is_wide = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    parse(text, is_wide, path).map_err(|error| error.at(path))
}

/// What to do with a file that is no table.
fn advice(format: Format) -> &'static str {
    match format {
        Format::IDX => "name its folder, which must also have the file of the labels",
        Format::ZIP | Format::TAR => "unpack it and name the folder",
        Format::WEB_PAGE | Format::LFS_POINTER => "download the data itself",
        _ => {
            "save its images as pictures in a folder for each class, or as lines of a label and 784 \
             pixels"
        }
    }
}

fn parse(text: impl BufRead, is_wide: bool, path: &Path) -> Result<Option<Numbered>> {
    let mut text = text.take(MAX_BYTES as u64 + 1);
    let mut table = Numbered {
        path: path.to_owned(),
        pixels: Vec::new(),
        labels: Vec::new(),
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase(),
        sha256: None,
    };
    let (mut line, mut row, mut delimiter, mut label_at) = (Vec::new(), 0, b',', 0);
    while next_line(&mut text, &mut line)? {
        // What UTF-16 has beside the letters of a table.
        line.retain(|&byte| !is_wide || ![0, 0xfe, 0xff].contains(&byte));
        if line.trim_ascii().is_empty() {
            continue;
        }
        row += 1;
        let wrong = |reason: String| Error::input(format!("row {row}: {reason}"));
        let bytes = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
        if row == 1 {
            let count = |wanted: &u8| bytes.iter().filter(|byte| *byte == wanted).count();
            delimiter = *b"\t;,"
                .iter()
                .max_by_key(|wanted| count(wanted))
                .unwrap_or(&b',');
        }
        let fields: Vec<&[u8]> = bytes
            .split(|&byte| byte == delimiter)
            .map(trimmed)
            .collect();
        if row == 1 && fields.len() == IMAGE_PIXELS {
            return Ok(None);
        }
        let (Some(first), Some(last), 785) = (fields.first(), fields.last(), fields.len()) else {
            return Err(wrong(format!(
                "{} columns, there must be a label and 784 pixels: 785, separated by commas, \
                 semicolons or tabs",
                fields.len()
            )));
        };
        // No 785 bytes are all different, as the names of a heading are.
        let is_heading = row == 1
            && (number(first).is_none() || fields.iter().collect::<BTreeSet<_>>().len() == 785);
        if is_heading {
            let names_labels = |field: &[u8]| {
                LABELS
                    .iter()
                    .any(|name| field.eq_ignore_ascii_case(name.as_bytes()))
            };
            label_at = if names_labels(last) && !names_labels(first) {
                IMAGE_PIXELS
            } else {
                0
            };
            continue;
        }
        for (column, field) in fields.iter().enumerate() {
            let value = number(field).ok_or_else(|| {
                let shown: String = String::from_utf8_lossy(field).chars().take(20).collect();
                let column = column + 1;
                wrong(format!(
                    "column {column}: {shown:?} is not a whole number from 0 to 255"
                ))
            })?;
            if column == label_at {
                table.labels.push(value.into());
            } else {
                table.pixels.push(value);
            }
        }
    }
    if text.limit() == 0 {
        return Err(Error::input(format!("more than {MAX_BYTES} bytes")));
    }
    Ok(Some(table))
}

/// Reads a line without its end, which is LF, CR or both; the line between these two is empty.
fn next_line(text: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    loop {
        let buffer = text.fill_buf();
        let buffer = buffer.map_err(|error| Error::input("it ends early").caused_by(error))?;
        let end = buffer.iter().position(|byte| b"\r\n".contains(byte));
        line.extend(buffer.iter().take(end.unwrap_or(buffer.len())));
        let used = end.map_or(buffer.len(), |end| end + 1);
        if used == 0 || end.is_some() {
            text.consume(used);
            return Ok(used > 0 || !line.is_empty());
        }
        text.consume(used);
        if line.len() > MAX_LINE {
            return Err(Error::input(format!(
                "not a table of images: a line has more than {MAX_LINE} bytes"
            )));
        }
    }
}

fn trimmed(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    let inner = field
        .strip_prefix(b"\"")
        .and_then(|field| field.strip_suffix(b"\""));
    inner.unwrap_or(field).trim_ascii()
}

/// A whole number of a byte, which may be written as `7.0`.
fn number(field: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(field).ok()?;
    text.parse().ok().or_else(|| {
        let value: f64 = text.parse().ok()?;
        ((0. ..=255.).contains(&value) && value.fract() == 0.).then_some(value as u8)
    })
}
