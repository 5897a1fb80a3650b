//! A network for one image at a time.

use candle_core::{Device, Tensor};
use lenet_data::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_kernels::Pixels;
use lenet_kernels::single::Single;
use lenet_model::{Engine, Weights};

use super::answer::{Answer, ranked};
use crate::commands::normalization;
use crate::failure::Outcome;
use crate::output::percent;

pub struct Classifier<'a> {
    weights: &'a Weights,
    device: &'a Device,
    table: [f32; 256],
    /// The network on the CPU's fast engine, where that is what computes it.
    single: Option<Single>,
}

impl<'a> Classifier<'a> {
    pub fn new(weights: &'a Weights, device: &'a Device) -> Outcome<Self> {
        Ok(Self {
            weights,
            device,
            table: normalization(weights).table(),
            single: match weights.model.engine() {
                Engine::Fused => Some(weights.model.to_single()?),
                Engine::Candle => None,
            },
        })
    }

    /// The probability of each class.
    pub fn classify(&mut self, pixels: &[u8; IMAGE_PIXELS]) -> Outcome<Vec<f32>> {
        if let Some(single) = &mut self.single {
            return Ok(softmax(single.logits(Pixels::Bytes(pixels, &self.table))));
        }
        let input = pixels.map(|pixel| self.table[usize::from(pixel)]);
        let image = Tensor::from_slice(&input, (1, 1, IMAGE_SIDE, IMAGE_SIDE), self.device)?;
        let logits = self.weights.model.forward(&image)?.flatten_all()?;
        Ok(softmax(&logits.to_vec1::<f32>()?))
    }

    /// An answer about a single digit in a few words.
    pub fn in_words(&self, answer: &Answer) -> String {
        let names = &self.weights.metadata.class_names;
        match answer {
            Answer::Digit(probabilities) => match ranked(names, probabilities).first() {
                Some((name, part)) => format!("{name} {}", percent(Some(f64::from(*part)))),
                None => String::new(),
            },
            _ => "nothing drawn".to_owned(),
        }
    }
}

/// exp(x) / sum(exp(x)), with the largest taken off first so that none overflows.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_large_logits() {
        let probabilities = softmax(&[1_000., 999., -1_000.]);
        let expected = [0.731_058_6, 0.268_941_43, 0.];
        for (probability, expected) in std::iter::zip(probabilities, expected) {
            assert!(
                (probability - expected).abs() < 1e-6,
                "{probability} {expected}"
            );
        }
    }
}
