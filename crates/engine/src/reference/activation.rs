//! [Activations](Activation), element by element; `None` is the identity.

use super::check;
use crate::{Activation, Float};

/// `y = f(x)`, of any shape.
pub fn forward<T: Float>(activation: impl Into<Option<Activation>>, input: &[T]) -> Vec<T> {
    let activation = activation.into();
    let function = |&x: &T| match activation {
        Some(Activation::Relu) if x <= T::ZERO => T::ZERO,
        Some(Activation::Relu) | None => x,
        Some(Activation::Tanh) => x.tanh(),
    };
    input.iter().map(function).collect()
}

/// `d_x = f'(x) d_y`, from the output `y = f(x)` of [`forward`].
pub fn backward<T: Float>(
    activation: impl Into<Option<Activation>>,
    output: &[T],
    d_output: &[T],
) -> Vec<T> {
    let activation = activation.into();
    check("d_output", &[output.len()], d_output);
    let chain = |(&y, &d_y): (&T, &T)| match activation {
        Some(Activation::Relu) if y <= T::ZERO => T::ZERO,
        Some(Activation::Relu) | None => d_y,
        Some(Activation::Tanh) => (T::ONE - y * y) * d_y,
    };
    std::iter::zip(output, d_output).map(chain).collect()
}
