//! The one function in which a pixel becomes a number.

use serde::{Deserialize, Serialize};

/// How a pixel 0..=255 becomes the network's input: `(pixel / 255 - mean) / std`.
///
/// The default scales to [0, 1], as the classic recipe does: the background stays 0, which is also
/// what a convolution pads with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Subtracted from the pixel on the scale of 0 to 1.
    pub mean: f32,
    /// What the difference is divided by.
    pub std: f32,
}

impl Default for Normalization {
    fn default() -> Self {
        Self { mean: 0., std: 1. }
    }
}

impl Normalization {
    /// The mean and standard deviation of MNIST's training pixels on the scale of 0 to 1, as
    /// PyTorch's MNIST example uses them:
    /// <https://github.com/pytorch/examples/blob/main/mnist/main.py>.
    pub const MNIST: Self = Self {
        mean: 0.1307,
        std: 0.3081,
    };

    /// The input for every value of a pixel. A table is faster than the arithmetic, and makes equal
    /// pixels equal numbers wherever they are computed.
    pub fn table(self) -> [f32; 256] {
        std::array::from_fn(|pixel| (pixel as f32 / 255. - self.mean) / self.std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_scales_to_the_unit_interval() {
        let table = Normalization::default().table();
        assert_eq!((table[0], table[51], table[255]), (0., 0.2, 1.));
    }

    /// What PyTorch's Normalize((0.1307,), (0.3081,)) returns for black and white.
    #[test]
    fn mean_and_std() {
        let table = Normalization::MNIST.table();
        assert!((table[0] - -0.424_213).abs() < 1e-6, "{}", table[0]);
        assert!((table[255] - 2.821_487).abs() < 1e-6, "{}", table[255]);
    }
}
