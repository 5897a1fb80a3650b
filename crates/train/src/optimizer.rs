//! The optimisers that there are, in the words of `config.toml`.

use candle_core::Tensor;
use lenet_engine::{engine, optimizer};
use serde::{Deserialize, Serialize};

/// An optimiser with its settings, but for the learning rate. Weight decay leaves biases out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam, Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>.
    Adam {
        /// Decay of the first moment, a step.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, a step.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator, after the root and the bias correction.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// Adam with weight decay apart from the gradient, Loshchilov and Hutter 2019,
    /// <https://arxiv.org/abs/1711.05101>.
    AdamW {
        /// Decay of the first moment, a step.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, a step.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator, after the root and the bias correction.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// What weights lose a step: this times the learning rate times themselves.
        #[serde(default = "weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent, as PyTorch defines it.
    Sgd {
        /// What is left of the velocity after a step.
        #[serde(default = "momentum")]
        momentum: f64,
        /// Whether the gradient is looked for where the velocity leads, after Nesterov.
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
    /// With a step's learning rate, in the words of lenet-engine.
    pub(crate) fn at(self, learning_rate: f64) -> engine::Optimizer {
        match self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => engine::Optimizer::Adam(optimizer::Adam {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay: 0.,
            }),
            Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => engine::Optimizer::Adam(optimizer::Adam {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
            }),
            Self::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => engine::Optimizer::Sgd(optimizer::Sgd {
                learning_rate,
                momentum,
                nesterov,
                weight_decay,
            }),
        }
    }

    /// Name, value and range of the settings, for [`Config::check`](crate::Config::check).
    pub(crate) fn ranges(self) -> Vec<(&'static str, f64, Range)> {
        let adam = |beta1, beta2, epsilon| {
            vec![
                ("optimizer.beta1", beta1, Range::BelowOne),
                ("optimizer.beta2", beta2, Range::BelowOne),
                ("optimizer.epsilon", epsilon, Range::NotNegative),
            ]
        };
        match self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => adam(beta1, beta2, epsilon),
            Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let mut ranges = adam(beta1, beta2, epsilon);
                ranges.push(("optimizer.weight_decay", weight_decay, Range::NotNegative));
                ranges
            }
            Self::Sgd {
                momentum,
                weight_decay,
                ..
            } => vec![
                ("optimizer.momentum", momentum, Range::BelowOne),
                ("optimizer.weight_decay", weight_decay, Range::NotNegative),
            ],
        }
    }
}

/// What a number of the configuration may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Range {
    Positive,
    NotNegative,
    BelowOne,
    UpToOne,
}

impl Range {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::Positive => value.is_finite() && value > 0.,
            Self::NotNegative => value.is_finite() && value >= 0.,
            Self::BelowOne => (0. ..1.).contains(&value),
            Self::UpToOne => (0. ..=1.).contains(&value),
        }
    }

    /// The end of the sentence "must be".
    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Self::Positive => "a finite number above 0",
            Self::NotNegative => "a finite number, 0 or above",
            Self::BelowOne => "at least 0 and below 1",
            Self::UpToOne => "between 0 and 1",
        }
    }
}

/// What an optimiser remembers from step to step.
#[derive(Debug, Clone)]
pub struct OptimizerState {
    /// Steps made so far.
    pub step: u64,
    /// Adam's first moments, or the velocities of gradient descent, in the order of the parameters.
    pub first_moments: Vec<Tensor>,
    /// Adam's second moments, in the order of the parameters; zeros for gradient descent.
    pub second_moments: Vec<Tensor>,
}
