//! LeNet-5.

use candle_core::{Device, Module, Tensor};
use lenet_engine::Activation;

use crate::architecture::Architecture;
use crate::init::Init;
#[cfg(feature = "export")]
use crate::layer::activate;
use crate::layer::{Conv, Engine, Linear};
use crate::parameters::Parameters;
use crate::{Error, Result};

/// LeNet-5: two convolutions of 5x5, each with average pooling, and three linear layers.
///
/// The network of LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to
/// document recognition", <https://doi.org/10.1109/5.726791>, section II.B, in the form that is
/// usual today: every map of the second convolution sees all six maps of the first, pooling has no
/// weights, and the last layer gives logits instead of distances.
#[derive(Debug, Clone)]
pub struct LeNet5 {
    architecture: Architecture,
    parameters: Parameters,
    engine: Engine,
    conv1: Conv,
    conv2: Conv,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet5 {
    /// A network with freshly drawn parameters; equal arguments give equal parameters.
    ///
    /// # Errors
    /// A number of classes other than 1 to 256, and the device's own.
    pub fn new(
        architecture: &Architecture,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        check_classes(architecture)?;
        let parameters = Parameters::draw(architecture, init, seed, device)?;
        Self::with_parameters(architecture, parameters)
    }

    /// A network with the parameters that `tensor` gives by name.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape, and a number of classes other than 1 to 256.
    pub fn from_tensors(
        architecture: &Architecture,
        tensor: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<Self> {
        check_classes(architecture)?;
        let parameters = Parameters::from_tensors(architecture, tensor)?;
        Self::with_parameters(architecture, parameters)
    }

    /// The logits (B, classes) of normalised images (B, 1, 28, 28). Shapes are those of padding
    /// `same`; those of `valid` follow in brackets where they differ.
    ///
    /// # Errors
    /// Images of another shape, type or device than the parameters.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let engine = self.engine();
        let x = self.conv1.forward(images, engine)?; // (B, 6, 28, 28)  [24, 24], halved by pooling
        let x = self.conv2.forward(&x, engine)?; // (B, 16, 10, 10)  [8, 8], halved by pooling
        let x = x.flatten_from(1)?; // (B, 400)  [256]
        let x = self.fc1.forward(&x, engine)?; // (B, 120)
        let x = self.fc2.forward(&x, engine)?; // (B, 84)
        let logits = self.fc3.forward(&x, engine)?; // (B, classes)
        Ok(logits)
    }

    /// What the two convolutions find in normalised images (B, 1, 28, 28): the maps of each after
    /// the activation and before pooling, which would hide half of the detail from a reader.
    ///
    /// # Errors
    /// As [`LeNet5::forward`].
    pub fn feature_maps(&self, images: &Tensor) -> Result<[Tensor; 2]> {
        let engine = self.engine();
        let first = self.conv1.activated(images, engine)?; // (B, 6, 28, 28)  [24, 24]
        let x = self.conv1.forward(images, engine)?; // (B, 6, 14, 14)  [12, 12]
        let second = self.conv2.activated(&x, engine)?; // (B, 16, 10, 10)  [8, 8]
        Ok([first, second])
    }

    /// What normalised images (B, 1, 28, 28) become in each layer but the last, before and behind
    /// its activation, and before pooling.
    ///
    /// # Errors
    /// As [`LeNet5::forward`].
    #[cfg(feature = "export")]
    pub(crate) fn around_activations(&self, images: &Tensor) -> Result<[[Tensor; 2]; 4]> {
        let conv = |conv: &Conv, x: &Tensor| {
            let before = conv.map(x)?;
            let after = activate(conv.activation, &before)?;
            Ok::<_, Error>([before, after])
        };
        let linear = |linear: &Linear, x: &Tensor| {
            let before = linear.sums(x)?;
            let after = activate(linear.activation, &before)?;
            Ok::<_, Error>([before, after])
        };
        let first = conv(&self.conv1, images)?; // (B, 6, 28, 28)  [24, 24]
        let second = conv(&self.conv2, &first[1].avg_pool2d(2)?)?; // (B, 16, 10, 10)  [8, 8]
        let x = second[1].avg_pool2d(2)?.flatten_from(1)?; // (B, 400)  [256]
        let third = linear(&self.fc1, &x)?; // (B, 120)
        let fourth = linear(&self.fc2, &third[1])?; // (B, 84)
        Ok([first, second, third, fourth])
    }

    /// The same network, computed by another engine.
    #[must_use]
    pub fn with_engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// What computes: the engine that was asked for, or candle's own operations where the
    /// parameters are not f32 or not on the CPU.
    pub fn engine(&self) -> Engine {
        let weight = &self.fc3.weight;
        match weight.device().is_cpu() && weight.dtype() == candle_core::DType::F32 {
            true => self.engine,
            false => Engine::Candle,
        }
    }

    /// The form of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The parameters; to change their values changes the network.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The device that the parameters are on.
    pub fn device(&self) -> &Device {
        self.fc3.weight.device()
    }

    fn with_parameters(architecture: &Architecture, parameters: Parameters) -> Result<Self> {
        // A clone of a variable shares its storage and its identity: gradients are found by it.
        let tensor = |name: &'static str| {
            let var = parameters.get(name).ok_or(Error::MissingTensor { name })?;
            Ok::<_, Error>(var.as_tensor().clone())
        };
        let activation = architecture.activation.into();
        let conv = |weight, bias, padding| {
            Ok::<_, Error>(Conv {
                weight: tensor(weight)?,
                bias: tensor(bias)?,
                padding,
                activation,
            })
        };
        let linear = |weight, bias, activation| {
            Ok::<_, Error>(Linear {
                weight: tensor(weight)?,
                bias: tensor(bias)?,
                activation,
            })
        };
        Ok(Self {
            engine: Engine::default(),
            conv1: conv("conv1.weight", "conv1.bias", architecture.padding.pixels())?,
            conv2: conv("conv2.weight", "conv2.bias", 0)?,
            fc1: linear("fc1.weight", "fc1.bias", activation)?,
            fc2: linear("fc2.weight", "fc2.bias", activation)?,
            fc3: linear("fc3.weight", "fc3.bias", Activation::Identity)?,
            architecture: architecture.clone(),
            parameters,
        })
    }
}

