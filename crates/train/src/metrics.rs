//! Loss, accuracy and the confusion matrix: the one place where tensors become numbers.

use candle_core::{DType, Tensor};
use lenet_files::Result;
use lenet_run::ClassMetrics;
use serde::{Deserialize, Serialize};

/// Sums over images. Means are taken at the end, in f64, so that the last partial batch counts by
/// its images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    classes: usize,
    loss_sum: f64,
    /// Row = true class, column = predicted class.
    confusion: Vec<u64>,
}

impl Metrics {
    /// Nothing seen yet.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            loss_sum: 0.,
            confusion: vec![0; classes * classes],
        }
    }

    /// Whether these are the metrics of a network with this number of classes: they may come from a
    /// file.
    pub(crate) fn fit(&self, classes: usize) -> bool {
        self.classes == classes && self.confusion.len() == classes * classes
    }

    /// Adds a batch: its mean loss, its logits (B, classes) and its labels (B). Returns the mean
    /// loss as a number.
    ///
    /// # Errors
    /// candle's own, as for other shapes.
    pub fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<f64> {
        let loss = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let rows = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let labels = labels.to_vec1::<u32>()?;
        let predicted: Vec<u32> = rows.iter().map(|row| argmax(row) as u32).collect();
        self.add_predicted(loss, &predicted, &labels);
        Ok(loss)
    }

    /// Adds a batch: its mean loss, the predicted classes and the labels, all of which are less
    /// than the number of classes.
    pub fn add_predicted(&mut self, loss: f64, predicted: &[u32], labels: &[u32]) {
        self.loss_sum += loss * labels.len() as f64;
        for (&predicted, &label) in std::iter::zip(predicted, labels) {
            self.confusion[label as usize * self.classes + predicted as usize] += 1;
        }
    }

    /// Number of images seen.
    pub fn count(&self) -> u64 {
        self.confusion.iter().sum()
    }

    /// Number of images that were misclassified.
    pub fn errors(&self) -> u64 {
        self.count() - self.correct()
    }

    /// Mean loss of an image; none without images.
    pub fn loss(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.loss_sum / self.count() as f64)
    }

    /// Fraction of the images that were classified correctly; none without images.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.count())
    }

    /// The 95 % interval of the accuracy that other images like these would have. Wilson 1927,
    /// <https://doi.org/10.1080/01621459.1927.10502953>. None without images.
    pub fn accuracy_interval(&self) -> Option<[f64; 2]> {
        /// The standard normal distribution has 95 % of its mass within as many deviations.
        const Z: f64 = 1.959_964;
        let (accuracy, count) = (self.accuracy()?, self.count() as f64);
        let scale = 1. + Z * Z / count;
        let middle = (accuracy + Z * Z / (2. * count)) / scale;
        let variance = accuracy * (1. - accuracy) / count + (Z / (2. * count)).powi(2);
        let half = Z * variance.sqrt() / scale;
        Some([(middle - half).max(0.), (middle + half).min(1.)])
    }

    /// The confusion matrix: row = true class, column = predicted class.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        self.confusion
            .chunks(self.classes)
            .map(<[u64]>::to_vec)
            .collect()
    }

    /// The figures of each class, by the names of the classes.
    pub fn per_class(&self, class_names: &[String]) -> Vec<ClassMetrics> {
        let confusion = self.confusion();
        let figures = |(class, name): (usize, &String)| {
            let hits = confusion[class][class];
            let support = confusion[class].iter().sum();
            let predicted = confusion.iter().map(|row| row[class]).sum();
            ClassMetrics {
                class: name.clone(),
                precision: ratio(hits, predicted),
                recall: ratio(hits, support),
                // 2pr / (p + r) in terms of counts; undefined with neither images nor predictions.
                f1: ratio(2 * hits, predicted + support),
                support,
            }
        };
        class_names
            .iter()
            .take(self.classes)
            .enumerate()
            .map(figures)
            .collect()
    }

    fn correct(&self) -> u64 {
        self.confusion.iter().step_by(self.classes + 1).sum()
    }
}

/// The index of the largest value, the first of equal ones.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The mean weighs the batches by their images: (3 * 0.5 + 1 * 2.5) / 4, not 1.5.
    #[test]
    fn figures_of_two_batches() {
        let mut metrics = Metrics::new(3);
        // Three images: class 0 predicted as 0, class 1 as 0, class 1 as 1.
        let first = vec![[2_f32, 1., 0.], [3., 1., 1.], [0., 5., 5.]];
        // One image: class 0 predicted as 2.
        let second = vec![[0., 0., 1.]];
        for (loss, rows, labels) in [(0.5_f32, first, &[0_u32, 1, 1][..]), (2.5, second, &[0])] {
            let loss = Tensor::new(loss, &Device::Cpu).unwrap();
            let logits = Tensor::from_slice(&rows.concat(), (rows.len(), 3), &Device::Cpu).unwrap();
            let labels = Tensor::new(labels, &Device::Cpu).unwrap();
            metrics.add(&loss, &logits, &labels).unwrap();
        }
        assert_eq!((metrics.loss(), metrics.accuracy()), (Some(1.), Some(0.5)));
        assert_eq!((metrics.count(), metrics.errors()), (4, 2));
        assert_eq!(metrics.confusion(), [[1, 0, 1], [1, 1, 0], [0, 0, 0]]);
        // Those of a file may not belong to this network.
        assert!(metrics.fit(3) && !metrics.fit(2));

        let figures = metrics.per_class(&["a", "b", "c"].map(String::from));
        let numbers = figures
            .iter()
            .map(|f| (f.precision, f.recall, f.f1, f.support));
        let half = Some(0.5);
        let expected = [
            (half, half, half, 2),
            (Some(1.), half, Some(2. / 3.), 2),
            // Class c was never true: its recall is undefined, its precision is 0 of 1.
            (Some(0.), None, Some(0.), 0),
        ];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
    }

    /// 8 of 10: Wilson's interval is [0.490, 0.943].
    #[test]
    fn the_interval_is_wilsons() {
        let mut metrics = Metrics::new(2);
        metrics.add_predicted(0., &[0; 10], &[0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        let [low, high] = metrics.accuracy_interval().unwrap();
        assert!(
            (low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4,
            "{low} {high}"
        );
        assert_eq!(Metrics::new(2).accuracy_interval(), None);
    }

    #[test]
    fn without_images_nothing_is_divided() {
        let metrics = Metrics::new(2);
        assert_eq!((metrics.loss(), metrics.accuracy()), (None, None));
        let figures = &metrics.per_class(&["a".into()])[0];
        assert_eq!(
            (figures.precision, figures.recall, figures.f1),
            (None, None, None)
        );
    }
}
