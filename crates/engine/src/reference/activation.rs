//! [Activations](Activation), element by element.

use super::check;
use crate::{Activation, Float};

/// `y = f(x)`, of any shape.
pub fn forward<T: Float>(activation: Activation, input: &[T]) -> Vec<T> {
    let function = |&x: &T| match activation {
        Activation::Relu if x <= T::ZERO => T::ZERO,
        Activation::Relu | Activation::Identity => x,
        Activation::Tanh => x.tanh(),
    };
    input.iter().map(function).collect()
}

/// `d_x = f'(x) d_y`, from the output `y = f(x)` of [`forward`].
pub fn backward<T: Float>(activation: Activation, output: &[T], d_output: &[T]) -> Vec<T> {
    check("d_output", &[output.len()], d_output);
    let chain = |(&y, &d_y): (&T, &T)| match activation {
        Activation::Relu if y <= T::ZERO => T::ZERO,
        Activation::Relu | Activation::Identity => d_y,
        Activation::Tanh => (T::ONE - y * y) * d_y,
    };
    std::iter::zip(output, d_output).map(chain).collect()
}
