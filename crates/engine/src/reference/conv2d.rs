//! Two-dimensional convolution with stride 1 and zero padding.
//!
//! What the field calls convolution is cross-correlation: the kernel is not flipped. As in
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html); the feature maps
//! of LeCun et al. 1998 (<https://doi.org/10.1109/5.726791>, section II.A), except that every input
//! channel feeds every output channel.

use super::{Gradients, check};
use crate::Float;

/// The sizes of a convolution: (N, C, H, W) becomes (N, K, H + 2P - R + 1, W + 2P - S + 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images, N.
    pub batch: usize,
    /// Channels of the input, C.
    pub in_channels: usize,
    /// Height of the input, H.
    pub height: usize,
    /// Width of the input, W.
    pub width: usize,
    /// Channels of the output, K.
    pub out_channels: usize,
    /// Height of the kernel, R; at least 1.
    pub kernel_height: usize,
    /// Width of the kernel, S; at least 1.
    pub kernel_width: usize,
    /// Rows and columns of zeros on each of the four sides of the input, P.
    pub padding: usize,
}

impl Shape {
    /// (N, C, H, W).
    pub fn input(&self) -> [usize; 4] {
        [self.batch, self.in_channels, self.height, self.width]
    }

    /// (K, C, R, S).
    pub fn weight(&self) -> [usize; 4] {
        let [height, width] = [self.kernel_height, self.kernel_width];
        [self.out_channels, self.in_channels, height, width]
    }

    /// (K).
    pub fn bias(&self) -> [usize; 1] {
        [self.out_channels]
    }

    /// (N, K, H + 2P - R + 1, W + 2P - S + 1).
    ///
    /// # Panics
    /// If the kernel is larger than the padded input.
    pub fn output(&self) -> [usize; 4] {
        let height = self.height + 2 * self.padding + 1 - self.kernel_height;
        let width = self.width + 2 * self.padding + 1 - self.kernel_width;
        [self.batch, self.out_channels, height, width]
    }

    /// Visits the terms of one output element: the offset of an input element, and of the weight
    /// that it is multiplied by. Terms with the padding's zeros are left out.
    fn for_each_term(&self, [n, k, h, w]: [usize; 4], mut visit: impl FnMut(usize, usize)) {
        for c in 0..self.in_channels {
            for r in 0..self.kernel_height {
                for s in 0..self.kernel_width {
                    let row = unpadded(h + r, self.padding, self.height);
                    let column = unpadded(w + s, self.padding, self.width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let input = offset(self.input(), [n, c, row, column]);
                        visit(input, offset(self.weight(), [k, c, r, s]));
                    }
                }
            }
        }
    }
}

/// `y[n,k,h,w] = b[k] + Σ_c Σ_r Σ_s weight[k,c,r,s] x[n,c,h+r-P,w+s-P]`, where `x` is 0 outside the
/// image.
pub fn forward<T: Float>(shape: &Shape, input: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    let [batch, _, out_height, out_width] = shape.output();
    check("input", &shape.input(), input);
    check("weight", &shape.weight(), weight);
    check("bias", &shape.bias(), bias);
    let mut output = Vec::new();
    for n in 0..batch {
        for (k, &b) in bias.iter().enumerate() {
            for h in 0..out_height {
                for w in 0..out_width {
                    let mut y = b;
                    shape.for_each_term([n, k, h, w], |i, j| y += weight[j] * input[i]);
                    output.push(y);
                }
            }
        }
    }
    output
}

/// The derivatives by input, weight and bias: each output element hands its own to what it was
/// summed from.
///
/// - `d_x[n,c,h+r-P,w+s-P] = Σ d_y[n,k,h,w] weight[k,c,r,s]`
/// - `d_weight[k,c,r,s] = Σ d_y[n,k,h,w] x[n,c,h+r-P,w+s-P]`
/// - `d_b[k] = Σ d_y[n,k,h,w]`
///
/// Each sum runs over the indices that its left side lacks or that lead to the same element.
pub fn backward<T: Float>(
    shape: &Shape,
    input: &[T],
    weight: &[T],
    d_output: &[T],
) -> Gradients<T> {
    let output = shape.output();
    let [batch, out_channels, out_height, out_width] = output;
    check("input", &shape.input(), input);
    check("weight", &shape.weight(), weight);
    check("d_output", &output, d_output);
    let mut d_input = vec![T::ZERO; input.len()];
    let mut d_weight = vec![T::ZERO; weight.len()];
    let mut d_bias = vec![T::ZERO; out_channels];
    for n in 0..batch {
        for k in 0..out_channels {
            for h in 0..out_height {
                for w in 0..out_width {
                    let d_y = d_output[offset(output, [n, k, h, w])];
                    d_bias[k] += d_y;
                    shape.for_each_term([n, k, h, w], |i, j| {
                        d_input[i] += d_y * weight[j];
                        d_weight[j] += d_y * input[i];
                    });
                }
            }
        }
    }
    Gradients {
        d_input,
        d_weight,
        d_bias,
    }
}

/// The position in the image of a position in the padded image, unless that lies in the padding.
fn unpadded(position: usize, padding: usize, size: usize) -> Option<usize> {
    let position = position.checked_sub(padding)?;
    (position < size).then_some(position)
}

/// Where the element at `index` lies in a dense array.
fn offset(shape: [usize; 4], index: [usize; 4]) -> usize {
    let axes = shape.into_iter().zip(index);
    axes.fold(0, |offset, (size, position)| offset * size + position)
}
