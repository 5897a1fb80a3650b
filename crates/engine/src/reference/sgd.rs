//! Stochastic gradient descent with momentum, as
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html) defines it, without
//! dampening: Sutskever et al. (2013), <https://proceedings.mlr.press/v28/sutskever13.html>, with the
//! learning rate outside the velocity.

use crate::error::check_length;
use crate::{Error, Float, Result};

const OP: &str = "sgd";

/// The settings; their [default](Default) is plain descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The step size α.
    pub learning_rate: f64,
    /// What is left of the velocity after a step, μ, at least 0 and below 1.
    pub momentum: f64,
    /// Whether the gradient is looked for where the velocity leads, after Nesterov.
    pub nesterov: bool,
    /// λ of the penalty λ/2 |θ|², whose gradient is added to that of the loss.
    pub weight_decay: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        }
    }
}

impl Settings {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first that is not.
    pub fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.momentum) {
            let expected = "at least 0 and below 1";
            return Err(Error::Setting {
                op: OP,
                setting: "momentum",
                expected,
                got: self.momentum,
            });
        }
        Ok(())
    }
}

/// A step in place, of parameters and their velocity, which begins at 0.
///
/// - `g ← g + λ θ`
/// - `v ← μ v + g`
/// - `θ ← θ - α v`, or after Nesterov `θ - α (g + μ v)`
///
/// # Errors
/// [`Error::Length`] if the gradient or the velocity is not as long as the parameters, and as
/// [`Settings::check`]. Then nothing has changed.
pub fn step<T: Float>(
    settings: &Settings,
    gradient: &[T],
    parameters: &mut [T],
    velocity: &mut [T],
) -> Result<()> {
    let expected = [parameters.len()];
    check_length(OP, "gradient", &expected, gradient)?;
    check_length(OP, "velocity", &expected, velocity)?;
    settings.check()?;
    let [rate, momentum, decay] = [
        settings.learning_rate,
        settings.momentum,
        settings.weight_decay,
    ]
    .map(T::from_f64);
    for (i, &g) in gradient.iter().enumerate() {
        let g = g + decay * parameters[i];
        let v = momentum * velocity[i] + g;
        velocity[i] = v;
        parameters[i] -= rate
            * if settings.nesterov {
                g + momentum * v
            } else {
                v
            };
    }
    Ok(())
}
