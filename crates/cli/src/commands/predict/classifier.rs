//! A network for one image at a time.

use candle_core::{Device, Tensor};
use lenet_engine::Pixels;
use lenet_engine::single::Single;
use lenet_model::{Seen, Weights, roughness, softmax};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_train::Backend;

use super::prediction::Reading;
use crate::failure::Outcome;

pub struct Classifier<'a> {
    weights: &'a Weights,
    device: &'a Device,
    table: [f32; 256],
    /// The network on the engine.
    single: Single,
    /// Whether candle computes the logits.
    is_candle: bool,
}

impl<'a> Classifier<'a> {
    pub fn new(weights: &'a Weights, device: &'a Device, backend: &Backend) -> Outcome<Self> {
        Ok(Self {
            weights,
            device,
            table: weights.metadata.input.table(),
            single: weights.model.to_single()?,
            is_candle: matches!(backend, Backend::Candle),
        })
    }

    /// Whether each class is a single character, so that a picture of two is of none.
    pub fn has_single_characters(&self) -> bool {
        self.weights.metadata.has_single_characters()
    }

    /// The classes of an image.
    pub fn classify(&mut self, pixels: &[u8; IMAGE_PIXELS]) -> Outcome<Reading> {
        let metadata = &self.weights.metadata;
        let logits = self.single.logits(Pixels::Bytes(pixels, &self.table));
        let mut probabilities = softmax(logits);
        let familiarity = metadata.familiarity.as_ref();
        let familiarity = familiarity.map(|familiarity| (familiarity, logits.to_vec()));
        let familiar = familiarity.map(|(familiarity, logits)| {
            familiarity.is_familiar(Seen {
                features: &self.single.features(),
                logits: &logits,
                roughness: roughness(pixels),
            })
        });
        if self.is_candle {
            let input = pixels.map(|pixel| self.table[usize::from(pixel)]);
            let shape = (1, 1, IMAGE_SIDE, IMAGE_SIDE);
            let image = Tensor::from_slice(&input, shape, self.device)?;
            let logits = self.weights.model.forward(&image)?.flatten_all()?;
            probabilities = softmax(&logits.to_vec1::<f32>()?);
        }
        Ok(Reading::new(
            &metadata.class_names,
            &probabilities,
            familiar,
        ))
    }
}
