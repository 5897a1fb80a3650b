//! What a network consists of: the layers, their sizes, and what follows from them.

use std::fmt;

use candle_core::bail;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::reference::{avg_pool2d, conv2d, linear};

/// Height and width of every convolution's kernel, R = S.
pub const KERNEL: usize = 5;

/// Widths of a convolution's input for which there are kernels: those of LeNet-5 and its variants.
const WIDTHS: [usize; 4] = [28, 24, 14, 12];

/// The most logits of a network.
const MAX_CLASSES: usize = 256;

/// A function that is applied to every element.
///
/// Derivatives are written in terms of the output `y`, so that training keeps one array and not two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `y = max(x, 0)`, with derivative 1 where `y > 0` and 0 elsewhere.
    ///
    /// At exactly 0 the derivative is 0, as in
    /// [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html); candle 0.11.1
    /// takes 1. NaN stays NaN, so that a diverged network shows.
    Relu,
    /// `y = tanh(x)`, with derivative `1 - y²`.
    ///
    /// This is [PyTorch's](https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html);
    /// LeCun et al. 1998 (appendix A, <https://doi.org/10.1109/5.726791>) scale it to
    /// `1.7159 tanh(2x/3)`.
    Tanh,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        })
    }
}

/// A convolution of 5x5 with stride 1, its bias, ReLU or tanh, and average pooling by 2x2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Channels of the input, C.
    pub in_channels: usize,
    /// Height of the input, H; even.
    pub height: usize,
    /// Width of the input, W: 28, 24, 14 or 12.
    pub width: usize,
    /// Channels of the output, K.
    pub out_channels: usize,
    /// Rows and columns of zeros on each side, P; 0 in all layers but the first.
    pub padding: usize,
    /// Applied to the sum and its bias, before pooling.
    pub activation: Activation,
}

impl ConvLayer {
    /// Height and width of the input with its padding.
    pub(crate) fn padded(&self) -> [usize; 2] {
        [self.height, self.width].map(|size| size + 2 * self.padding)
    }

    /// Height and width before pooling; both are even.
    pub(crate) fn map(&self) -> [usize; 2] {
        self.padded().map(|size| size + 1 - KERNEL)
    }

    /// Channels, height and width of the pooled output: (K, H', W').
    pub fn output(&self) -> [usize; 3] {
        let [height, width] = self.map();
        [self.out_channels, height / 2, width / 2]
    }

    /// (K, C, R, S).
    pub fn weight(&self) -> [usize; 4] {
        [self.out_channels, self.in_channels, KERNEL, KERNEL]
    }

    /// Products that an element of the map is summed from, C·R·S.
    pub(crate) fn taps(&self) -> usize {
        self.in_channels * KERNEL * KERNEL
    }

    /// Values of the weight.
    pub(crate) fn weight_len(&self) -> usize {
        self.out_channels * self.taps()
    }

