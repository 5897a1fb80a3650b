//! The feature maps of the convolutions.
//!
//! `LeNet5::feature_maps` gives them too, but with it all of candle's operations, in every type,
//! would come into the module, which people load. In plain loops over the rows they take a
//! fraction of a millisecond.

use lenet_engine::reference::{activation, avg_pool2d};
use lenet_engine::{ConvLayer, Error};

/// A convolution with its parameters.
pub(crate) struct Conv {
    pub(crate) layer: ConvLayer,
    /// (K, C, R, S).
    pub(crate) weight: Vec<f32>,
    /// (K).
    pub(crate) bias: Vec<f32>,
}

/// The maps (K, H', W') of each convolution for an image (1, H, W), after the activation and before
/// pooling.
///
/// # Errors
/// None for convolutions that follow one another.
pub(crate) fn feature_maps(convs: &[Conv], image: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
    let mut input = image.to_vec();
    let mut maps = Vec::new();
    for conv in convs {
        let map = activation::forward(conv.layer.activation, &conv.sums(&input));
        let [channels, height, width] = conv.sides();
        let shape = avg_pool2d::Shape {
            batch: 1,
            channels,
            height,
            width,
        };
        input = avg_pool2d::forward(&shape, &map)?;
        maps.push(map);
    }
    Ok(maps)
}

impl Conv {
    /// (K, H', W').
    fn sides(&self) -> [usize; 3] {
        let unpooled = ConvLayer {
            pool: false,
            ..self.layer
        };
        unpooled.output()
    }

    /// (C, H, W) to (K, H', W').
    fn sums(&self, input: &[f32]) -> Vec<f32> {
        let ConvLayer {
            in_channels,
            height,
            width,
            kernel,
            padding,
            ..
        } = self.layer;
        let [padded_height, padded_width] = [height, width].map(|side| side + 2 * padding);
        let mut padded = vec![0.; in_channels * padded_height * padded_width];
        for (index, row) in input.chunks_exact(width).enumerate() {
            let (channel, y) = (index / height, index % height);
            let start = (channel * padded_height + y + padding) * padded_width + padding;
            padded[start..start + width].copy_from_slice(row);
        }
        let [_, height, width] = self.sides();
        let maps = self.weight.chunks_exact(in_channels * kernel * kernel);
        let mut sums = Vec::with_capacity(self.bias.len() * height * width);
        for (weights, &bias) in maps.zip(&self.bias) {
            for y in 0..height {
                let start = sums.len();
                sums.resize(start + width, bias);
                for (tap, &weight) in weights.iter().enumerate() {
                    let (channel, r) = (tap / (kernel * kernel), tap / kernel % kernel);
                    let from = (channel * padded_height + y + r) * padded_width + tap % kernel;
                    let row = &padded[from..from + width];
                    for (sum, value) in sums[start..].iter_mut().zip(row) {
                        *sum += weight * value;
                    }
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use lenet_model::pretrained;

    use crate::classifier::convs;

    /// A tap at the wrong place or a bias that is left out changes the maps by 0.01 and more.
    #[test]
    fn they_are_the_models() {
        let model = pretrained::mnist(&Device::Cpu).unwrap().model;
        let image: Vec<f32> = (0..28 * 28).map(|i| (i * 37 % 101) as f32 / 101.).collect();
        let input = Tensor::from_slice(&image, (1, 1, 28, 28), &Device::Cpu).unwrap();
        let found = super::feature_maps(&convs(&model).unwrap(), &image).unwrap();
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
