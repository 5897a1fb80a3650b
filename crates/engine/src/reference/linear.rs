//! The fully connected layer.
//!
//! As in [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html), the weight
//! holds one row an output feature; the layers F6 and output of LeCun et al. 1998
//! (<https://doi.org/10.1109/5.726791>, section II.B), the latter without its radial basis functions.

use super::{Gradients, check};
use crate::Float;

/// The sizes of a fully connected layer: (N, in features) becomes (N, out features).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images, N.
    pub batch: usize,
    /// Features of the input, I.
    pub in_features: usize,
    /// Features of the output, O.
    pub out_features: usize,
}

impl Shape {
    /// (N, I).
    pub fn input(&self) -> [usize; 2] {
        [self.batch, self.in_features]
    }

    /// (O, I).
    pub fn weight(&self) -> [usize; 2] {
        [self.out_features, self.in_features]
    }

    /// (O).
    pub fn bias(&self) -> [usize; 1] {
        [self.out_features]
    }

    /// (N, O).
    pub fn output(&self) -> [usize; 2] {
        [self.batch, self.out_features]
    }
}

/// `y = x Wᵀ + b`: `y[n,o] = b[o] + Σ_i weight[o,i] x[n,i]`.
pub fn forward<T: Float>(shape: &Shape, input: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    check("input", &shape.input(), input);
    check("weight", &shape.weight(), weight);
    check("bias", &shape.bias(), bias);
    let features = shape.in_features;
    let mut output = Vec::new();
    for n in 0..shape.batch {
        for o in 0..shape.out_features {
            let mut y = bias[o];
            for i in 0..features {
                y += weight[o * features + i] * input[n * features + i];
            }
            output.push(y);
        }
    }
    output
}

/// The derivatives by input, weight and bias.
///
/// - `d_x = d_y W`: `d_x[n,i] = Σ_o d_y[n,o] weight[o,i]`
/// - `d_weight = d_yᵀ x`: `d_weight[o,i] = Σ_n d_y[n,o] x[n,i]`
/// - `d_b[o] = Σ_n d_y[n,o]`
pub fn backward<T: Float>(
    shape: &Shape,
    input: &[T],
    weight: &[T],
    d_output: &[T],
) -> Gradients<T> {
    check("input", &shape.input(), input);
    check("weight", &shape.weight(), weight);
    check("d_output", &shape.output(), d_output);
    let features = shape.in_features;
    let mut d_input = vec![T::ZERO; input.len()];
    let mut d_weight = vec![T::ZERO; weight.len()];
    let mut d_bias = vec![T::ZERO; shape.out_features];
    for n in 0..shape.batch {
        for o in 0..shape.out_features {
            let d_y = d_output[n * shape.out_features + o];
            d_bias[o] += d_y;
            for i in 0..features {
                d_input[n * features + i] += d_y * weight[o * features + i];
                d_weight[o * features + i] += d_y * input[n * features + i];
            }
        }
    }
    Gradients {
        d_input,
        d_weight,
        d_bias,
    }
}