    /// Multiply-adds of a forward pass of one image.
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
            kernel_height: KERNEL,
            kernel_width: KERNEL,
            padding: self.padding,
        }
    }

    /// The pooling after it for the naive reference.
    pub fn pooling(&self, batch: usize) -> avg_pool2d::Shape {
        let [height, width] = self.map();
        avg_pool2d::Shape {
            batch,
            channels: self.out_channels,
            height,
            width,
        }
    }

    /// Checks that there are kernels for the layer, which is the network's `index`-th.
    fn check(&self, index: usize) -> Result<()> {
        let has_kernels = WIDTHS.contains(&self.width)
            && self.height.is_multiple_of(2)
            && self.height + 2 * self.padding > KERNEL
            && (index == 0 || self.padding == 0)
            && self.in_channels > 0
            && self.out_channels > 0;
        if !has_kernels {
            bail!(
                "convolution {index} should have an input that is 28, 24, 14 or 12 wide and of an \
                 even height, at least 6 with its padding; no padding unless it is the first; and a \
                 channel on each side. Got {self:?}"
            );
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
    /// Applied to the sum and its bias; none after the last layer.
    pub activation: Option<Activation>,
}

impl LinearLayer {
    /// (O, I).
    pub fn weight(&self) -> [usize; 2] {
        [self.out_features, self.in_features]
    }

    /// Values of the weight.
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

/// A network as a list of layers: convolutions, then linear layers, whose last makes the logits.
///
/// It holds sizes, no parameters. Each layer takes what the one before it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    convs: Vec<ConvLayer>,
    linears: Vec<LinearLayer>,
}

impl Layers {
    /// Checks the layers.
    ///
    /// # Errors
    /// A layer that takes another size than the one before it makes, or for which there are no
    /// kernels; no convolution; no linear layer; a last layer with an activation or with other than
    /// 1 to 256 logits.
    pub fn new(convs: Vec<ConvLayer>, linears: Vec<LinearLayer>) -> Result<Self> {
        let Some(first) = convs.first() else {
            bail!("a network should begin with a convolution")
        };
        let mut made = [first.in_channels, first.height, first.width];
        for (index, conv) in convs.iter().enumerate() {
            conv.check(index)?;
            let taken = [conv.in_channels, conv.height, conv.width];
            if taken != made {
                bail!("convolution {index} takes {taken:?}, but gets {made:?}");
            }
            made = conv.output();
        }
        let mut features: usize = made.iter().product();
        for (index, linear) in linears.iter().enumerate() {
            if linear.in_features != features {
                let taken = linear.in_features;
                bail!("linear layer {index} takes {taken} features, but gets {features}");
            }
            features = linear.out_features;
            if features == 0 {
                bail!("linear layer {index} should have at least one output");
            }
        }
        match linears.last() {
            Some(last) if last.activation.is_none() && features <= MAX_CLASSES => {
                Ok(Self { convs, linears })
            }
            _ => bail!(
                "a network should end with a linear layer without activation that has up to \
                 {MAX_CLASSES} outputs"
            ),
        }
    }

    /// The convolutions, in the order of the forward pass; at least one.
    pub fn convs(&self) -> &[ConvLayer] {
        &self.convs
    }

    /// The linear layers, in the order of the forward pass; at least one.
    pub fn linears(&self) -> &[LinearLayer] {
        &self.linears
    }

    /// Number of logits, K.
    pub fn classes(&self) -> usize {
        self.last().out_features
    }

    /// Number of values that go into the last layer.
    pub fn features(&self) -> usize {
        self.last().in_features
    }

    fn last(&self) -> &LinearLayer {
        &self.linears[self.linears.len() - 1]
    }

    /// Pixels of an image, C·H·W.
    pub fn pixels(&self) -> usize {
        let first = &self.convs[0];
        first.in_channels * first.height * first.width
    }

    /// How many values each parameter has, in the order weight, bias, weight, bias ...
    pub fn parameters(&self) -> Vec<usize> {
        let convs = self.convs.iter();
        let linears = self.linears.iter();
        convs
            .map(|conv| [conv.weight_len(), conv.out_channels])
            .chain(linears.map(|linear| [linear.weight_len(), linear.out_features]))
            .flatten()
            .collect()
    }

    /// Multiply-adds of a forward pass of one image.
    pub fn multiply_adds(&self) -> usize {
        let convs = self.convs.iter().map(ConvLayer::multiply_adds);
        let linears = self.linears.iter().map(LinearLayer::weight_len);
        convs.chain(linears).sum()
    }

    /// Those of a training step of one image: forward, by the weights, and by the input of every
    /// layer but the first.
    pub fn multiply_adds_of_training(&self) -> usize {
        3 * self.multiply_adds() - self.convs[0].multiply_adds()
    }

    /// Checks that there is a value for each parameter.
    ///
    /// # Errors
    /// Another number of arrays, or an array of another length.
    pub(crate) fn check_parameters(&self, what: &str, values: &[&[f32]]) -> Result<()> {
        let expected = self.parameters();
        let found: Vec<usize> = values.iter().map(|value| value.len()).collect();
        if found != expected {
            bail!("{what} should have {expected:?} values, got {found:?}");
        }
        Ok(())
    }
}
