//! Whether an image resembles those of a network's training.

use serde::{Deserialize, Serialize};

use lenet_picture::IMAGE_SIDE;

/// The score below which an image is unfamiliar, and what it takes to compute a score.
///
/// A softmax spreads certainty over the known classes whatever it sees. The score adds three parts,
/// each on the scale on which the training's images vary:
///
/// - how far the 84 features are from the mean of the predicted class, in each feature's deviations
///   within a class, as in Lee et al. 2018, <https://arxiv.org/abs/1807.03888>;
/// - the largest logit, as in Hendrycks et al. 2022, <https://arxiv.org/abs/1911.11132>;
/// - how much neighbouring pixels differ: noise and textures are rougher than strokes.
///
/// It recognises much of what is not of the training's kind, and not all: a letter that is drawn like
/// a digit is a digit to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Familiarity {
    /// The mean features of each class.
    means: Vec<Vec<f32>>,
    /// The variance of each feature within the classes.
    variances: Vec<f32>,
    /// Mean and standard deviation of the roughness.
    roughness: [f32; 2],
    /// Median and spread of each part of the score.
    scales: [[f32; 2]; 3],
    /// One image in a hundred of those that were held out has a lower score.
    threshold: f32,
}

/// What the network makes of an image.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What goes into the last layer: 84 numbers.
    pub features: &'a [f32],
    /// The logits, divided by the temperature.
    pub logits: &'a [f32],
    /// How rough the image is, see [`roughness`].
    pub roughness: f32,
}

/// The mean difference of neighbouring pixels of an image of 28x28, across and down.
pub fn roughness(pixels: &[u8]) -> f32 {
    mean_difference(pixels)
}

/// [`roughness`] of an image whose pixels may be between whole numbers.
pub fn roughness_of_floats(pixels: &[f32]) -> f32 {
    mean_difference(pixels)
}

/// Column by column: of whole numbers up to 255 any order of the sum has the same bits.
fn mean_difference<T: Copy + Into<f32>>(pixels: &[T]) -> f32 {
    let (rows, _) = pixels.as_chunks::<IMAGE_SIDE>();
    let mut sums = [0_f32; IMAGE_SIDE];
    let mut add = |a: &[T], b: &[T]| {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a.into() - b.into()).abs();
        }
    };
    rows.iter().for_each(|row| add(row, &row[1..]));
    rows.array_windows()
        .for_each(|[above, below]| add(above, below));
    sums.iter().sum::<f32>() / pixels.len().max(1) as f32
}

/// How much the roughness counts beside the other two parts.
const ROUGHNESS_WEIGHT: f64 = 0.5;

impl Familiarity {
    /// The fewest images that the threshold is fitted to. A network learns a few hundred by heart, and
    /// would call a tenth of all others unfamiliar.
    const LEAST: usize = 1_000;

    /// The fraction of held-out images below the threshold.
    const BELOW: f64 = 0.01;

