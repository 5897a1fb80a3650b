//! `results.csv`: a heading, and a row an epoch.

use serde::Serialize;

use crate::Epoch;

/// The heading of `results.csv`. It stands there before the first epoch is over, too.
const HEADING: [&str; 8] = [
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
    "seconds",
    "images_per_second",
];

/// A row of `results.csv`, in the order of the heading. Losses are means of an image, accuracies parts of
/// 1; the validation's are empty where nothing was held out.
#[derive(Serialize)]
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

/// The bytes of `results.csv` for these epochs.
///
/// The table is written anew after each epoch rather than appended to: it is whole at any moment,
/// and also after a resume that goes back behind its last row.
pub(crate) fn table(history: &[Epoch]) -> Vec<u8> {
    let mut builder = csv::WriterBuilder::new();
    let mut writer = builder.has_headers(false).from_writer(Vec::new());
    // Writing plain numbers to memory cannot fail.
    let _ = writer.write_record(HEADING);
    for epoch in history {
        let row = Row {
            epoch: epoch.epoch,
            train_loss: epoch.train.loss,
            train_accuracy: epoch.train.accuracy,
            val_loss: epoch.validation.map(|scores| scores.loss),
            val_accuracy: epoch.validation.map(|scores| scores.accuracy),
            learning_rate: epoch.learning_rate,
            seconds: epoch.seconds,
            images_per_second: epoch.images_per_second,
        };
        let _ = writer.serialize(row);
    }
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scores;

    #[test]
    fn heading_and_rows() {
        let scores = |loss, accuracy| Scores { loss, accuracy };
        let mut epoch = Epoch {
            epoch: 1,
            train: scores(0.5, 0.875),
            validation: Some(scores(0.25, 0.9)),
            learning_rate: 0.001,
            seconds: 2.,
            images_per_second: 27_500.,
            is_best: true,
        };
        let first = epoch.clone();
        epoch.epoch = 2;
        epoch.validation = None;
        let empty = String::from_utf8(table(&[])).unwrap();
        assert_eq!(empty.trim_end().split(',').collect::<Vec<_>>(), HEADING);
        let text = String::from_utf8(table(&[first, epoch])).unwrap();
        assert_eq!(
            text,
            "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n\
             1,0.5,0.875,0.25,0.9,0.001,2.0,27500.0\n\
             2,0.5,0.875,,,0.001,2.0,27500.0\n"
        );
    }
}
