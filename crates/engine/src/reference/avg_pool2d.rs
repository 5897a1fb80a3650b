//! Average pooling over windows of 2x2 with stride 2.
//!
//! The sub-sampling of LeCun et al. 1998 (<https://doi.org/10.1109/5.726791>, section II.B) without
//! its trainable coefficient, bias and sigmoid. As in PyTorch's
//! [`AvgPool2d(2)`](https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html) with its
//! default `ceil_mode=False`, the last row or column of an odd size lies in no window.

use crate::error::check_length;
use crate::{Error, Float, Result};

const OP: &str = "avg_pool2d";
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
    ///
    /// # Errors
    /// [`Error::Window`] if the input is lower or narrower than the window, as in PyTorch.
    pub fn output(&self) -> Result<[usize; 4]> {
        if self.height < WINDOW || self.width < WINDOW {
            return Err(Error::Window {
                op: OP,
                input: [self.height, self.width],
                window: [WINDOW, WINDOW],
            });
        }
        let [height, width] = [self.height / WINDOW, self.width / WINDOW];
        Ok([self.batch, self.channels, height, width])
    }

    /// Visits the offsets of every output element and of an input element in its window, output by
    /// output.
    fn for_each_pair(&self, mut visit: impl FnMut(usize, usize)) -> Result<()> {
        let [batch, channels, out_height, out_width] = self.output()?;
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
        Ok(())
    }
}

/// `y[n,c,h,w] = ¼ Σ_r Σ_s x[n,c,2h+r,2w+s]` with `r` and `s` in 0 and 1.
///
/// # Errors
/// [`Error::Window`] if the input is smaller than the window; [`Error::Length`] if `input` is not
/// (N, C, H, W).
pub fn forward<T: Float>(shape: &Shape, input: &[T]) -> Result<Vec<T>> {
    let output = shape.output()?;
    check_length(OP, "input", &shape.input(), input)?;
    let quarter = T::from_f64(0.25);
    let mut y = vec![T::ZERO; output.iter().product()];
    shape.for_each_pair(|o, i| y[o] += input[i])?;
    Ok(y.into_iter().map(|sum| quarter * sum).collect())
}

/// `d_x[n,c,2h+r,2w+s] = ¼ d_y[n,c,h,w]`; what lies in no window gets 0.
///
/// # Errors
/// [`Error::Window`] if the input is smaller than the window; [`Error::Length`] if `d_output` is
/// not (N, C, ⌊H/2⌋, ⌊W/2⌋).
pub fn backward<T: Float>(shape: &Shape, d_output: &[T]) -> Result<Vec<T>> {
    check_length(OP, "d_output", &shape.output()?, d_output)?;
    let quarter = T::from_f64(0.25);
    let mut d_input = vec![T::ZERO; shape.input().iter().product()];
    shape.for_each_pair(|o, i| d_input[i] = quarter * d_output[o])?;
    Ok(d_input)
}
