//! What a split of a data set contains.

use lenet_data::Dataset;
use serde::Serialize;

use crate::failure::Outcome;
use crate::output;

/// The figures of a split.
#[derive(Debug, Serialize)]
pub struct Contents {
    images: usize,
    /// Images of each class, in the order of the labels.
    class_counts: Vec<usize>,
    /// Mean of the pixels on the scale of 0 to 1.
    mean: f64,
    /// Standard deviation of the pixels on the scale of 0 to 1.
    std: f64,
}

impl Contents {
    pub fn of(set: &Dataset) -> Self {
        let (mean, std) = set.pixel_statistics();
        Self {
            images: set.len(),
            class_counts: set.class_counts(),
            mean,
            std,
        }
    }

    /// Prints them after the name of the split.
    pub fn print(&self, split: &str, class_names: &[String]) -> Outcome<()> {
        let Self {
            images,
            class_counts,
            mean,
            std,
        } = self;
        output::line(format!(
            "{split:<6}{images} images, pixels {mean:.4} ± {std:.4}"
        ))?;
        let counts = std::iter::zip(class_names, class_counts);
        let counts: Vec<String> = counts
            .map(|(class, count)| format!("{class}: {count}"))
            .collect();
        output::line(format!("      {}", counts.join(", ")))
    }
}
