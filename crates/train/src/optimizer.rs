//! The optimisers, as `config.toml` describes them.

use candle_core::Tensor;
use lenet_engine::engine;
use lenet_engine::optimizer::{Adam, Sgd};
use lenet_files::Result;
use serde::{Deserialize, Serialize};

use crate::range::Range;

/// An optimiser with its settings, except the learning rate. Biases do not decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam, Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>.
    Adam {
        /// Decay of the first moment per step.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment per step.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator, after the root and the bias correction.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// Adam with weight decay decoupled from the gradient, Loshchilov and Hutter 2019,
    /// <https://arxiv.org/abs/1711.05101>.
    AdamW {
        /// Decay of the first moment per step.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment per step.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator, after the root and the bias correction.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// What is subtracted from weights per step: this times the learning rate times themselves.
        #[serde(default = "weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent, as PyTorch defines it.
    Sgd {
        /// The fraction of the velocity that a step keeps.
        #[serde(default = "momentum")]
        momentum: f64,
        /// Whether the gradient is taken where the velocity leads, after Nesterov.
        #[serde(default)]
        nesterov: bool,
        /// λ of the penalty λ/2 |w|².
        #[serde(default)]
        weight_decay: f64,
    },
}

fn beta1() -> f64 {
    0.9
}
fn beta2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-8
}
fn weight_decay() -> f64 {
    1e-2
}
fn momentum() -> f64 {
    0.9
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam {
            beta1: beta1(),
            beta2: beta2(),
            epsilon: epsilon(),
        }
    }
}

impl Optimizer {
    /// With a step's learning rate, as lenet-engine takes it.
    pub(crate) fn at(self, learning_rate: f64) -> engine::Optimizer {
        let adam = |beta1, beta2, epsilon, weight_decay| {
            engine::Optimizer::Adam(Adam {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
            })
        };
        match self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => adam(beta1, beta2, epsilon, 0.),
            Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => adam(beta1, beta2, epsilon, weight_decay),
            Self::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => engine::Optimizer::Sgd(Sgd {
                learning_rate,
                momentum,
                nesterov,
                weight_decay,
            }),
        }
    }

    /// Checks that every setting is in its range.
    pub(crate) fn check(self) -> Result<()> {
        match self.at(1.) {
            engine::Optimizer::Adam(adam) => {
                Range::BelowOne.check("optimizer.beta1", adam.beta1)?;
                Range::BelowOne.check("optimizer.beta2", adam.beta2)?;
                Range::NotNegative.check("optimizer.epsilon", adam.epsilon)?;
                Range::NotNegative.check("optimizer.weight_decay", adam.weight_decay)
            }
            engine::Optimizer::Sgd(sgd) => {
                Range::BelowOne.check("optimizer.momentum", sgd.momentum)?;
                Range::NotNegative.check("optimizer.weight_decay", sgd.weight_decay)
            }
        }
    }
}

/// What an optimiser remembers from step to step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OptimizerState {
    /// Steps made so far.
    pub step: u64,
    /// Adam's first moments, or the velocities of gradient descent, in the order of the parameters.
    #[serde(skip)]
    pub first_moments: Vec<Tensor>,
    /// Adam's second moments, in the order of the parameters; zeros for gradient descent.
    #[serde(skip)]
    pub second_moments: Vec<Tensor>,
}
