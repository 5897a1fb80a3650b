//! Average pooling over windows of 2x2 with stride 2.
//!
//! The sub-sampling of LeCun et al. 1998 (<https://doi.org/10.1109/5.726791>, section II.B) without
//! its trainable coefficient, bias and sigmoid. As in PyTorch's
//! [`AvgPool2d(2)`](https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html) with its
//! default `ceil_mode=False`, the last row or column of an odd size lies in no window.

use super::check;
use crate::Float;

const WINDOW: usize = 2;

/// The sizes of a pooling: (N, C, H, W) becomes (N, C, ⌊H/2⌋, ⌊W/2⌋).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images, N.
    pub batch: usize,
    /// Channels, C.
    pub channels: usize,
    /// Height of the input, H; at least 2.
    pub height: usize,
    /// Width of the input, W; at least 2.
    pub width: usize,
}

impl Shape {
    /// (N, C, H, W).
    pub fn input(&self) -> [usize; 4] {
        [self.batch, self.channels, self.height, self.width]
    }

    /// (N, C, ⌊H/2⌋, ⌊W/2⌋).
    pub fn output(&self) -> [usize; 4] {
        let [height, width] = [self.height / WINDOW, self.width / WINDOW];
        [self.batch, self.channels, height, width]
    }

    /// Visits the offsets of every output element and of an input element in its window, output by
    /// output.
    fn for_each_pair(&self, mut visit: impl FnMut(usize, usize)) {
        let [batch, channels, out_height, out_width] = self.output();
        for plane in 0..batch * channels {
            for row in 0..out_height {
                for column in 0..out_width {
                    let output = (plane * out_height + row) * out_width + column;
                    for r in 0..WINDOW {
                        for s in 0..WINDOW {
                            let (h, w) = (WINDOW * row + r, WINDOW * column + s);
                            visit(output, (plane * self.height + h) * self.width + w);
                        }
                    }
                }
            }
        }
    }
}

/// `y[n,c,h,w] = ¼ Σ_r Σ_s x[n,c,2h+r,2w+s]` with `r` and `s` in 0 and 1.
pub fn forward<T: Float>(shape: &Shape, input: &[T]) -> Vec<T> {
    check("input", &shape.input(), input);
    let quarter = T::from_f64(0.25);
    let mut y = vec![T::ZERO; shape.output().iter().product()];
    shape.for_each_pair(|o, i| y[o] += input[i]);
    y.into_iter().map(|sum| quarter * sum).collect()
}

/// `d_x[n,c,2h+r,2w+s] = ¼ d_y[n,c,h,w]`; what lies in no window has the gradient 0.
pub fn backward<T: Float>(shape: &Shape, d_output: &[T]) -> Vec<T> {
    check("d_output", &shape.output(), d_output);
    let quarter = T::from_f64(0.25);
    let mut d_input = vec![T::ZERO; shape.input().iter().product()];
    shape.for_each_pair(|o, i| d_input[i] = quarter * d_output[o]);
    d_input
}
