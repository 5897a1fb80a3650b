//! `results.csv`: a row an epoch.

use std::fs;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::Error;

/// The figures of one epoch: a row of `results.csv`.
///
/// Losses are mean cross-entropies in nats, accuracies fractions in 0..=1. Any of them may be NaN or
/// infinite, for a diverged run writes what it measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Mean loss over the training split.
    pub train_loss: f64,
    /// Accuracy over the training split.
    pub train_accuracy: f64,
    /// Mean loss over the validation split, if the run has one.
    pub val_loss: Option<f64>,
    /// Accuracy over the validation split, if the run has one.
    pub val_accuracy: Option<f64>,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Wall-clock time of the epoch in seconds.
    pub seconds: f64,
    /// Training throughput.
    pub images_per_second: f64,
}

/// The whole of `results.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// The rows in the order of the file.
    pub epochs: Vec<Epoch>,
    /// Whether the file ended within a row, as it does when a run was killed while it wrote. That
    /// row is not among `epochs`.
    pub torn: bool,
}

impl Results {
    /// The epoch of the highest validation accuracy, of equal ones that of the lowest loss, of those
    /// the earliest: as training chooses the weights that it keeps. `None` without validation.
    pub fn best_epoch(&self) -> Option<u64> {
        let mut best: Option<(u64, f64, f64)> = None;
        for epoch in &self.epochs {
            let Some(accuracy) = epoch.val_accuracy.filter(|accuracy| accuracy.is_finite()) else {
                continue;
            };
            let loss = epoch.val_loss.unwrap_or(f64::INFINITY);
            let is_better = |(_, highest, lowest): (u64, f64, f64)| {
                accuracy > highest || (accuracy == highest && loss < lowest)
            };
            if best.is_none_or(is_better) {
                best = Some((epoch.epoch, accuracy, loss));
            }
        }
        best.map(|(epoch, ..)| epoch)
    }
}

/// Reads `results.csv`. Columns are found by their names, and further columns are ignored.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read, [`Error::MissingColumn`] if the heading lacks a
/// column (an empty file lacks all of them), [`Error::Row`] with its line number for a row that does
/// not parse. A last row without its line ending that does not parse is torn, which is no error.
pub fn read_results(path: &Path) -> Result<Results, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Results, Error> {
    let row_error = |line, message: String| Error::Row {
        path: path.to_owned(),
        line,
        message,
    };
    let csv_error = |error: csv::Error| {
        row_error(
            error.position().map_or(1, csv::Position::line),
            error.to_string(),
        )
    };
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .trim(Trim::All)
        .from_reader(bytes);
    let columns = Columns::find(reader.headers().map_err(csv_error)?, path)?;

    let mut records = reader.records().peekable();
    let mut results = Results::default();
    while let Some(record) = records.next() {
        let parsed = record.map_err(csv_error).and_then(|record| {
            let line = record.position().map_or(1, csv::Position::line);
            columns
                .epoch(&record)
                .map_err(|message| row_error(line, message))
        });
        match parsed {
            Ok(epoch) => results.epochs.push(epoch),
            Err(_) if records.peek().is_none() && !bytes.ends_with(b"\n") => results.torn = true,
            Err(error) => return Err(error),
        }
    }
    Ok(results)
}

/// Where each column stands in the rows.
struct Columns {
    epoch: usize,
    train_loss: usize,
    train_accuracy: usize,
    val_loss: usize,
    val_accuracy: usize,
    learning_rate: usize,
    seconds: usize,
    images_per_second: usize,
}

impl Columns {
    fn find(heading: &StringRecord, path: &Path) -> Result<Self, Error> {
        let find = |column| {
            heading
                .iter()
                .position(|name| name == column)
                .ok_or_else(|| Error::MissingColumn {
                    path: path.to_owned(),
                    column,
                })
        };
        Ok(Self {
            epoch: find("epoch")?,
            train_loss: find("train_loss")?,
            train_accuracy: find("train_accuracy")?,
            val_loss: find("val_loss")?,
            val_accuracy: find("val_accuracy")?,
            learning_rate: find("learning_rate")?,
            seconds: find("seconds")?,
            images_per_second: find("images_per_second")?,
        })
    }

