//! LeNet-5.

use candle_core::{Device, Module, Result as CandleResult, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Linear};

use crate::Result;
use crate::architecture::{Activation, Architecture};
use crate::init::Init;
use crate::parameters::Parameters;

/// LeNet-5: two convolutions of 5x5, each with average pooling, and three linear layers.
///
/// The network of LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to
/// document recognition", <https://doi.org/10.1109/5.726791>, section II.B, in the form that is
/// usual today: every map of the second convolution sees all six maps of the first, pooling has no
/// weights, and the last layer computes logits instead of distances.
///
/// This is the definition, in candle's own operations: it runs on every device and in every type.
/// On a CPU in f32, [`LeNet5::to_engine`] runs the same network about a hundred times faster.
#[derive(Debug, Clone)]
pub struct LeNet5 {
    architecture: Architecture,
    parameters: Parameters,
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

/// What each layer computes for a batch, before the activation and before pooling. Shapes are for
/// padding `same`; those for `valid` follow in brackets if they differ.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// (B, 6, 28, 28)  \[24, 24].
    pub conv1: Tensor,
    /// (B, 16, 10, 10)  \[8, 8].
    pub conv2: Tensor,
    /// (B, 120).
    pub fc1: Tensor,
    /// (B, 84).
    pub fc2: Tensor,
    /// (B, classes).
    pub logits: Tensor,
}

impl LeNet5 {
    /// The logits (B, classes) of normalised images (B, 1, 28, 28).
    ///
    /// # Errors
    /// Images of another shape, type or device than the parameters.
    pub fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        Ok(self.outputs(images)?.logits)
    }

    /// The forward pass, with what each layer computes on the way.
    ///
    /// # Errors
    /// As [`LeNet5::forward`].
    pub fn outputs(&self, images: &Tensor) -> CandleResult<Outputs> {
        let conv1 = self.conv1.forward(images)?; // (B, 6, 28, 28)  [24, 24]
        let x = self.activate(&conv1)?.avg_pool2d(2)?; // (B, 6, 14, 14)  [12, 12]
        let conv2 = self.conv2.forward(&x)?; // (B, 16, 10, 10)  [8, 8]
        let x = self.activate(&conv2)?.avg_pool2d(2)?; // (B, 16, 5, 5)  [4, 4]
        let x = x.flatten_from(1)?; // (B, 400)  [256]
        let fc1 = self.fc1.forward(&x)?; // (B, 120)
        let fc2 = self.fc2.forward(&self.activate(&fc1)?)?; // (B, 84)
        let logits = self.fc3.forward(&self.activate(&fc2)?)?; // (B, classes)
        Ok(Outputs {
            conv1,
            conv2,
            fc1,
            fc2,
            logits,
        })
    }

    /// The activation after each layer but the last, of any shape.
    ///
    /// # Errors
    /// candle's own.
    pub fn activate(&self, x: &Tensor) -> CandleResult<Tensor> {
        match self.architecture.activation {
            Activation::Relu => x.relu(),
            Activation::Tanh => x.tanh(),
        }
    }

    /// The feature maps of the two convolutions for images (B, 1, 28, 28): after the activation and
    /// before pooling, which would hide three quarters of them.
    ///
    /// # Errors
    /// As [`LeNet5::forward`].
    pub fn feature_maps(&self, images: &Tensor) -> CandleResult<[Tensor; 2]> {
        let outputs = self.outputs(images)?;
        Ok([
            self.activate(&outputs.conv1)?,
            self.activate(&outputs.conv2)?,
        ])
    }

    /// A network with freshly drawn parameters; equal arguments draw equal parameters.
    ///
    /// # Errors
    /// A number of classes other than 1 to 256, and the device's own.
    pub fn new(
        architecture: &Architecture,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        architecture.check()?;
        let parameters = Parameters::draw(architecture, init, seed, device)?;
        Ok(Self::with_parameters(architecture, parameters))
    }

    /// A network with the parameters that `tensor` returns by name.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape, and a number of classes other than 1 to 256.
    pub fn from_tensors(
        architecture: &Architecture,
        tensor: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<Self> {
        architecture.check()?;
        let parameters = Parameters::from_tensors(architecture, tensor)?;
        Ok(Self::with_parameters(architecture, parameters))
    }

    fn with_parameters(architecture: &Architecture, parameters: Parameters) -> Self {
        // A clone of a variable shares its storage and its identity: gradients are found by it.
        let [
            (conv1, conv1_bias),
            (conv2, conv2_bias),
            (fc1, fc1_bias),
            (fc2, fc2_bias),
            (fc3, fc3_bias),
        ] = parameters.layers();
        let padded = Conv2dConfig {
            padding: architecture.padding.pixels(),
            ..Conv2dConfig::default()
        };
        Self {
            conv1: Conv2d::new(conv1, Some(conv1_bias), padded),
            conv2: Conv2d::new(conv2, Some(conv2_bias), Conv2dConfig::default()),
            fc1: Linear::new(fc1, Some(fc1_bias)),
            fc2: Linear::new(fc2, Some(fc2_bias)),
            fc3: Linear::new(fc3, Some(fc3_bias)),
            architecture: architecture.clone(),
            parameters,
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
        self.fc3.weight().device()
    }
}

impl Module for LeNet5 {
    fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        LeNet5::forward(self, images)
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
            let images = Tensor::zeros((3, 1, 28, 28), DType::F32, &Device::Cpu).unwrap();
            let outputs = model.outputs(&images).unwrap();
            let pooled = |x: &Tensor| x.avg_pool2d(2).unwrap();
            let pool2 = pooled(&outputs.conv2);
            let real = [
                &outputs.conv1,
                &pooled(&outputs.conv1),
                &outputs.conv2,
                &pool2,
                &pool2.flatten_from(1).unwrap(),
                &outputs.fc1,
                &outputs.fc2,
                &outputs.logits,
            ];
            assert_eq!(real.map(|x| x.dims().to_vec()), written);
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
