//! LeNet-5 in burn on its CPU backend `flex`, with all the speed that its features offer.

#[path = "../../harness.rs"]
mod harness;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use harness::{Arguments, PIXELS, Peer, Result, scaled};

fn main() -> Result<()> {
    // burn's flex takes the number of threads from RAYON_NUM_THREADS, which the driver sets.
    harness::run(&mut Burn::new(), Arguments::read()?, "0.22.1 flex")
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
    optimizer: ModuleOptimizer,
    /// That of tensors of which a graph is recorded.
    recording: Device,
    /// The network without a graph, made for the first inference after a step.
    inference: Option<LeNet5>,
}

impl Burn {
    fn new() -> Self {
        let recording = Device::flex().autodiff();
        recording.seed(42);
        Self {
            model: Some(LeNet5::new(&recording)),
            // PyTorch's epsilon; burn's own default is 1e-5.
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            recording,
            inference: None,
        }
    }
}

impl Peer for Burn {
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()> {
        let model = self.model.take().ok_or("a step before has failed")?;
        let images = images(pixels, &self.recording);
        let labels = TensorData::new(
            labels.iter().map(|&l| i64::from(l)).collect(),
            [labels.len()],
        );
        let labels = Tensor::<1, Int>::from_data(labels, &self.recording);
        let loss = CrossEntropyLossConfig::new()
            .init(&self.recording)
            .forward(model.forward(images), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(1e-3, model, gradients));
        self.inference = None;
        Ok(())
    }

    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>> {
        let model = self.model.as_ref().ok_or("a step before has failed")?;
        let network = self.inference.get_or_insert_with(|| model.valid());
        let logits = network.forward(images(pixels, &Device::flex()));
        Ok(logits
            .into_data()
            .try_to_vec()
            .map_err(|error| format!("{error:?}"))?)
    }
}

/// Images (B, 1, 28, 28).
fn images(pixels: &[u8], device: &Device) -> Tensor<4> {
    let images = TensorData::new(scaled(pixels), [pixels.len() / PIXELS, 1, 28, 28]);
    Tensor::from_data(images, device)
}
