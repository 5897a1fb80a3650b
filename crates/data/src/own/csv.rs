//! CSV files with a label and 784 pixels a line, as Kaggle has MNIST
//! (<https://www.kaggle.com/c/digit-recognizer/data>), with or without a heading.

use std::path::Path;

use csv::{ReaderBuilder, Trim};

use super::class_names::class_names;
use super::entries::{Entry, read_unpacked, single};
use crate::{Dataset, Error, Result};
use lenet_picture::IMAGE_PIXELS;

const UNLABELLED: &str =
    "784 columns: pixels without labels, which can be neither trained on nor tested with";

/// The images of one file, which are to be split.
pub(super) fn load_file(path: &Path) -> Result<Dataset> {
    let table = read(path)?.ok_or_else(|| Error::input(UNLABELLED).at(path))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let names = class_names(folder, [table.labels.as_slice()])?;
    table.dataset(path, &names)
}

/// The CSV files of a folder: one with `train` in its name and perhaps one with `test`, or just one.
pub(super) fn load_folder(
    folder: &Path,
    entries: &[Entry],
) -> Result<Option<(Dataset, Option<Dataset>)>> {
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
        (None, None, [alone]) => return Ok(Some((load_file(&alone.path)?, None))),
        _ => {
            let reason = "CSV files, but none with `train` in its name: name a file";
            return Err(Error::input(reason).at(folder));
        }
    };
    let train_table = read(&train.path)?.ok_or_else(|| Error::input(UNLABELLED).at(&train.path))?;
    let Some(test) = test else {
        let names = class_names(folder, [train_table.labels.as_slice()])?;
        return Ok(Some((train_table.dataset(&train.path, &names)?, None)));
    };
    let test_table = read(&test.path)?;
    if test_table.is_none() {
        tracing::warn!("{:?} is skipped: {UNLABELLED}", test.path);
    }
    let labels = [Some(&train_table), test_table.as_ref()].into_iter();
    let labels = labels.flatten().map(|table| table.labels.as_slice());
    let names = class_names(folder, labels)?;
    let test = test_table.map(|table| table.dataset(&test.path, &names));
    Ok(Some((
        train_table.dataset(&train.path, &names)?,
        test.transpose()?,
    )))
}

fn is_table(entry: &Entry) -> bool {
    let name = entry.lower();
    !entry.is_dir && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
}

#[derive(Default)]
struct Table {
    pixels: Vec<u8>,
    labels: Vec<i32>,
}

impl Table {
    fn dataset(self, path: &Path, names: &[String]) -> Result<Dataset> {
        Dataset::numbered(self.pixels, self.labels, 0, names).map_err(|error| error.at(path))
    }
}

/// The labelled images of a file; none if it has pixels without labels.
fn read(path: &Path) -> Result<Option<Table>> {
    parse(&read_unpacked(path)?).map_err(|error| error.at(path))
}

fn parse(bytes: &[u8]) -> Result<Option<Table>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(bytes);
    let mut table = Table::default();
    for (index, record) in reader.byte_records().enumerate() {
        let record = record.map_err(|error| Error::input("not CSV").caused_by(error))?;
        if index == 0 && record.len() == IMAGE_PIXELS {
            return Ok(None);
        }
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |reason: String| Error::input(format!("line {line}: {reason}"));
        if record.len() != IMAGE_PIXELS + 1 {
            return Err(wrong(format!(
                "{} columns, there must be a label and 784 pixels: 785",
                record.len()
            )));
        }
        for (column, field) in record.iter().enumerate() {
            let text = String::from_utf8_lossy(field);
            let value = match text.parse::<u8>() {
                Ok(value) => value,
                // A heading has words.
                Err(_) if index == 0 && column == 0 => break,
                Err(_) => {
                    let (column, shown) = (column + 1, text.chars().take(20).collect::<String>());
                    let reason =
                        format!("column {column}: {shown:?} is not a whole number from 0 to 255");
                    return Err(wrong(reason));
                }
            };
            if column == 0 {
                table.labels.push(value.into());
            } else {
                table.pixels.push(value);
            }
        }
    }
    Ok(Some(table))
}
