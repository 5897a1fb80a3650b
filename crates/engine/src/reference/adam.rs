//! Adam: algorithm 1 of Kingma & Ba (2015), <https://arxiv.org/abs/1412.6980>; with weight decay
//! AdamW: Loshchilov & Hutter (2019), <https://arxiv.org/abs/1711.05101>, as PyTorch scales it.
//!
//! Where ε stands differs between programs. Here, as in the paper and in
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html), it is added to
//! the root of the corrected second moment; TensorFlow adds it before the correction.

use super::check;
use crate::Float;
use crate::optimizer::Adam;

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
/// # Panics
/// If `t` is 0.
pub fn step<T: Float>(settings: &Adam, t: u64, gradient: &[T], state: State<'_, T>) {
    let shape = [state.parameters.len()];
    check("gradient", &shape, gradient);
    check("first_moment", &shape, state.first_moment);
    check("second_moment", &shape, state.second_moment);
    assert!(t > 0, "the first step is 1");

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
}
