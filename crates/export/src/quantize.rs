//! The network in 8-bit integers, made from a trained one and calibration images.
//!
//! The scheme is the usual one of post-training quantisation, as of Jacob et al. 2018,
//! "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
//! <https://doi.org/10.1109/CVPR.2018.00286>: a real number is `scale * (q - zero_point)`. Weights
//! have one scale for each output channel and the zero point 0; activations have one scale and one
//! zero point for each layer, from the smallest and largest value over the calibration images. Sums
//! have 32 bits. [`Quantized::logits`] computes only in integers and is the reference for every
//! export; it rounds where the ONNX file does.

mod calibrate;
mod integer;

use candle_core::{Device, Tensor};

use calibrate::{Range, Ranges, ranges};
use lenet_model::{Activation, Error, LeNet5, Metadata, Result, Weights};
use lenet_picture::Normalization;

pub use integer::{FRACTION_BITS, Multiplier, Plan, Pool};

/// The real number of an integer q: `scale * (q - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The distance between two neighbours, more than 0.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero_point: i8,
}

/// What a layer does with its sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output {
    /// max(0, x), rounded to int8.
    Relu(Affine),
    /// Rounded to int8, the hyperbolic tangent, and rounded to int8 again.
    Tanh {
        /// The input of the function.
        before: Affine,
        /// Its output.
        after: Affine,
    },
    /// The sums are the logits.
    Logits,
}

/// A convolution or a linear layer in integers.
#[derive(Debug, Clone)]
pub struct Layer {
    /// `conv1`, `conv2`, `fc1`, `fc2` or `fc3`.
    pub name: &'static str,
    /// The weight's shape as PyTorch has it, output channels first.
    pub dims: Vec<usize>,
    /// The weight, -127 to 127.
    pub weight: Vec<i8>,
    /// The scale of each output channel's weights.
    pub weight_scales: Vec<f32>,
    /// The bias in units of input scale times weight scale.
    pub bias: Vec<i32>,
    /// The layer's input.
    pub input: Affine,
    /// What is made of the sums.
    pub output: Output,
    /// The output of the pooling, if there is one. It has a scale of its own: means lie closer
    /// together, and in the scale of the input every fourth would fall between two integers, where
    /// runtimes round either way.
    pub pooled: Option<Affine>,
    plan: Plan,
}

impl Layer {
    /// The scale of each output channel's sums and bias.
    pub fn bias_scales(&self) -> Vec<f32> {
        let scales = self.weight_scales.iter();
        scales.map(|scale| self.input.scale * scale).collect()
    }

    /// The numbers of the next layer's input.
    pub fn outgoing(&self) -> Affine {
        self.pooled.unwrap_or(self.activated())
    }

    /// The numbers after the activation.
    fn activated(&self) -> Affine {
        match self.output {
            Output::Relu(after) | Output::Tanh { after, .. } => after,
            Output::Logits => Affine::UNIT,
        }
    }
}

/// LeNet-5 in integers of 8 bits.
#[derive(Debug, Clone)]
pub struct Quantized {
    metadata: Metadata,
    layers: [Layer; 5],
}

impl Quantized {
    /// Quantises a network; `images`, normalised (B, 1, 28, 28), decide the scales of the
    /// activations. A few hundred training images are enough; they should not include the images
    /// that an accuracy is measured on.
    ///
    /// # Errors
    /// Images of another shape, or none; an input scaling with a mean outside 0 to 1 or a negative
    /// std; and candle's own.
    pub fn new(weights: &Weights, images: &Tensor) -> Result<Self> {
        let images = images.to_device(&Device::Cpu)?;
        match images.dims() {
            [count, 1, 28, 28] if *count > 0 => {}
            found => {
                return Err(Error::internal(format!(
                    "images to calibrate with should be (B, 1, 28, 28), got {found:?}"
                )));
            }
        }
        let metadata = weights.metadata.clone();
        let Normalization { mean, std } = metadata.input;
        if !(0. ..=1.).contains(&mean) || std <= 0. {
            return Err(Error::input(format!(
                "int8 needs an input scaling with a mean from 0 to 1 and a std above 0, not mean \
                 {mean}, std {std}"
            )));
        }
        let on_cpu = on_cpu(&weights.model)?;
        let outgoing = |ranges: Ranges| {
            let (before, after) = (ranges.before.affine(), ranges.after.affine());
            let output = match metadata.architecture.activation {
                Activation::Relu => Output::Relu(after),
                Activation::Tanh => Output::Tanh { before, after },
            };
            (output, ranges.pooled.map(Range::affine))
        };
        let [conv1, conv2, fc1, fc2] = ranges(&on_cpu, &images)?.map(outgoing);
        let layer = |name, input, outgoing| layer(&on_cpu, name, input, outgoing);
        let conv1 = layer("conv1", pixels(&metadata), conv1)?;
        let conv2 = layer("conv2", conv1.outgoing(), conv2)?;
        let fc1 = layer("fc1", conv2.outgoing(), fc1)?;
        let fc2 = layer("fc2", fc1.outgoing(), fc2)?;
        let fc3 = layer("fc3", fc2.outgoing(), (Output::Logits, None))?;
        let mut layers = [conv1, conv2, fc1, fc2, fc3];
        absorb_mean(&mut layers[0], &metadata);
        for layer in &mut layers {
            layer.plan = Plan::new(layer);
        }
        Ok(Self { metadata, layers })
    }

