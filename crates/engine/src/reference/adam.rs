//! Adam: algorithm 1 of Kingma & Ba (2015), <https://arxiv.org/abs/1412.6980>; with weight decay
//! AdamW: Loshchilov & Hutter (2019), <https://arxiv.org/abs/1711.05101>, as PyTorch scales it.
//!
//! Where ε stands differs between programs. Here, as in the paper and in
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html), it is added to
//! the root of the corrected second moment; TensorFlow adds it before the correction.

use crate::error::check_length;
use crate::{Error, Float, Result};

const OP: &str = "adam";

/// The settings of the paper; their [default](Default) is the paper's as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The step size α.
    pub learning_rate: f64,
    /// Decay of the first moment, β₁, at least 0 and below 1.
    pub beta1: f64,
    /// Decay of the second moment, β₂, at least 0 and below 1.
    pub beta2: f64,
    /// What keeps the denominator from 0, ε.
    pub epsilon: f64,
    /// What the parameters lose in a step beside the gradient's: this times the learning rate times
    /// themselves, λ.
    pub weight_decay: f64,
}

impl Default for Settings {
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

impl Settings {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first that is not.
    pub fn check(&self) -> Result<()> {
        check_decay("beta1", self.beta1)?;
        check_decay("beta2", self.beta2)
    }
}

/// What a step changes: parameters and their moments, equally long; moments begin at 0.
#[derive(Debug)]
pub struct State<'a, T> {
    /// The parameters θ.
    pub parameters: &'a mut [T],
    /// The decaying mean of the gradient, m.
    pub first_moment: &'a mut [T],
    /// The decaying mean of the squared gradient, v.
    pub second_moment: &'a mut [T],
}

/// Step `t`, in place; the first step is `t = 1`.
///
/// - `θ ← θ (1 - α λ)`
/// - `m ← β₁ m + (1-β₁) g`
/// - `v ← β₂ v + (1-β₂) g²`
/// - `θ ← θ - α m̂ / (√v̂ + ε)`, with `m̂ = m / (1-β₁ᵗ)` and `v̂ = v / (1-β₂ᵗ)`
///
/// # Errors
/// [`Error::Setting`] if `t` is 0 or a β lies outside its range; [`Error::Length`] if `gradient` or
/// a moment is not as long as the parameters. Then nothing has changed.
pub fn step<T: Float>(
    settings: &Settings,
    t: u64,
    gradient: &[T],
    state: State<'_, T>,
) -> Result<()> {
    let expected = [state.parameters.len()];
    check_length(OP, "gradient", &expected, gradient)?;
    check_length(OP, "first_moment", &expected, state.first_moment)?;
    check_length(OP, "second_moment", &expected, state.second_moment)?;
    settings.check()?;
    if t == 0 {
        return Err(setting_error("t", "at least 1", 0.0));
    }

    // In f64 whatever T is: in f32, 1 - 0.999 has lost three of its seven digits.
    let correction1 = T::from_f64(1.0 - settings.beta1.powf(t as f64));
    let correction2 = T::from_f64(1.0 - settings.beta2.powf(t as f64));
    let [keep1, take1] = [settings.beta1, 1.0 - settings.beta1].map(T::from_f64);
    let [keep2, take2] = [settings.beta2, 1.0 - settings.beta2].map(T::from_f64);
    let learning_rate = T::from_f64(settings.learning_rate);
    let epsilon = T::from_f64(settings.epsilon);
    let kept = T::from_f64(1.0 - settings.learning_rate * settings.weight_decay);

    for (i, &g) in gradient.iter().enumerate() {
        let m = keep1 * state.first_moment[i] + take1 * g;
        let v = keep2 * state.second_moment[i] + take2 * g * g;
        state.first_moment[i] = m;
        state.second_moment[i] = v;
        let m_hat = m / correction1;
        let v_hat = v / correction2;
        let moved = learning_rate * m_hat / (v_hat.sqrt() + epsilon);
        state.parameters[i] = kept * state.parameters[i] - moved;
    }
    Ok(())
}

fn check_decay(setting: &'static str, decay: f64) -> Result<()> {
    if (0.0..1.0).contains(&decay) {
        return Ok(());
    }
    Err(setting_error(setting, "at least 0 and below 1", decay))
}

fn setting_error(setting: &'static str, expected: &'static str, got: f64) -> Error {
    Error::Setting {
        op: OP,
        setting,
        expected,
        got,
    }
}
