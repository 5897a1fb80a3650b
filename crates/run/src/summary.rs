//! `summary.json`: the figures of a finished run.

use lenet_files::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Scores, json};

/// The figures of a finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the data set, `mnist` for example.
    pub dataset: String,
    /// Name of the recipe.
    pub recipe: String,
    /// Name of the engine that computed.
    pub engine: String,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Number of epochs trained.
    pub epochs: u32,
    /// Seed of every random draw.
    pub seed: u64,
    /// Number of threads.
    pub threads: usize,
    /// Whether it was resumed with other values, data or arithmetic.
    pub not_identical: bool,
    /// Wall time of the training steps in seconds.
    pub train_seconds: f64,
    /// Training images per second over the whole run.
    #[serde(deserialize_with = "json::number")]
    pub images_per_second: f64,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: u32,
    /// Scores of the kept weights on the validation images; none if none were held out.
    pub validation: Option<Scores>,
    /// Scores of the kept weights on the test images.
    pub test: TestScores,
    /// Names of the classes, in the order of their labels.
    pub class_names: Vec<String>,
    /// Counts of the test images: a row for each true class, a column for each predicted one.
    pub confusion: Vec<Vec<u64>>,
    /// Figures of each class on the test images.
    pub per_class: Vec<ClassMetrics>,
}

/// The scores of the test images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestScores {
    /// Mean cross-entropy in nats; none without images.
    pub loss: Option<f64>,
    /// Fraction of the images that were classified correctly; none without images.
    pub accuracy: Option<f64>,
    /// Number of images that were misclassified.
    pub errors: u64,
    /// Number of images.
    pub count: u64,
}

/// The figures of one class; none where the denominator is zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// The class's name.
    pub class: String,
    /// Of the images classified as this class, the fraction that belongs to it.
    pub precision: Option<f64>,
    /// Of the images of this class, the fraction that was classified as it.
    pub recall: Option<f64>,
    /// The harmonic mean of precision and recall, 0 if one of them is.
    pub f1: Option<f64>,
    /// Number of images of this class.
    pub support: u64,
}

impl Summary {
    /// Checks what the types do not say: the confusion matrix has a row and a column for each class.
    pub(crate) fn check(&self) -> Result<()> {
        let classes = self.class_names.len();
        let rows = self.confusion.len();
        let is_square = rows == classes && self.confusion.iter().all(|row| row.len() == classes);
        if !is_square {
            return Err(Error::input(format!(
                "its confusion matrix is not {classes} x {classes}, one row and column for each class"
            )));
        }
        Ok(())
    }
}

/// A fraction in 0..=1 as per cent. Never rounded up to 100: a claim of no error at all must be true.
pub fn percent(fraction: f64) -> String {
    let shown = if (0.999_95..1.).contains(&fraction) {
        0.9999
    } else {
        fraction
    };
    format!("{:.2} %", 100. * shown)
}
