//! What there is to choose in LeNet-5.

use std::fmt;

pub use lenet_engine::Activation;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The form of the network; everything else about LeNet-5 is fixed.
///
/// The default is the network of the classic recipe: 61,706 parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Number of classes, the width of the last layer: 1 to 256.
    pub classes: usize,
    /// What the first convolution does at the border.
    pub padding: Padding,
    /// The function after each layer but the last.
    pub activation: Activation,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            classes: 10,
            padding: Padding::Same,
            activation: Activation::Relu,
        }
    }
}

/// What the first convolution does at the border of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Two pixels of 0 on each side, so that 28x28 stays 28x28. LeCun et al. 1998 have the same
    /// geometry, with images of 32x32. 61,706 parameters with ten classes.
    Same,
    /// None: 28x28 becomes 24x24, as Keras does by default. 44,426 parameters with ten classes.
    Valid,
}

impl Padding {
    /// Pixels of 0 on each side.
    pub fn pixels(self) -> usize {
        match self {
            Padding::Same => 2,
            Padding::Valid => 0,
        }
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Padding::Same => "same",
            Padding::Valid => "valid",
        })
    }
}

impl Architecture {
    /// # Errors
    /// A number of classes other than 1 to 256.
    pub(crate) fn check(&self) -> Result<()> {
        match self.classes {
            1..=256 => Ok(()),
            found => Err(Error::input(format!(
                "{found} classes, the number must be between 1 and 256"
            ))),
        }
    }

    /// Rows, and columns, of the maps after conv1, pool1, conv2 and pool2: 28, 14, 10 and 5, or
    /// without padding 24, 12, 8 and 4.
    pub(crate) fn sides(&self) -> [usize; 4] {
        let conv1 = 28 + 2 * self.padding.pixels() - 4;
        let conv2 = conv1 / 2 - 4;
        [conv1, conv1 / 2, conv2, conv2 / 2]
    }

    /// The parameters in the order of the forward pass, by PyTorch's names and shapes: weights of
    /// convolutions (out, in, rows, columns), weights of linear layers (out, in).
    pub(crate) fn parameter_shapes(&self) -> [(&'static str, Vec<usize>); 10] {
        let [.., side] = self.sides();
        let flat = 16 * side * side;
        [
            ("conv1.weight", vec![6, 1, 5, 5]),
            ("conv1.bias", vec![6]),
            ("conv2.weight", vec![16, 6, 5, 5]),
            ("conv2.bias", vec![16]),
            ("fc1.weight", vec![120, flat]),
            ("fc1.bias", vec![120]),
            ("fc2.weight", vec![84, 120]),
            ("fc2.bias", vec![84]),
            ("fc3.weight", vec![self.classes, 84]),
            ("fc3.bias", vec![self.classes]),
        ]
    }
}