    /// The metadata of the network's weights file.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The layers, in the order of the forward pass.
    pub fn layers(&self) -> &[Layer; 5] {
        &self.layers
    }
}

impl Affine {
    /// Not quantised: every integer stands for itself.
    const UNIT: Self = Self {
        scale: 1.,
        zero_point: 0,
    };
}

/// Pixels 0 to 255 as -128 to 127; the real numbers are those after normalisation.
fn pixels(metadata: &Metadata) -> Affine {
    Affine {
        scale: 1. / (255. * metadata.input.std),
        zero_point: ((255. * metadata.input.mean).round() - 128.) as i8,
    }
}

/// The zero point is a whole pixel value, the mean need not be: the bias takes what the difference
/// adds to every sum.
fn absorb_mean(conv1: &mut Layer, metadata: &Metadata) {
    let exact = 255. * f64::from(metadata.input.mean) - 128.;
    let difference = f64::from(conv1.input.zero_point) - exact;
    let fan_in = conv1.weight.len() / conv1.bias.len();
    for (bias, weights) in std::iter::zip(&mut conv1.bias, conv1.weight.chunks(fan_in)) {
        let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        *bias = bias.saturating_add((difference * sum).round() as i32);
    }
}

/// The network with its parameters on the CPU.
fn on_cpu(model: &LeNet5) -> Result<LeNet5> {
    let mut tensors = std::collections::BTreeMap::new();
    for (name, var) in model.parameters().iter() {
        tensors.insert(name, var.as_detached_tensor().to_device(&Device::Cpu)?);
    }
    LeNet5::from_tensors(model.architecture(), |name| tensors.get(name).cloned())
}

/// A layer's parameters in integers.
fn layer(
    model: &LeNet5,
    name: &'static str,
    input: Affine,
    (output, pooled): (Output, Option<Affine>),
) -> Result<Layer> {
    let parameter = |suffix: &str| {
        let found = model.parameters().get(&format!("{name}.{suffix}"));
        found.ok_or_else(|| Error::internal(format!("no parameter {name}.{suffix}")))
    };
    let weight = parameter("weight")?;
    let dims = weight.dims().to_vec();
    let values = weight.flatten_all()?.to_vec1::<f32>()?;
    let biases = parameter("bias")?.to_vec1::<f32>()?;
    let fan_in = values.len() / biases.len();
    let mut layer = Layer {
        name,
        dims,
        weight: Vec::with_capacity(values.len()),
        weight_scales: Vec::with_capacity(biases.len()),
        bias: Vec::with_capacity(biases.len()),
        input,
        output,
        pooled,
        plan: Plan::default(),
    };
    for (weights, bias) in std::iter::zip(values.chunks(fan_in), biases) {
        let scale = weight_scale(weights, bias, input.scale);
        let quantised = weights.iter().map(|weight| (weight / scale).round() as i8);
        layer.weight.extend(quantised);
        let unit = f64::from(scale) * f64::from(input.scale);
        layer.bias.push((f64::from(bias) / unit).round() as i32);
        layer.weight_scales.push(scale);
    }
    Ok(layer)
}

/// The scale by which the largest of a channel's weights becomes 127. A channel whose weights are
/// nearly 0 gets a larger one, so that its bias, in units of it, leaves space in 32 bits for the
/// sum.
fn weight_scale(weights: &[f32], bias: f32, input_scale: f32) -> f32 {
    let largest = weights
        .iter()
        .fold(0_f32, |most, weight| most.max(weight.abs()));
    let for_bias = bias.abs() / input_scale / (1 << 29) as f32;
    (largest / 127.).max(for_bias).max(f32::MIN_POSITIVE)
}
