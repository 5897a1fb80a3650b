//! The feature maps of the convolutions.
//!
//! [`LeNet5::feature_maps`] computes them too, but it would bring candle's convolution, in every
//! type, into the module that browsers download. The engine's naive reference takes a millisecond.

use lenet_engine::ConvLayer;
use lenet_engine::reference::{activation, avg_pool2d, conv2d};
use lenet_model::LeNet5;

use crate::Error;

/// The two convolutions, each with weight (K, C, 5, 5) and bias (K).
pub(crate) struct Convs(Vec<(ConvLayer, Vec<f32>, Vec<f32>)>);

impl Convs {
    /// # Errors
    /// None for parameters that are f32.
    pub(crate) fn new(model: &LeNet5) -> Result<Self, Error> {
        let layers = model.architecture().layers()?;
        let mut values = model.parameters().values()?.into_iter();
        let convs = layers.convs().iter().map_while(|&conv| {
            let (weight, bias) = (values.next()?, values.next()?);
            Some((conv, weight, bias))
        });
        Ok(Self(convs.collect()))
    }

    /// The maps (K, H', W') of each convolution for an image (1, 28, 28), after the activation and
    /// before pooling.
    pub(crate) fn maps(&self, image: &[f32]) -> Vec<Vec<f32>> {
        let mut input = image.to_vec();
        let mut maps = Vec::new();
        for (layer, weight, bias) in &self.0 {
            let sums = conv2d::forward(&layer.reference(1), &input, weight, bias);
            let map = activation::forward(layer.activation, &sums);
            input = avg_pool2d::forward(&layer.pooling(1), &map);
            maps.push(map);
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use lenet_model::pretrained;

    use super::*;

    /// A tap at the wrong place or a bias that is left out changes the maps by 0.01 and more.
    #[test]
    fn they_are_the_models() {
        let model = pretrained::mnist(&Device::Cpu).unwrap().model;
        let image: Vec<f32> = (0..28 * 28).map(|i| (i * 37 % 101) as f32 / 101.).collect();
        let input = Tensor::from_slice(&image, (1, 1, 28, 28), &Device::Cpu).unwrap();
        let found = Convs::new(&model).unwrap().maps(&image);
        let expected = model.feature_maps(&input).unwrap();
        for (found, expected) in std::iter::zip(found, expected) {
            let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(found.len(), expected.len());
            for (a, b) in std::iter::zip(found, expected) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