    fn epoch(&self, record: &StringRecord) -> Result<Epoch, String> {
        let text = |index: usize, column: &str| {
            record.get(index).ok_or_else(|| {
                format!(
                    "the row ends after {} fields, before `{column}`",
                    record.len()
                )
            })
        };
        let number = |index, column| {
            let field = text(index, column)?;
            field
                .parse::<f64>()
                .map_err(|_| format!("`{column}` is no number: {field:?}"))
        };
        let optional = |index, column| match text(index, column)? {
            "" => Ok(None),
            _ => number(index, column).map(Some),
        };
        let epoch = text(self.epoch, "epoch")?;
        Ok(Epoch {
            epoch: epoch
                .parse()
                .map_err(|_| format!("`epoch` is no whole number: {epoch:?}"))?,
            train_loss: number(self.train_loss, "train_loss")?,
            train_accuracy: number(self.train_accuracy, "train_accuracy")?,
            val_loss: optional(self.val_loss, "val_loss")?,
            val_accuracy: optional(self.val_accuracy, "val_accuracy")?,
            learning_rate: number(self.learning_rate, "learning_rate")?,
            seconds: number(self.seconds, "seconds")?,
            images_per_second: number(self.images_per_second, "images_per_second")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,\
                           seconds,images_per_second\n";

    fn read(rows: &str) -> Result<Results, Error> {
        parse(
            format!("{HEADING}{rows}").as_bytes(),
            Path::new("results.csv"),
        )
    }

    #[test]
    fn rows_become_epochs() {
        let results = read("1,0.5,0.9,0.4,0.91,0.001,2.5,20000\n2,NaN,0.1,,,1e-4,2,inf\n").unwrap();
        assert_eq!(results.epochs.len(), 2);
        assert_eq!(results.epochs[0].val_accuracy, Some(0.91));
        assert_eq!(results.epochs[0].images_per_second, 20_000.0);
        assert!(results.epochs[1].train_loss.is_nan());
        assert_eq!(
            (results.epochs[1].val_loss, results.epochs[1].val_accuracy),
            (None, None)
        );
        assert!(!results.torn);
    }

    #[test]
    fn columns_are_found_by_name() {
        let text = "extra,images_per_second,seconds,learning_rate,val_accuracy,val_loss,\
                    train_accuracy,train_loss,epoch\nx,8,7,6,0.5,4,0.3,2,1\n";
        let results = parse(text.as_bytes(), Path::new("r")).unwrap();
        let epoch = &results.epochs[0];
        assert_eq!(
            (epoch.epoch, epoch.train_loss, epoch.images_per_second),
            (1, 2.0, 8.0)
        );
    }

    #[test]
    fn an_error_names_path_line_and_column() {
        let error = read("1,0.5,0.9,,,0.001,2,3\n2,0.5,high,,,0.001,2,3\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "results.csv, line 3: `train_accuracy` is no number: \"high\""
        );
        let error = read("1,0.5,0.9\n2,0.5,0.9,,,0.001,2,3\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "results.csv, line 2: the row ends after 3 fields, before `val_loss`"
        );
        assert!(matches!(
            read("-1,0,0,,,0,0,0\n"),
            Err(Error::Row { line: 2, .. })
        ));
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_with_their_line() {
        let bytes = [HEADING.as_bytes(), b"1,\xff,0.9,,,0.001,2,3\n"].concat();
        assert!(matches!(
            parse(&bytes, Path::new("r")),
            Err(Error::Row { line: 2, .. })
        ));
    }

    #[test]
    fn a_missing_column_is_named_and_an_empty_file_misses_the_first() {
        let error = parse(b"epoch,train_loss\n1,2\n", Path::new("r.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "r.csv: the heading has no column `train_accuracy`"
        );
        let error = parse(b"", Path::new("r.csv")).unwrap_err();
        assert!(
            matches!(
                error,
                Error::MissingColumn {
                    column: "epoch",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_heading_alone_is_a_run_before_its_first_epoch() {
        assert_eq!(read("").unwrap(), Results::default());
    }

    #[test]
    fn a_torn_last_row_is_left_out_and_told() {
        let results = read("1,0.5,0.9,,,0.001,2,3\n2,0.4,0.9").unwrap();
        assert_eq!((results.epochs.len(), results.torn), (1, true));
        // The same row with its line ending is not torn but wrong.
        assert!(read("1,0.5,0.9,,,0.001,2,3\n2,0.4,0.9\n").is_err());
        // A whole row without a line ending is what some editors leave.
        let results = read("1,0.5,0.9,,,0.001,2,3").unwrap();
        assert_eq!((results.epochs.len(), results.torn), (1, false));
    }

    #[test]
    fn the_best_epoch_is_the_earliest_of_the_highest_validation_accuracy() {
        let rows = "1,1,0,1,0.8,0,0,0\n2,1,0,1,0.9,0,0,0\n3,1,0,1,0.9,0,0,0\n4,1,0,1,NaN,0,0,0\n";
        assert_eq!(read(rows).unwrap().best_epoch(), Some(2));
        assert_eq!(read("1,1,0,,,0,0,0\n").unwrap().best_epoch(), None);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read_results(Path::new("/nonexistent/results.csv")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read /nonexistent/results.csv: ")
        );
    }
}
