//! LeNet-5 in burn on its CPU backend `flex`, with all the speed that its features offer.
#![forbid(unsafe_code)]

#[path = "../../mnist.rs"]
mod mnist;
#[path = "../../protocol.rs"]
mod protocol;

use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use mnist::{Batches, Set};
use protocol::{Arguments, Peer, Result, Trained};

fn main() -> Result<()> {
    // burn's flex takes the number of threads from RAYON_NUM_THREADS, which the driver sets.
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut peer = Burn::new(&arguments)?;
    protocol::serve(&mut peer, arguments.batch, "version 0.22.1 mode flex,f32")
}

#[derive(Module, Debug)]
struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: AvgPool2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet5 {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 6], [5, 5])
                .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .init(device),
            conv2: Conv2dConfig::new([6, 16], [5, 5]).init(device),
            pool: AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(400, 120).init(device),
            fc2: LinearConfig::new(120, 84).init(device),
            fc3: LinearConfig::new(84, 10).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(images))); // (B, 6, 14, 14)
        let x = self.pool.forward(relu(self.conv2.forward(x))); // (B, 16, 5, 5)
        let x: Tensor<2> = x.flatten(1, 3); // (B, 400)
        let x = relu(self.fc1.forward(x));
        let x = relu(self.fc2.forward(x));
        self.fc3.forward(x)
    }
}

struct Burn {
    /// Absent only within a step, for the optimiser consumes it.
    model: Option<LeNet5>,
    /// The network of the last step without its graph.
    inference: LeNet5,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    train: Set,
    test: Set,
    batches: Batches,
    batch: usize,
    /// That of tensors of which a graph is recorded.
    recording: Device,
}

impl Burn {
    fn new(arguments: &Arguments) -> Result<Self> {
        let recording = Device::flex().autodiff();
        recording.seed(42);
        let model = LeNet5::new(&recording);
        let train = Set::read(&arguments.data, "train")?;
        Ok(Self {
            inference: model.valid(),
            model: Some(model),
            // PyTorch's epsilon; burn's own default is 1e-5.
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            loss: CrossEntropyLossConfig::new().init(&recording),
            batches: Batches::new(train.len(), arguments.batch),
            train,
            test: Set::read(&arguments.data, "t10k")?,
            batch: arguments.batch,
            recording,
        })
    }

    /// The logits of test images, computed and in memory.
    fn logits(&self, indices: &[usize]) -> TensorData {
        let (images, _) = batch(&self.test, indices, &Device::flex());
        self.inference.forward(images).into_data()
    }
}

impl Peer for Burn {
    fn train(&mut self, steps: usize) -> Result<Trained> {
        let start = Instant::now();
        let mut last = None;
        for _ in 0..steps {
            let model = self.model.take().ok_or("a step before has failed")?;
            let (images, labels) = batch(&self.train, self.batches.next(), &self.recording);
            let loss = self.loss.forward(model.forward(images), labels);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            self.model = Some(self.optimizer.step(1e-3, model, gradients));
            last = Some(loss);
        }
        let time = start.elapsed();
        let loss = last.ok_or("no step was asked for")?.into_scalar::<f32>();
        if let Some(model) = &self.model {
            self.inference = model.valid();
        }
        Ok(Trained {
            time,
            loss: loss.into(),
        })
    }

    fn infer(&mut self, batches: usize) -> Result<()> {
        for indices in mnist::rounds(self.test.len(), self.batch, batches) {
            self.logits(&indices);
        }
        Ok(())
    }

    fn infer_one(&mut self, index: usize) -> Result<()> {
        self.logits(&[index % self.test.len()]);
        Ok(())
    }

    fn accuracy(&mut self) -> Result<f64> {
        let all: Vec<usize> = (0..self.test.len()).collect();
        let mut right = 0;
        for indices in all.chunks(self.batch) {
            let (images, labels) = batch(&self.test, indices, &Device::flex());
            let guesses = self.inference.forward(images).argmax(1).flatten(0, 1);
            right += guesses.equal(labels).int().sum().into_scalar::<i64>();
        }
        Ok(right as f64 / all.len() as f64)
    }
}

/// Images (B, 1, 28, 28) and labels (B).
fn batch(set: &Set, indices: &[usize], device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let (pixels, labels) = set.gather::<i64>(indices);
    let images = TensorData::new(pixels, [indices.len(), 1, 28, 28]);
    let labels = TensorData::new(labels, [indices.len()]);
    (
        Tensor::from_data(images, device),
        Tensor::from_data(labels, device),
    )
}
