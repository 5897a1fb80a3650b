//! The optimisers and their settings.

use candle_core::bail;

use crate::Result;

/// An optimiser with its settings. Weight decay concerns weights; biases never decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Adam, and with weight decay AdamW.
    Adam(Adam),
    /// Gradient descent; the engine keeps the velocities in the first moments.
    Sgd(Sgd),
}

/// The settings of Adam: algorithm 1 of Kingma & Ba (2015), <https://arxiv.org/abs/1412.6980>, whose
/// values are the [default](Default).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The step size α.
    pub learning_rate: f64,
    /// Decay of the first moment, β₁, at least 0 and below 1.
    pub beta1: f64,
    /// Decay of the second moment, β₂, at least 0 and below 1.
    pub beta2: f64,
    /// What keeps the denominator from 0, ε.
    pub epsilon: f64,
    /// λ: a step takes λ times the learning rate of the weights off them, apart from the gradient
    /// (AdamW).
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl Adam {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// A β below 0 or not below 1.
    pub fn check(&self) -> Result<()> {
        check_decay("adam: beta1", self.beta1)?;
        check_decay("adam: beta2", self.beta2)
    }
}

/// The settings of stochastic gradient descent; their [default](Default) is plain descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The step size α.
    pub learning_rate: f64,
    /// The part of the velocity that is left after a step, μ, at least 0 and below 1.
    pub momentum: f64,
    /// Whether the gradient is taken where the velocity leads, after Nesterov.
    pub nesterov: bool,
    /// λ of the penalty λ/2 |θ|², whose gradient is added to that of the loss.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        }
    }
}

impl Sgd {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// A momentum below 0 or not below 1.
    pub fn check(&self) -> Result<()> {
        check_decay("sgd: momentum", self.momentum)
    }
}

fn check_decay(setting: &str, decay: f64) -> Result<()> {
    if !(0.0..1.0).contains(&decay) {
        bail!("{setting} should be at least 0 and below 1, got {decay}");
    }
    Ok(())
}
