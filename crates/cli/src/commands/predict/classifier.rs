//! A network for one image at a time.

use candle_core::{Device, Tensor};
use lenet_engine::Pixels;
use lenet_engine::single::Single;
use lenet_model::{Weights, softmax};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
use lenet_train::Backend;

use super::prediction::Reading;
use crate::failure::Outcome;

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

    /// The classes of an image.
    pub fn classify(&mut self, pixels: &[u8; IMAGE_PIXELS]) -> Outcome<Reading> {
        let probabilities = match &mut self.single {
            Some(single) => softmax(single.logits(Pixels::Bytes(pixels, &self.table))),
            None => {
                let input = pixels.map(|pixel| self.table[usize::from(pixel)]);
                let shape = (1, 1, IMAGE_SIDE, IMAGE_SIDE);
                let image = Tensor::from_slice(&input, shape, self.device)?;
                let logits = self.weights.model.forward(&image)?.flatten_all()?;
                softmax(&logits.to_vec1::<f32>()?)
            }
        };
        Ok(Reading::new(
            &self.weights.metadata.class_names,
            &probabilities,
        ))
    }
}
