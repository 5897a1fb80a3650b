//! A network for one image at a time.

use candle_core::{Device, Tensor};
use lenet_engine::Pixels;
use lenet_engine::single::Single;
use lenet_model::{Weights, softmax};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_train::Backend;

use super::answer::{Answer, ranked};
use crate::failure::Outcome;
use crate::output::percent;

pub struct Classifier<'a> {
    weights: &'a Weights,
    device: &'a Device,
    table: [f32; 256],
    /// The network on the engine, unless candle computes it.
    single: Option<Single>,
}

impl<'a> Classifier<'a> {
    pub fn new(weights: &'a Weights, device: &'a Device, backend: &Backend) -> Outcome<Self> {
        Ok(Self {
            weights,
            device,
            table: weights.metadata.input.table(),
            single: match backend {
                Backend::Fused(_) => Some(weights.model.to_single()?),
                Backend::Candle => None,
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
