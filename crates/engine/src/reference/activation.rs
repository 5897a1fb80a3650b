//! Activations, element by element.

use crate::error::check_length;
use crate::{Float, Result};

const OP: &str = "activation";

/// A function that is applied to every element.
///
/// Derivatives are written in terms of the output `y`, so that training keeps one array and not two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `y = max(x, 0)`, with derivative 1 where `y > 0` and 0 elsewhere.
    ///
    /// At exactly 0 the derivative is 0, as in
    /// [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html); candle 0.11.1
    /// takes 1. Not-a-number stays what it is, so that a diverged network shows.
    Relu,
    /// `y = tanh(x)`, with derivative `1 - y²`.
    ///
    /// This is [PyTorch's](https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html);
    /// LeCun et al. 1998 (appendix A, <https://doi.org/10.1109/5.726791>) scale it to
    /// `1.7159 tanh(2x/3)`.
    Tanh,
    /// `y = x`, with derivative 1.
    Identity,
}

/// `y = f(x)`, of any shape.
pub fn forward<T: Float>(activation: Activation, input: &[T]) -> Vec<T> {
    let function = |x: T| match activation {
        Activation::Relu if x <= T::ZERO => T::ZERO,
        Activation::Relu | Activation::Identity => x,
        Activation::Tanh => x.tanh(),
    };
    input.iter().map(|&x| function(x)).collect()
}

/// `d_x = f'(x) d_y`, from the output `y = f(x)` of [`forward`].
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) if `d_output` is not as long as `output`.
pub fn backward<T: Float>(activation: Activation, output: &[T], d_output: &[T]) -> Result<Vec<T>> {
    check_length(OP, "d_output", &[output.len()], d_output)?;
    let chain = |y: T, d_y: T| match activation {
        Activation::Relu if y <= T::ZERO => T::ZERO,
        Activation::Relu | Activation::Identity => d_y,
        Activation::Tanh => (T::ONE - y * y) * d_y,
    };
    let pairs = output.iter().zip(d_output);
    Ok(pairs.map(|(&y, &d_y)| chain(y, d_y)).collect())
}
