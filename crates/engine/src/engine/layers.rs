//! A network as a list of layers.

use crate::geometry::{ConvLayer, LinearLayer};
use crate::reference::activation::Activation;
use crate::{Error, Result};

/// Convolutions one behind the other, then linear layers, whose last gives the logits.
///
/// It holds sizes, no numbers, and has been checked: each layer takes what the one before it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    convs: Vec<ConvLayer>,
    linears: Vec<LinearLayer>,
}

impl Layers {
    /// # Errors
    /// [`Error::Chain`] where a layer takes another size than the one before it gives, where there
    /// is no convolution or no linear layer, or where the last layer has an activation;
    /// [`Error::Window`] where a kernel or a pooling window does not fit.
    pub fn new(convs: Vec<ConvLayer>, linears: Vec<LinearLayer>) -> Result<Self> {
        let mut given: Option<[usize; 3]> = None;
        for (index, conv) in convs.iter().enumerate() {
            conv.check()?;
            let takes = [conv.in_channels, conv.height, conv.width];
            if let Some(given) = given
                && given != takes
            {
                return Err(chain("convolution", index, &given, &takes));
            }
            given = Some(conv.output());
        }
        let Some(given) = given else {
            return Err(chain("convolution", 0, &[1], &[0]));
        };
        let mut features = given.iter().product();
        for (index, linear) in linears.iter().enumerate() {
            if linear.in_features != features {
                return Err(chain("linear", index, &[features], &[linear.in_features]));
            }
            features = linear.out_features;
        }
        match linears.last() {
            Some(last) if last.activation == Activation::Identity && features > 0 => {}
            _ => return Err(chain("linear", linears.len(), &[1], &[features])),
        }
        Ok(Self { convs, linears })
    }

    /// The convolutions, in the order of the forward pass.
    pub fn convs(&self) -> &[ConvLayer] {
        &self.convs
    }

    /// The linear layers, in the order of the forward pass.
    pub fn linears(&self) -> &[LinearLayer] {
        &self.linears
    }

    /// Number of logits, K.
    pub fn classes(&self) -> usize {
        self.linears.last().map_or(0, |last| last.out_features)
    }

    /// Number of values that go into the last layer.
    pub fn features(&self) -> usize {
        self.linears.last().map_or(0, |last| last.in_features)
    }

    /// Numbers of an image, C·H·W.
    pub fn pixels(&self) -> usize {
        let first = self.convs.first();
        first.map_or(0, |first| first.in_channels * first.height * first.width)
    }

    /// How many numbers each parameter has, in the order weight, bias, weight, bias ...
    pub fn parameters(&self) -> Vec<usize> {
        let convs = self
            .convs
            .iter()
            .map(|conv| (conv.weight_len(), conv.out_channels));
        let linears = self.linears.iter();
        let linears = linears.map(|linear| (linear.weight_len(), linear.out_features));
        let pairs = convs.chain(linears);
        pairs.flat_map(|(weight, bias)| [weight, bias]).collect()
    }

    /// Multiplications with an addition of a forward pass of one image.
    pub fn multiply_adds(&self) -> usize {
        let convs = self.convs.iter().map(ConvLayer::multiply_adds);
        let linears = self.linears.iter().map(LinearLayer::weight_len);
        convs.chain(linears).sum()
    }

    /// Those of a training step of one image: forward, by the weights, and by the input of every
    /// layer but the first.
    pub fn multiply_adds_of_training(&self) -> usize {
        let first = self.convs.first().map_or(0, ConvLayer::multiply_adds);
        3 * self.multiply_adds() - first
    }
}

fn chain(layer: &'static str, index: usize, given: &[usize], takes: &[usize]) -> Error {
    Error::Chain {
        layer,
        index,
        given: given.to_vec(),
        takes: takes.to_vec(),
    }
}