    /// Fits the means to images of the training, and the threshold to images that were held out.
    /// `None` if there are too few of them to tell what one in a hundred is. The sums are taken in
    /// the order of the images.
    pub fn fit<'a>(
        classes: usize,
        training: &[(Seen<'a>, u32)],
        held_out: &[(Seen<'a>, u32)],
    ) -> Option<Self> {
        if held_out.len() < Self::LEAST {
            return None;
        }
        let width = training.first()?.0.features.len();
        let mut counts = vec![0_u64; classes];
        let mut means = vec![vec![0_f64; width]; classes];
        for (seen, label) in training {
            counts[*label as usize] += 1;
            for (sum, &value) in std::iter::zip(&mut means[*label as usize], seen.features) {
                *sum += f64::from(value);
            }
        }
        let total = training.len() as f64;
        let overall: Vec<f64> = (0..width)
            .map(|feature| means.iter().map(|mean| mean[feature]).sum::<f64>() / total)
            .collect();
        for (mean, &count) in std::iter::zip(&mut means, &counts) {
            if count == 0 {
                mean.clone_from(&overall);
            } else {
                mean.iter_mut().for_each(|sum| *sum /= count as f64);
            }
        }
        let mut variances = vec![0_f64; width];
        for (seen, label) in training {
            let mean = &means[*label as usize];
            for ((sum, &value), mean) in variances.iter_mut().zip(seen.features).zip(mean) {
                *sum += (f64::from(value) - mean).powi(2) / total;
            }
        }
        // A feature that never varies in training says little if it varies once.
        let floor =
            (1e-3 * variances.iter().sum::<f64>() / width as f64).max(f64::from(f32::MIN_POSITIVE));
        let to_f32 = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        let rough = |power: i32, mean: f64| {
            let sum: f64 = (training.iter())
                .map(|(seen, _)| (f64::from(seen.roughness) - mean).powi(power))
                .sum();
            sum / total
        };
        let mean = rough(1, 0.);
        let mut fitted = Self {
            means: means.into_iter().map(to_f32).collect(),
            variances: to_f32(variances.into_iter().map(|own| own + floor).collect()),
            roughness: [
                mean as f32,
                (rough(2, mean).sqrt() as f32).max(f32::MIN_POSITIVE),
            ],
            scales: [[0., 1.]; 3],
            threshold: 0.,
        };
        let parts: Vec<[f64; 3]> = held_out
            .iter()
            .map(|(seen, _)| fitted.parts(*seen))
            .collect();
        for part in 0..3 {
            let values = || parts.iter().map(|parts| parts[part]);
            let (median, low) = (quantile(values(), 0.5)?, quantile(values(), 0.05)?);
            fitted.scales[part] = [median as f32, ((median - low) as f32).max(1e-6)];
        }
        let scores = held_out.iter().map(|(seen, _)| fitted.score(*seen));
        let threshold = quantile(scores, Self::BELOW)?;
        // Not rounded up, above images whose score it is.
        let rounded = threshold as f32;
        fitted.threshold = if f64::from(rounded) > threshold {
            rounded.next_down()
        } else {
            rounded
        };
        Some(fitted)
    }

    /// The three parts of a score, before they are scaled.
    fn parts(&self, seen: Seen<'_>) -> [f64; 3] {
        let best = (0..seen.logits.len()).reduce(|best, next| {
            if seen.logits[next] > seen.logits[best] {
                next
            } else {
                best
            }
        });
        let mean = best.and_then(|best| self.means.get(best));
        let distance: f64 = (seen.features.iter())
            .zip(mean.into_iter().flatten())
            .zip(&self.variances)
            .map(|((&value, &mean), &variance)| f64::from((value - mean).powi(2) / variance))
            .sum();
        let largest = best.map_or(f64::NEG_INFINITY, |best| f64::from(seen.logits[best]));
        let [mean, deviation] = self.roughness;
        let rough = f64::from((seen.roughness - mean) / deviation);
        [-distance, largest, -rough * rough]
    }

    /// The more an image resembles those of the training, the higher.
    fn score(&self, seen: Seen<'_>) -> f64 {
        let parts = std::iter::zip(self.parts(seen), self.scales);
        let [distance, largest, rough] = {
            let mut scaled = parts
                .map(|(part, [median, spread])| (part - f64::from(median)) / f64::from(spread));
            std::array::from_fn(|_| scaled.next().unwrap_or_default())
        };
        distance + largest + ROUGHNESS_WEIGHT * rough
    }

    /// Whether the image resembles those of the training.
    pub fn is_familiar(&self, seen: Seen<'_>) -> bool {
        self.score(seen) >= f64::from(self.threshold)
    }

    /// Whether it belongs to a network with this number of classes, and all its numbers are finite.
    pub(crate) fn fits(&self, classes: usize, features: usize) -> bool {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let positive = |values: &[f32]| values.iter().all(|&value| value > 0.);
        self.means.len() == classes
            && self
                .means
                .iter()
                .chain([&self.variances])
                .all(|row| row.len() == features && finite(row))
            && positive(&self.variances)
            && finite(&self.roughness)
            && finite(self.scales.as_flattened())
            && positive(&[
                self.roughness[1],
                self.scales[0][1],
                self.scales[1][1],
                self.scales[2][1],
            ])
            && self.threshold.is_finite()
    }
}

/// The value that this fraction of the values is below, none of no values.
fn quantile(values: impl Iterator<Item = f64>, fraction: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
        .get((fraction * values.len() as f64) as usize)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(features: &'a [f32; 2], logits: &'a [f32; 2]) -> Seen<'a> {
        Seen {
            features,
            logits,
            roughness: 10. + features[0],
        }
    }

    /// Two classes far apart: what is near its class is familiar, what is between is not, and neither
    /// is what is near but rough.
    #[test]
    fn what_is_near_its_class_is_familiar() {
        let features: Vec<[f32; 2]> = (0..1_000)
            .map(|at| {
                let jitter = (at / 2 % 10) as f32 / 10.;
                if at % 2 == 0 {
                    [jitter, 1. - jitter]
                } else {
                    [10. + jitter, 11. - jitter]
                }
            })
            .collect();
        let logits = [[5_f32, 0.], [0., 5.]];
        let images: Vec<_> = features
            .iter()
            .enumerate()
            .map(|(at, features)| (seen(features, &logits[at % 2]), (at % 2) as u32))
            .collect();
        let fitted = Familiarity::fit(2, &images, &images).unwrap();
        assert!(fitted.fits(2, 2) && !fitted.fits(3, 2));
        let unfamiliar = images
            .iter()
            .filter(|(seen, _)| !fitted.is_familiar(*seen))
            .count();
        assert!(unfamiliar <= 10, "{unfamiliar}");
        assert!(!fitted.is_familiar(seen(&[5., 5.], &[2., 1.])));
        let rough = Seen {
            roughness: 90.,
            ..seen(&[0.5, 0.5], &logits[0])
        };
        assert!(!fitted.is_familiar(rough));
        assert!(Familiarity::fit(2, &images, &images[..999]).is_none());
    }

    #[test]
    fn roughness_is_the_mean_difference_across_and_down() {
        let mut image = [0_u8; 784];
        assert_eq!(roughness(&image), 0.);
        image[28 * 10 + 10] = 196;
        assert_eq!(roughness(&image), 1.);
    }
}
