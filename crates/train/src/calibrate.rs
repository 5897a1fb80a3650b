//! What is fitted after a training, for the use of the network: the temperature of its probabilities,
//! and which images are familiar to it.

use std::sync::Arc;

use lenet_data::{Dataset, order};
use lenet_engine::engine::{Engine, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_files::Result;
use lenet_model::{Familiarity, LeNet5, Metadata, Seen, Weights, roughness};

use crate::backend::Backend;
use crate::config::Config;
use crate::rows::{Alteration, Rows};

/// The most images of a kind that are looked at, and what is looked at however short the training.
const IMAGES: usize = 10_000;
const LEAST: usize = 1_000;

/// Images in a batch.
const BATCH: usize = 256;

/// Fits the temperature and the familiarity, and puts them into the metadata. The images held out
/// for validation decide; without them, images of the training as its augmentation alters them.
///
/// Sums are in f64 and in the order of the images: equal trainings have equal results on any number
/// of threads.
///
/// # Errors
/// Those of the engine.
pub(crate) fn calibrate(
    metadata: &mut Metadata,
    model: &LeNet5,
    backend: &Backend,
    config: &Config,
    [train, validation]: [&Dataset; 2],
) -> Result<()> {
    let mut looking = Looking::new(model, backend, metadata)?;
    let alteration = if validation.is_empty() {
        Alteration {
            augmentation: &config.augmentation,
            strength: 1.,
            seed: config.seed,
            // None of the training's own.
            epoch: config.epochs + 1,
        }
    } else {
        Alteration::NONE
    };
    let mut rows = order(config.seed, config.epochs + 1, train.len());
    // A tenth of what the training saw, so that one epoch is not followed by half as much again.
    let seen = train.len() * config.epochs as usize;
    rows.truncate((seen / 10).clamp(LEAST, IMAGES));
    let mut training = looking.look(train, &rows, alteration)?;
    let rows: Vec<u32> = (0..validation.len().min(IMAGES) as u32).collect();
    let mut validation = looking.look(validation, &rows, Alteration::NONE)?;
    let held_out = if validation.labels.is_empty() {
        &training
    } else {
        &validation
    };
    let temperature = temperature(held_out);
    metadata.temperature = temperature;
    training.divide(temperature);
    validation.divide(temperature);
    let (training, validation) = (training.seen(), validation.seen());
    let held_out = if validation.is_empty() {
        &training
    } else {
        &validation
    };
    metadata.familiarity = Familiarity::fit(metadata.architecture.classes, &training, held_out);
    Ok(())
}

/// How many of the images are unlike any of the training; none if the weights do not say what is like
/// them.
///
/// # Errors
/// Those of the engine.
pub fn unfamiliar(weights: &Weights, backend: &Backend, images: &Dataset) -> Result<Option<usize>> {
    let Some(familiarity) = &weights.metadata.familiarity else {
        return Ok(None);
    };
    let mut looking = Looking::new(&weights.model, backend, &weights.metadata)?;
    let rows: Vec<u32> = (0..images.len() as u32).collect();
    let mut looked = looking.look(images, &rows, Alteration::NONE)?;
    looked.divide(weights.metadata.temperature);
    let seen = looked.seen().into_iter();
    Ok(Some(
        seen.filter(|(seen, _)| !familiarity.is_familiar(*seen))
            .count(),
    ))
}

/// A network that looks at images.
struct Looking {
    engine: Engine,
    table: [f32; 256],
}

/// What it made of some images, one row an image.
#[derive(Debug, Default)]
struct Looked {
    width: usize,
    features: Vec<f32>,
    classes: usize,
    logits: Vec<f32>,
    roughness: Vec<f32>,
    labels: Vec<u32>,
}

impl Looking {
    fn new(model: &LeNet5, backend: &Backend, metadata: &Metadata) -> Result<Self> {
        let pool = match backend {
            Backend::Fused(pool) => Arc::clone(pool),
            Backend::Candle => Arc::clone(Pool::global()),
        };
        Ok(Self {
            engine: model.to_engine(Purpose::Inference, BATCH, Precision::F32, pool)?,
            table: metadata.input.table(),
        })
    }

    fn look(&mut self, dataset: &Dataset, rows: &[u32], alteration: Alteration) -> Result<Looked> {
        let mut looked = Looked::default();
        let mut labels = Vec::new();
        for rows in rows.chunks(BATCH) {
            let batch = Rows {
                alteration,
                ..Rows::plain(dataset, rows, &self.table)
            };
            batch.labels(&mut labels);
            looked.labels.extend(&labels);
            batch.each(|image| looked.roughness.push(roughness(image)));
            for features in self.engine.features(&batch, rows.len())? {
                looked.width = features.len();
                looked.features.extend(features);
            }
            for logits in self.engine.logits() {
                let before = looked.logits.len();
                looked.logits.extend(logits);
                looked.classes = looked.logits.len() - before;
            }
        }
        Ok(looked)
    }
}

impl Looked {
    fn divide(&mut self, temperature: f32) {
        self.logits
            .iter_mut()
            .for_each(|logit| *logit /= temperature);
    }

    fn seen(&self) -> Vec<(Seen<'_>, u32)> {
        let rows = self.features.chunks(self.width.max(1));
        rows.zip(self.logits.chunks(self.classes.max(1)))
            .zip(std::iter::zip(&self.roughness, &self.labels))
            .map(|((features, logits), (&roughness, &label))| {
                let seen = Seen {
                    features,
                    logits,
                    roughness,
                };
                (seen, label)
            })
            .collect()
    }
}

/// The temperature with the least cross-entropy: that of one inverse factor of the logits, in which
/// it is convex, by Newton's method.
///
/// The targets are those of Platt 1999, as if one image more had been seen of every other class: a
/// network that answers all images right is not infinitely sure.
fn temperature(images: &Looked) -> f32 {
    const RANGE: [f64; 2] = [0.01, 100.];
    let count = images.labels.len() as f64;
    let spread = 1. / (count + 2.);
    let mut factor = 1_f64;
    for _ in 0..20 {
        let (mut slope, mut curvature) = (0., 0.);
        let rows = images.logits.chunks(images.classes.max(1));
        for (logits, &label) in std::iter::zip(rows, &images.labels) {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (mut sum, mut first, mut second, mut all) = (0., 0., 0., 0.);
            for &logit in logits {
                let logit = f64::from(logit - largest);
                let exp = (factor * logit).exp();
                sum += exp;
                first += exp * logit;
                second += exp * logit * logit;
                all += logit;
            }
            let mean = first / sum;
            let own = f64::from(logits[label as usize] - largest);
            slope += mean - (1. - spread) * own - spread * all / logits.len() as f64;
            curvature += second / sum - mean * mean;
        }
        let step = slope / curvature;
        if !step.is_finite() {
            break;
        }
        // Far from the least, a whole step may lead beyond it.
        factor = (factor - step).clamp(factor / 2., factor * 2.);
        factor = factor.clamp(1. / RANGE[1], 1. / RANGE[0]);
        if step.abs() < 1e-9 * factor {
            break;
        }
    }
    (1. / factor) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes, nine of ten answers right and every one as sure: the probability becomes 0.9.
    #[test]
    fn the_temperature_makes_confidence_equal_accuracy() {
        for sureness in [0.1_f32, 1., 3., 40.] {
            let count = 10_000;
            let images = Looked {
                classes: 2,
                logits: (0..count).flat_map(|_| [sureness, 0.]).collect(),
                labels: (0..count).map(|at| u32::from(at % 10 == 0)).collect(),
                ..Looked::default()
            };
            let logit = sureness / temperature(&images);
            let probability = 1. / (1. + (-logit).exp());
            assert!(
                (probability - 0.9).abs() < 1e-3,
                "{sureness}: {probability}"
            );
        }
    }

    #[test]
    fn all_right_is_not_infinitely_sure_and_nothing_seen_is_no_temperature() {
        let mut images = Looked {
            classes: 2,
            logits: [3., 0.].repeat(98),
            labels: vec![0; 98],
            ..Looked::default()
        };
        let probability = 1. / (1. + (-3. / temperature(&images)).exp());
        assert!((probability - 0.995).abs() < 1e-3, "{probability}");
        images.logits.clear();
        images.labels.clear();
        assert_eq!(temperature(&images), 1.);
    }
}
