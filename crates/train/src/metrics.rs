//! Loss, accuracy and the confusion matrix: the one place where tensors become numbers.

use candle_core::{DType, Tensor};
use lenet_run::ClassMetrics;

use crate::Result;

/// Sums over images. Means are taken at the end, in f64, so that the last partial batch counts by
/// its images.
#[derive(Debug, Clone, PartialEq)]
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

    /// The metrics that a confusion matrix (row = true class) and a sum of losses stand for; `None`
    /// where the matrix is not square.
    pub fn from_parts(loss_sum: f64, confusion: &[Vec<u64>]) -> Option<Self> {
        let classes = confusion.len();
        let square = confusion.iter().all(|row| row.len() == classes);
        square.then(|| Self {
            classes,
            loss_sum,
            confusion: confusion.concat(),
        })
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

    /// Number of images whose largest logit was that of another class.
    pub fn errors(&self) -> u64 {
        self.count() - self.correct()
    }

    /// Mean loss of an image; none without images.
    pub fn loss(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.loss_sum / self.count() as f64)
    }

    /// The sum of the losses of all images.
    pub fn loss_sum(&self) -> f64 {
        self.loss_sum
    }

    /// Part of the images whose largest logit was that of their class; none without images.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.count())
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
                // 2pr / (p + r) in terms of counts; where there are neither images nor
                // predictions it means nothing.
                f1: ratio(2 * hits, predicted + support),
                support,
            }
        };
        let named = class_names.iter().take(self.classes);
        named.enumerate().map(figures).collect()
    }

    fn correct(&self) -> u64 {
        let diagonal = self.confusion.iter().step_by(self.classes + 1);
        diagonal.sum()
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

    fn seen() -> Metrics {
        let mut metrics = Metrics::new(3);
        // Three images: class 0 taken for 0, class 1 taken for 0, class 1 taken for 1.
        let logits = Tensor::new(&[[2_f32, 1., 0.], [3., 1., 1.], [0., 5., 5.]], &Device::Cpu);
        let labels = Tensor::new(&[0_u32, 1, 1], &Device::Cpu).unwrap();
        let loss = Tensor::new(0.5_f32, &Device::Cpu).unwrap();
        metrics.add(&loss, &logits.unwrap(), &labels).unwrap();
        // One image: class 0 taken for 2.
        let logits = Tensor::new(&[[0_f32, 0., 1.]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0_u32], &Device::Cpu).unwrap();
        let loss = Tensor::new(2.5_f32, &Device::Cpu).unwrap();
        metrics.add(&loss, &logits, &labels).unwrap();
        metrics
    }

    /// The mean weighs the batches by their images: (3 * 0.5 + 1 * 2.5) / 4, not 1.5.
    #[test]
    fn means_are_by_image() {
        let metrics = seen();
        assert_eq!(metrics.loss(), Some(1.));
        assert_eq!(metrics.accuracy(), Some(0.5));
        assert_eq!((metrics.count(), metrics.errors()), (4, 2));
    }

    #[test]
    fn confusion_has_true_classes_as_rows() {
        let confusion = seen().confusion();
        assert_eq!(confusion, [[1, 0, 1], [1, 1, 0], [0, 0, 0]]);
        assert_eq!(Metrics::from_parts(4., &confusion), Some(seen()));
        assert_eq!(Metrics::from_parts(4., &confusion[..2]), None);
    }

    #[test]
    fn figures_of_a_class() {
        let names = ["a", "b", "c"].map(String::from);
        let figures = seen().per_class(&names);
        assert_eq!(figures[0].precision, Some(0.5));
        assert_eq!(figures[0].recall, Some(0.5));
        assert_eq!(figures[1].precision, Some(1.));
        assert_eq!(figures[1].recall, Some(0.5));
        assert_eq!(figures[1].f1, Some(2. / 3.));
        // Class c was never true: its recall means nothing, its precision is 0 of 1.
        assert_eq!(figures[2].precision, Some(0.));
        assert_eq!((figures[2].recall, figures[2].support), (None, 0));
    }

    #[test]
    fn nothing_seen_divides_by_nothing() {
        let metrics = Metrics::new(2);
        assert_eq!((metrics.loss(), metrics.accuracy()), (None, None));
        let figures = metrics.per_class(&["a".into(), "b".into()]);
        assert!(
            figures
                .iter()
                .all(|f| f.precision.is_none() && f.f1.is_none())
        );
    }
}
