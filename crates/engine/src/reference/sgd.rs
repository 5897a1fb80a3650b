//! Stochastic gradient descent with momentum, as
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html) defines it, without
//! dampening: Sutskever et al. (2013), <https://proceedings.mlr.press/v28/sutskever13.html>, with the
//! learning rate outside the velocity.

use super::check;
use crate::Float;
use crate::optimizer::Sgd;

/// A step in place, of parameters and their velocity, which begins at 0.
///
/// - `g ← g + λ θ`
/// - `v ← μ v + g`
/// - `θ ← θ - α v`, or after Nesterov `θ - α (g + μ v)`
pub fn step<T: Float>(settings: &Sgd, gradient: &[T], parameters: &mut [T], velocity: &mut [T]) {
    let shape = [parameters.len()];
    check("gradient", &shape, gradient);
    check("velocity", &shape, velocity);
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
}
