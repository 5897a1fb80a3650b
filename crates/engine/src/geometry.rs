//! The sizes of a layer, and what follows from them.

use crate::reference::activation::Activation;
use crate::reference::{conv2d, linear};
use crate::{Error, Result};

/// A convolution with stride 1, its bias, an activation and, if wanted, average pooling by 2x2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Channels of the input, C.
    pub in_channels: usize,
    /// Height of the input, H.
    pub height: usize,
    /// Width of the input, W.
    pub width: usize,
    /// Channels of the output, K.
    pub out_channels: usize,
    /// Height and width of the kernel, R = S.
    pub kernel: usize,
    /// Rows and columns of zeros on each side, P.
    pub padding: usize,
    /// What the sum and its bias go through.
    pub activation: Activation,
    /// Whether the average over windows of 2x2 with stride 2 follows.
    pub pool: bool,
}

impl ConvLayer {
    /// Height and width of the input with its padding.
    pub(crate) fn padded(&self) -> [usize; 2] {
        [self.height, self.width].map(|size| size + 2 * self.padding)
    }

    /// Height and width before pooling.
    pub(crate) fn map(&self) -> [usize; 2] {
        self.padded().map(|size| size + 1 - self.kernel)
    }

    /// Channels, height and width of the output: (K, H', W'), halved by pooling.
    pub fn output(&self) -> [usize; 3] {
        let [height, width] = self.map();
        match self.pool {
            true => [self.out_channels, height / 2, width / 2],
            false => [self.out_channels, height, width],
        }
    }

    /// (K, C, R, S).
    pub fn weight(&self) -> [usize; 4] {
        [
            self.out_channels,
            self.in_channels,
            self.kernel,
            self.kernel,
        ]
    }

    /// Numbers of the weight.
    pub(crate) fn weight_len(&self) -> usize {
        self.weight().iter().product()
    }

    /// Multiplications with an addition of a forward pass of one image.
    pub fn multiply_adds(&self) -> usize {
        self.map().iter().product::<usize>() * self.weight_len()
    }

    /// The same convolution for the naive reference.
    pub fn reference(&self, batch: usize) -> conv2d::Shape {
        conv2d::Shape {
            batch,
            in_channels: self.in_channels,
            height: self.height,
            width: self.width,
            out_channels: self.out_channels,
            kernel_height: self.kernel,
            kernel_width: self.kernel,
            padding: self.padding,
        }
    }

    /// Whether there is something to compute.
    pub(crate) fn check(&self) -> Result<()> {
        let padded = self.padded();
        let window = |op, window: usize, input| Error::Window {
            op,
            input,
            window: [window; 2],
        };
        if self.kernel == 0 || padded.iter().any(|&size| size < self.kernel) {
            return Err(window("conv2d", self.kernel, padded));
        }
        if self.pool && self.map().iter().any(|&size| size < 2) {
            return Err(window("avg_pool2d", 2, self.map()));
        }
        Ok(())
    }
}

/// A fully connected layer with its bias and an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearLayer {
    /// Features of the input, I.
    pub in_features: usize,
    /// Features of the output, O.
    pub out_features: usize,
    /// What the sum and its bias go through.
    pub activation: Activation,
}

impl LinearLayer {
    /// (O, I).
    pub fn weight(&self) -> [usize; 2] {
        [self.out_features, self.in_features]
    }

    /// Numbers of the weight.
    pub(crate) fn weight_len(&self) -> usize {
        self.in_features * self.out_features
    }

    /// The same layer for the naive reference.
    pub fn reference(&self, batch: usize) -> linear::Shape {
        linear::Shape {
            batch,
            in_features: self.in_features,
            out_features: self.out_features,
        }
    }
}
