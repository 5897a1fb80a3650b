//! The network of one thread.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use lenet_engine::Pixels;
use lenet_engine::engine::{Engine, Images, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_files::Result;
use lenet_model::{Familiarity, Seen, Weights, roughness, softmax};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

use super::prediction::{Classes, Reading};

/// Images that the engine takes at once.
const BATCH: usize = 64;

pub struct Classifier<'a> {
    weights: &'a Weights,
    classes: &'a Classes,
    table: [f32; 256],
    /// The network on the engine for one image at a time.
    single: Single,
    /// The same for many, made when there are many.
    engine: Option<Engine>,
    /// Where candle computes the probabilities, if it does.
    candle: Option<&'a Device>,
}

impl<'a> Classifier<'a> {
    pub fn new(
        weights: &'a Weights,
        classes: &'a Classes,
        candle: Option<&'a Device>,
    ) -> Result<Self> {
        Ok(Self {
            weights,
            classes,
            table: weights.metadata.input.table(),
            single: weights.model.to_single()?,
            engine: None,
            candle,
        })
    }

    /// Whether each class is a single character, so that a picture of two is of none.
    pub fn has_single_characters(&self) -> bool {
        self.weights.metadata.has_single_characters()
    }

    /// The classes of a picture's image.
    pub fn classify(&mut self, pixels: &[u8; IMAGE_PIXELS]) -> Result<Reading<'a>> {
        let bytes = Pixels::Bytes(pixels, &self.table);
        let logits = self.single.logits(bytes).to_vec();
        let features = self.single.features();
        let mut reading = reading(self.weights, self.classes, pixels, &logits, &features);
        if let Some(device) = self.candle {
            let input = pixels.map(|pixel| self.table[usize::from(pixel)]);
            let shape = (1, 1, IMAGE_SIDE, IMAGE_SIDE);
            let image = Tensor::from_slice(&input, shape, device)?;
            let logits = self.weights.model.forward(&image)?.flatten_all()?;
            reading.probabilities = softmax(&logits.to_vec1::<f32>()?);
        }
        Ok(reading)
    }

    /// The classes of a data set's images, which come in numbers. The bits of an image's
    /// probabilities do not depend on the others, but are not those of [`Classifier::classify`].
    pub fn classify_all(&mut self, images: &[&[u8; IMAGE_PIXELS]]) -> Result<Vec<Reading<'a>>> {
        if self.candle.is_some() {
            return images.iter().map(|image| self.classify(image)).collect();
        }
        let engine = match &mut self.engine {
            Some(engine) => engine,
            none => {
                let pool = Arc::new(Pool::new(1));
                let model = &self.weights.model;
                none.insert(model.to_engine(Purpose::Inference, BATCH, Precision::F32, pool)?)
            }
        };
        let (weights, classes) = (self.weights, self.classes);
        let mut readings = Vec::with_capacity(images.len());
        for images in images.chunks(BATCH) {
            let features = engine.features(&Batch(images, &self.table), images.len())?;
            let features: Vec<Vec<f32>> = features.map(<[f32]>::to_vec).collect();
            for ((logits, features), image) in engine.logits().zip(&features).zip(images) {
                let logits: Vec<f32> = logits.collect();
                readings.push(reading(weights, classes, image, &logits, features));
            }
        }
        Ok(readings)
    }
}

fn reading<'a>(
    weights: &Weights,
    classes: &'a Classes,
    image: &[u8; IMAGE_PIXELS],
    logits: &[f32],
    features: &[f32],
) -> Reading<'a> {
    let is_familiar = |familiarity: &Familiarity| {
        let roughness = roughness(image);
        familiarity.is_familiar(Seen {
            features,
            logits,
            roughness,
        })
    };
    Reading {
        classes,
        probabilities: softmax(logits),
        familiar: weights.metadata.familiarity.as_ref().map(is_familiar),
    }
}

struct Batch<'a>(&'a [&'a [u8; IMAGE_PIXELS]], &'a [f32; 256]);

impl Images for Batch<'_> {
    fn pixels<'a>(&'a self, image: usize, _buffer: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Bytes(&self.0[image][..], self.1)
    }
}
