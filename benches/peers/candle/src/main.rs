//! LeNet-5 as one writes it with candle alone: its layers, its loss, its optimiser, its backward
//! pass.
#![forbid(unsafe_code)]

#[path = "../../mnist.rs"]
mod mnist;
#[path = "../../protocol.rs"]
mod protocol;

use std::time::Instant;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Linear, Optimizer as _, ParamsAdamW, VarBuilder, VarMap, conv2d,
    linear,
};

use mnist::{Batches, Set};
use protocol::{Arguments, Peer, Result, Trained};

fn main() -> Result<()> {
    // candle takes the number of threads from RAYON_NUM_THREADS, which the driver sets.
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut peer = Candle::new(&arguments)?;
    let threads = candle_core::utils::get_num_threads();
    let about = format!("version 0.11.1 mode f32 threads {threads}");
    protocol::serve(&mut peer, arguments.batch, &about)
}

struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet5 {
    fn new(vb: &VarBuilder) -> candle_core::Result<Self> {
        let padded = Conv2dConfig {
            padding: 2,
            ..Conv2dConfig::default()
        };
        Ok(Self {
            conv1: conv2d(1, 6, 5, padded, vb.pp("conv1"))?,
            conv2: conv2d(6, 16, 5, Conv2dConfig::default(), vb.pp("conv2"))?,
            fc1: linear(400, 120, vb.pp("fc1"))?,
            fc2: linear(120, 84, vb.pp("fc2"))?,
            fc3: linear(84, 10, vb.pp("fc3"))?,
        })
    }
}

impl Module for LeNet5 {
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.conv1.forward(images)?.relu()?.avg_pool2d(2)?; // (B, 6, 14, 14)
        let x = self.conv2.forward(&x)?.relu()?.avg_pool2d(2)?; // (B, 16, 5, 5)
        let x = x.flatten_from(1)?; // (B, 400)
        let x = self.fc1.forward(&x)?.relu()?;
        let x = self.fc2.forward(&x)?.relu()?;
        self.fc3.forward(&x)
    }
}

struct Candle {
    model: LeNet5,
    /// The same storage as constants: no graph is recorded, and every step of training shows.
    inference: LeNet5,
    adam: AdamW,
    train: Set,
    test: Set,
    batches: Batches,
    batch: usize,
}

impl Candle {
    fn new(arguments: &Arguments) -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let model = LeNet5::new(&builder)?;
        let named = variables.data().lock().map_err(|error| error.to_string())?;
        let constants = named
            .iter()
            .map(|(name, variable)| (name.clone(), variable.as_detached_tensor()))
            .collect();
        drop(named);
        let builder = VarBuilder::from_tensors(constants, DType::F32, &Device::Cpu);
        // AdamW without weight decay is Adam.
        let parameters = ParamsAdamW {
            lr: 1e-3,
            weight_decay: 0.,
            ..ParamsAdamW::default()
        };
        let train = Set::read(&arguments.data, "train")?;
        Ok(Self {
            model,
            inference: LeNet5::new(&builder)?,
            adam: AdamW::new(variables.all_vars(), parameters)?,
            batches: Batches::new(train.len(), arguments.batch),
            train,
            test: Set::read(&arguments.data, "t10k")?,
            batch: arguments.batch,
        })
    }
}

impl Peer for Candle {
    fn train(&mut self, steps: usize) -> Result<Trained> {
        let start = Instant::now();
        let mut last = None;
        for _ in 0..steps {
            let (images, labels) = batch(&self.train, self.batches.next())?;
            let loss = cross_entropy(&self.model.forward(&images)?, &labels)?;
            self.adam.backward_step(&loss)?;
            last = Some(loss);
        }
        let time = start.elapsed();
        let loss = last.ok_or("no step was asked for")?.to_scalar::<f32>()?;
        Ok(Trained {
            time,
            loss: loss.into(),
        })
    }

    fn infer(&mut self, batches: usize) -> Result<()> {
        for indices in mnist::rounds(self.test.len(), self.batch, batches) {
            self.inference.forward(&batch(&self.test, &indices)?.0)?;
        }
        Ok(())
    }

    fn infer_one(&mut self, index: usize) -> Result<()> {
        let (images, _) = batch(&self.test, &[index % self.test.len()])?;
        self.inference.forward(&images)?;
        Ok(())
    }

    fn accuracy(&mut self) -> Result<f64> {
        let all: Vec<usize> = (0..self.test.len()).collect();
        let mut right = 0.;
        for indices in all.chunks(self.batch) {
            let (images, labels) = batch(&self.test, indices)?;
            let guesses = self.inference.forward(&images)?.argmax(1)?;
            let hits = guesses.eq(&labels)?.to_dtype(DType::F32)?;
            right += f64::from(hits.sum_all()?.to_scalar::<f32>()?);
        }
        Ok(right / all.len() as f64)
    }
}

/// Images (B, 1, 28, 28) and labels (B).
fn batch(set: &Set, indices: &[usize]) -> candle_core::Result<(Tensor, Tensor)> {
    let (pixels, labels) = set.gather::<u32>(indices);
    let count = indices.len();
    Ok((
        Tensor::from_vec(pixels, (count, 1, 28, 28), &Device::Cpu)?,
        Tensor::from_vec(labels, count, &Device::Cpu)?,
    ))
}
