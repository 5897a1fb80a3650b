//! The two kinds of layers, each on both engines.

use std::fmt;

use candle_core::{Module as _, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig};
use lenet_engine::Activation;
use lenet_engine::ops::{self, ConvOptions};

/// What computes a network on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The operations of lenet-engine.
    #[default]
    Fused,
    /// candle's own operations: slow on a CPU, but the same on every device and in every type.
    Candle,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Fused => "fused",
            Engine::Candle => "candle",
        })
    }
}

/// A convolution, an activation and average pooling by 2x2.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) padding: usize,
    pub(crate) activation: Activation,
}

impl Conv {
    /// (B, C, H, W) to (B, K, H' / 2, W' / 2).
    pub(crate) fn forward(&self, x: &Tensor, engine: Engine) -> Result<Tensor> {
        match engine {
            Engine::Fused => {
                let options = ConvOptions {
                    padding: self.padding,
                    activation: self.activation,
                    pool: true,
                };
                ops::conv2d(x, &self.weight, &self.bias, options)
            }
            Engine::Candle => self.activated(x, engine)?.avg_pool2d(2),
        }
    }

    /// The map after the activation, before pooling: (B, K, H', W').
    pub(crate) fn activated(&self, x: &Tensor, engine: Engine) -> Result<Tensor> {
        match engine {
            Engine::Fused => {
                let options = ConvOptions {
                    padding: self.padding,
                    activation: self.activation,
                    pool: false,
                };
                ops::conv2d(x, &self.weight, &self.bias, options)
            }
            Engine::Candle => activate(self.activation, &self.map(x)?),
        }
    }

    /// The map before activation and pooling, by candle's own convolution: (B, K, H', W').
    pub(crate) fn map(&self, x: &Tensor) -> Result<Tensor> {
        let config = Conv2dConfig {
            padding: self.padding,
            ..Conv2dConfig::default()
        };
        Conv2d::new(self.weight.clone(), Some(self.bias.clone()), config).forward(x)
    }
}

/// A fully connected layer and an activation.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) activation: Activation,
}

impl Linear {
    /// (B, I) to (B, O).
    pub(crate) fn forward(&self, x: &Tensor, engine: Engine) -> Result<Tensor> {
        match engine {
            Engine::Fused => ops::linear(x, &self.weight, &self.bias, self.activation),
            Engine::Candle => activate(self.activation, &self.sums(x)?),
        }
    }

    /// What goes into the activation, by candle's own operations: (B, O).
    pub(crate) fn sums(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::Linear::new(self.weight.clone(), Some(self.bias.clone())).forward(x)
    }
}

pub(crate) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
        Activation::Identity => Ok(x.clone()),
    }
}