impl Module for LeNet5 {
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        LeNet5::forward(self, images).map_err(|error| match error {
            Error::Candle(error) => error,
            other => candle_core::Error::wrap(other),
        })
    }
}

fn check_classes(architecture: &Architecture) -> Result<()> {
    match architecture.classes {
        1..=256 => Ok(()),
        found => Err(Error::ClassCount { found }),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::{Padding, Summary};

    /// The shapes in the comments of `forward`, and those of the summary, against the real ones.
    #[test]
    fn shapes_are_as_written() {
        for (padding, written) in [
            (
                Padding::Same,
                [
                    vec![3, 6, 28, 28],
                    vec![3, 6, 14, 14],
                    vec![3, 16, 10, 10],
                    vec![3, 16, 5, 5],
                    vec![3, 400],
                    vec![3, 120],
                    vec![3, 84],
                    vec![3, 10],
                ],
            ),
            (
                Padding::Valid,
                [
                    vec![3, 6, 24, 24],
                    vec![3, 6, 12, 12],
                    vec![3, 16, 8, 8],
                    vec![3, 16, 4, 4],
                    vec![3, 256],
                    vec![3, 120],
                    vec![3, 84],
                    vec![3, 10],
                ],
            ),
        ] {
            let architecture = Architecture {
                padding,
                ..Architecture::default()
            };
            let model = LeNet5::new(&architecture, Init::default(), 1, &Device::Cpu).unwrap();
            let mut x = Tensor::zeros((3, 1, 28, 28), DType::F32, &Device::Cpu).unwrap();
            let mut real = Vec::new();
            for engine in [Engine::Fused, Engine::Candle] {
                let images = x.clone();
                for conv in [&model.conv1, &model.conv2] {
                    real.push(conv.map(&x).unwrap().dims().to_vec());
                    x = conv.forward(&x, engine).unwrap();
                    real.push(x.dims().to_vec());
                }
                x = x.flatten_from(1).unwrap();
                real.push(x.dims().to_vec());
                for linear in [&model.fc1, &model.fc2, &model.fc3] {
                    x = linear.forward(&x, engine).unwrap();
                    real.push(x.dims().to_vec());
                }
                assert_eq!(real, written, "{engine}");
                (x, real) = (images, Vec::new());
            }
            let summed: Vec<_> = Summary::new(&architecture)
                .layers
                .into_iter()
                .map(|layer| [&[3], &layer.output_shape[..]].concat())
                .collect();
            assert_eq!(summed, written);
        }
    }

    #[test]
    fn parameter_counts() {
        for (padding, classes, count) in [
            (Padding::Same, 10, 61_706),
            (Padding::Valid, 10, 44_426),
            (Padding::Same, 26, 61_706 + 16 * 85),
        ] {
            let architecture = Architecture {
                padding,
                classes,
                ..Architecture::default()
            };
            let model = LeNet5::new(&architecture, Init::default(), 1, &Device::Cpu).unwrap();
            assert_eq!(model.parameters().count(), count);
            assert_eq!(Summary::new(&architecture).parameters(), count);
        }
    }

    #[test]
    fn impossible_class_counts_are_refused() {
        for classes in [0, 257] {
            let architecture = Architecture {
                classes,
                ..Architecture::default()
            };
            let error = LeNet5::new(&architecture, Init::default(), 1, &Device::Cpu).unwrap_err();
            assert!(error.to_string().contains("between 1 and 256"), "{error}");
        }
    }

    #[test]
    fn snapshot_and_restore() {
        let model = LeNet5::new(&Architecture::default(), Init::PyTorch, 1, &Device::Cpu).unwrap();
        let images = Tensor::ones((1, 1, 28, 28), DType::F32, &Device::Cpu).unwrap();
        let logits = |model: &LeNet5| model.forward(&images).unwrap().to_vec2::<f32>().unwrap();
        let before = logits(&model);
        let snapshot = model.parameters().snapshot().unwrap();
        for var in model.parameters().vars() {
            var.set(&var.affine(2., 0.25).unwrap()).unwrap();
        }
        assert_ne!(logits(&model), before);
        model.parameters().restore(&snapshot).unwrap();
        assert_eq!(logits(&model), before);
    }
}
