//! Our side of `cargo xtask bench --peers`: the engine as the training loop calls it, and the same
//! network on candle's own operations and optimiser.
//!
//! `peer write-data FOLDER` writes MNIST's four IDX files for all peers to read.

#[path = "../../peers/harness.rs"]
mod harness;

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use lenet_data::embedded;
use lenet_data::registry::mnist;
use lenet_engine::engine::{Engine, Images, Precision, Purpose};
use lenet_engine::optimizer::{Adam, Optimizer};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{Isa, Pixels};
use lenet_model::{Architecture, Init, LeNet5};

use harness::{Arguments, PIXELS, Peer, Result, scaled};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if let [_, _, folder] = &words[..] {
        std::fs::create_dir_all(folder)?;
        for (file, bytes) in std::iter::zip(&mnist().files, embedded::files()?) {
            std::fs::write(Path::new(folder).join(file.name), bytes)?;
        }
        return Ok(());
    }
    let arguments = Arguments::read()?;
    let model = LeNet5::new(&Architecture::default(), Init::default(), 42, &Device::Cpu)?;
    let precision = match arguments.mode.as_str() {
        // AdamW without weight decay is Adam.
        "candle" => {
            let settings = ParamsAdamW {
                weight_decay: 0.,
                ..ParamsAdamW::default()
            };
            let adam = AdamW::new(model.parameters().vars(), settings)?;
            return harness::run(&mut Candle { model, adam }, arguments, "0.11.1");
        }
        "bf16" => Precision::Bf16,
        _ => Precision::F32,
    };
    let pool = Arc::new(Pool::exactly(arguments.threads));
    let mut peer = Lenet {
        engine: model.to_engine(Purpose::Training, arguments.batch, precision, pool)?,
        single: model.to_single()?,
        // A pixel's value in the network's input.
        table: std::array::from_fn(|pixel| pixel as f32 * (1. / 255.)),
    };
    harness::run(&mut peer, arguments, &Isa::current().to_string())
}

struct Lenet {
    engine: Engine,
    single: Single,
    table: [f32; 256],
}

impl Peer for Lenet {
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()> {
        let labels: Vec<u32> = labels.iter().map(|&label| label.into()).collect();
        self.engine
            .gradients(&Bytes(pixels, &self.table), &labels, 0.)?;
        self.engine.update(&Optimizer::Adam(Adam::default()), 1.);
        Ok(())
    }

    fn trained(&mut self) -> Result<()> {
        let parameters: Vec<&[f32]> = self.engine.parameters().collect();
        Ok(self.single.set_parameters(&parameters)?)
    }

    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>> {
        if pixels.len() == PIXELS {
            let pixels = Pixels::Bytes(pixels, &self.table);
            return Ok(self.single.logits(pixels).to_vec());
        }
        let count = pixels.len() / PIXELS;
        self.engine.forward(&Bytes(pixels, &self.table), count)?;
        Ok(self.engine.logits().flatten().collect())
    }
}

/// Images of u8 pixels, one after another.
struct Bytes<'a>(&'a [u8], &'a [f32; 256]);

impl Images for Bytes<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Bytes(&self.0[image * PIXELS..][..PIXELS], self.1)
    }
}

struct Candle {
    model: LeNet5,
    adam: AdamW,
}

impl Candle {
    fn forward(&self, pixels: &[u8]) -> Result<Tensor> {
        let shape = (pixels.len() / PIXELS, 1, 28, 28);
        let images = Tensor::from_vec(scaled(pixels), shape, &Device::Cpu)?;
        Ok(self.model.forward(&images)?)
    }
}

impl Peer for Candle {
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()> {
        let labels = labels.iter().map(|&label| u32::from(label));
        let labels = Tensor::from_iter(labels, &Device::Cpu)?;
        let loss = cross_entropy(&self.forward(pixels)?, &labels)?;
        Ok(self.adam.backward_step(&loss)?)
    }

    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>> {
        Ok(self.forward(pixels)?.flatten_all()?.to_vec1()?)
    }
}
