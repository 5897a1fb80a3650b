//! The ranges of a network's activations over the calibration images.

use candle_core::Tensor;

use super::Affine;
use lenet_model::{Error, LeNet5, Result};

/// The smallest and the largest value; 0 is always between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    least: f32,
    most: f32,
}

impl Range {
    fn of(values: &Tensor) -> Result<Self> {
        let values = values.flatten_all()?;
        Ok(Self {
            least: values.min(0)?.to_scalar::<f32>()?.min(0.),
            most: values.max(0)?.to_scalar::<f32>()?.max(0.),
        })
    }

    /// The range as the 256 integers of 8 bits; 0 is one of them exactly, for padding is 0.
    pub(super) fn affine(self) -> Affine {
        let width = self.most - self.least;
        if width == 0. {
            // A layer of zeros: any scale serves.
            return Affine {
                scale: 1.,
                zero_point: -128,
            };
        }
        let scale = (width / 255.).max(f32::MIN_POSITIVE);
        let zero = (-128. - self.least / scale).round().clamp(-128., 127.);
        Affine {
            scale,
            zero_point: zero as i8,
        }
    }
}

/// The ranges of a layer's values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranges {
    /// Before the activation.
    pub(super) before: Range,
    /// After it.
    pub(super) after: Range,
    /// After the pooling, if there is one.
    pub(super) pooled: Option<Range>,
}

/// The ranges of each layer but the last.
pub(super) fn ranges(model: &LeNet5, images: &Tensor) -> Result<[Ranges; 4]> {
    let outputs = model.outputs(images)?;
    let ranges = |before: &Tensor, is_pooled: bool| {
        let after = model.activate(before)?;
        let pooled = is_pooled.then(|| Range::of(&after.avg_pool2d(2)?));
        Ok::<_, Error>(Ranges {
            before: Range::of(before)?,
            after: Range::of(&after)?,
            pooled: pooled.transpose()?,
        })
    };
    Ok([
        ranges(&outputs.conv1, true)?,
        ranges(&outputs.conv2, true)?,
        ranges(&outputs.fc1, false)?,
        ranges(&outputs.fc2, false)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_zero_of_a_range() {
        for (least, most, zero_point) in [(0., 5.1, -128), (-2.56, 2.54, 0), (-5.1, 0., 127)] {
            let affine = Range { least, most }.affine();
            assert_eq!(affine.zero_point, zero_point, "{least} {most}");
            let real = |q: i16| affine.scale * f32::from(q - i16::from(affine.zero_point));
            assert!((real(-128) - least).abs() <= affine.scale, "{affine:?}");
            assert!((real(127) - most).abs() <= affine.scale, "{affine:?}");
        }
    }

    #[test]
    fn a_layer_of_zeros() {
        let zeros = Tensor::zeros(3, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let affine = Range::of(&zeros).unwrap().affine();
        assert_eq!((affine.scale, affine.zero_point), (1., -128));
    }
}
