//! `results.csv`: a row for each epoch, and the rule for which epoch is the best.

use std::path::Path;

use lenet_files::{Error, Result, read};
use serde::{Deserialize, Serialize};

use crate::json;
use crate::json::MAX_FILE_BYTES;

/// Loss and accuracy over a set of images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean cross-entropy of an image, in nats.
    #[serde(deserialize_with = "json::number")]
    pub loss: f64,
    /// Fraction of the images that were classified correctly.
    #[serde(deserialize_with = "json::number")]
    pub accuracy: f64,
}

/// One pass over the training images, and its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The scores of the training images, each taken before the step that it was part of.
    pub train: Scores,
    /// The scores of the images held out, after the epoch's last step; none if none are held out.
    pub validation: Option<Scores>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Wall time of the training steps, without the validation.
    pub seconds: f64,
    /// Training images per second, without the validation.
    #[serde(deserialize_with = "json::number")]
    pub images_per_second: f64,
    /// Whether no earlier epoch was better, by [`is_better`].
    pub is_best: bool,
}

/// Whether an epoch with the scores `new` is better than the best before it: by validation accuracy,
/// at equal accuracy by loss. Without scores to compare, the later epoch is the better one.
pub fn is_better(new: Option<Scores>, best: Option<Scores>) -> bool {
    match (new, best) {
        (Some(new), Some(best)) => {
            new.accuracy > best.accuracy || (new.accuracy == best.accuracy && new.loss < best.loss)
        }
        _ => true,
    }
}

/// The best of these epochs: the one whose weights a run keeps.
pub fn best_epoch(epochs: &[Epoch]) -> Option<&Epoch> {
    epochs.iter().reduce(|best, epoch| {
        if is_better(epoch.validation, best.validation) {
            epoch
        } else {
            best
        }
    })
}

/// A row of `results.csv`, in the order of its columns. Losses are means over images, accuracies
/// fractions; the validation's are empty if no images are held out.
#[derive(Serialize, Deserialize)]
struct Row {
    epoch: u32,
    train_loss: f64,
    train_accuracy: f64,
    val_loss: Option<f64>,
    val_accuracy: Option<f64>,
    learning_rate: f64,
    seconds: f64,
    images_per_second: f64,
}

/// The names of [`Row`]'s columns, which are there before the first epoch is over, too.
const HEADING: &str =
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second";

/// The content of `results.csv` for these epochs.
///
/// The table is rewritten after each epoch rather than appended to, so that it is whole at any
/// moment, also after a resume from before its last row.
pub fn results_csv(epochs: &[Epoch]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(format!("{HEADING}\n").into_bytes());
    for epoch in epochs {
        // Writing plain numbers to memory cannot fail.
        let _ = writer.serialize(Row {
            epoch: epoch.epoch,
            train_loss: epoch.train.loss,
            train_accuracy: epoch.train.accuracy,
            val_loss: epoch.validation.map(|scores| scores.loss),
            val_accuracy: epoch.validation.map(|scores| scores.accuracy),
            learning_rate: epoch.learning_rate,
            seconds: epoch.seconds,
            images_per_second: epoch.images_per_second,
        });
    }
    writer.into_inner().unwrap_or_default()
}

/// Reads `results.csv`. Columns are found by their names; others are ignored.
///
/// # Errors
/// [`Kind::Io`](lenet_files::Kind::Io) if the file cannot be read;
/// [`Kind::Input`](lenet_files::Kind::Input), with the line, if it is not such a table.
pub fn read_results(path: &Path) -> Result<Vec<Epoch>> {
    let bytes = read(path, MAX_FILE_BYTES)?;
    let not_a_table = |error: csv::Error| {
        Error::input("not the results of a run")
            .at(path)
            .caused_by(error)
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.as_slice());
    let heading = reader.headers().map_err(not_a_table)?;
    let is_missing = |column: &&str| heading.iter().all(|found| found != *column);
    if let Some(column) = HEADING.split(',').find(is_missing) {
        let message = format!("not the results of a run: there is no column `{column}`");
        return Err(Error::input(message).at(path));
    }
    let mut epochs: Vec<Epoch> = Vec::new();
    for row in reader.deserialize() {
        let row: Row = row.map_err(not_a_table)?;
        let validation = Option::zip(row.val_loss, row.val_accuracy)
            .map(|(loss, accuracy)| Scores { loss, accuracy });
        epochs.push(Epoch {
            epoch: row.epoch,
            train: Scores {
                loss: row.train_loss,
                accuracy: row.train_accuracy,
            },
            validation,
            learning_rate: row.learning_rate,
            seconds: row.seconds,
            images_per_second: row.images_per_second,
            is_best: best_epoch(&epochs).is_none_or(|best| is_better(validation, best.validation)),
        });
    }
    Ok(epochs)
}
