//! The gradient of a linear layer's weight and bias, over the whole batch.
//!
//! `d_weight[o,i] = Σ_n d_y[n,o] x[n,i]`, with x transposed to one row an image: a register then
//! holds 16 numbers of a row of the weight, and the sum over the images needs no sum over lanes. The
//! images are added in their order.

use super::conv_forward::add_products;
use crate::simd::{LANES, Simd, dispatch};

/// The operands of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Blocks of 16 images.
    pub(crate) blocks: usize,
    /// Features of the input, I.
    pub(crate) in_features: usize,
    /// The input, one row an image: (16 blocks, row stride).
    pub(crate) rows: *const f32,
    /// Floats from a row to the next; a multiple of 16 that is no less than I.
    pub(crate) row_stride: usize,
    /// The gradient of the layer's output before its activation, blocked (features, 16).
    pub(crate) d_output: *const f32,
    /// Floats from a block of it to the next.
    pub(crate) d_stride: usize,
}

dispatch! {
    /// Rows `first..end` of the weight (O, I) and of the bias (O).
    ///
    /// # Safety
    /// `rows` and `d_output` must hold as many floats as their sizes say, `d_weight` and `d_bias`
    /// have space for the whole layer; no other thread may use the rows `first..end` of them.
    pub(crate) fn gradient(
        batch: &Batch,
        first: usize,
        end: usize,
        d_weight: *mut f32,
        d_bias: *mut f32,
    ) => gradient_generic
}

#[inline(always)]
unsafe fn gradient_generic<V: Simd>(
    batch: &Batch,
    first: usize,
    end: usize,
    d_weight: *mut f32,
    d_bias: *mut f32,
) {
    let mut row = first;
    // SAFETY: no tile goes beyond row `end`.
    unsafe {
        if V::WIDE {
            while row + 6 <= end {
                batch.rows::<V, 6>(row, d_weight, d_bias);
                row += 6;
            }
        } else {
            // A single row left over would be slow.
            while row + 3 <= end && row + 4 != end {
                batch.rows::<V, 3>(row, d_weight, d_bias);
                row += 3;
            }
        }
        while row + 2 <= end {
            batch.rows::<V, 2>(row, d_weight, d_bias);
            row += 2;
        }
        if row < end {
            batch.rows::<V, 1>(row, d_weight, d_bias);
        }
    }
}

impl Batch {
    /// M rows of the weight.
    #[inline(always)]
    unsafe fn rows<V: Simd, const M: usize>(
        &self,
        row: usize,
        d_weight: *mut f32,
        d_bias: *mut f32,
    ) {
        let mut column = 0;
        // SAFETY: the rows of the input have space up to a multiple of 16, hence for whole
        // registers from each column on.
        unsafe {
            while column < self.in_features {
                let registers = match (self.in_features - column).div_ceil(V::WIDTH) {
                    // The sums of one alone could not hide their latency: three and two.
                    5 => 3,
                    left => left.min(4),
                };
                match registers {
                    1 => self.store(self.tile::<V, M, 1>(row, column), row, column, d_weight),
                    2 => self.store(self.tile::<V, M, 2>(row, column), row, column, d_weight),
                    3 => self.store(self.tile::<V, M, 3>(row, column), row, column, d_weight),
                    _ => self.store(self.tile::<V, M, 4>(row, column), row, column, d_weight),
                }
                column += registers * V::WIDTH;
            }
            self.bias_gradient(row, row + M, d_bias);
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Simd, const M: usize, const N: usize>(
        &self,
        row: usize,
        column: usize,
    ) -> [[V; M]; N] {
        // SAFETY: N registers from this column on lie within the row of each image, which has space
        // up to a multiple of 16; rows `row..row + M` lie within O.
        unsafe {
            let mut sums = [[V::splat(0.0); M]; N];
            let mut from = [0; N];
            for n in 0..N {
                from[n] = n * V::WIDTH;
            }
            let mut x = self.rows.add(column);
            for block in 0..self.blocks {
                let mut d = self.d_output.add(block * self.d_stride + row * LANES);
                for image in 0..LANES {
                    let mut numbers = [0; M];
                    for m in 0..M {
                        numbers[m] = m * LANES + image;
                    }
                    [x, d] = add_products(&mut sums, [x, d], from, numbers);
                    x = x.wrapping_add(self.row_stride);
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn store<V: Simd, const M: usize, const N: usize>(
        &self,
        sums: [[V; M]; N],
        row: usize,
        column: usize,
        d_weight: *mut f32,
    ) {
        // SAFETY: only columns below I of rows below O are written.
        unsafe {
            for m in 0..M {
                let to = d_weight.add((row + m) * self.in_features);
                for n in 0..N {
                    let column = column + n * V::WIDTH;
                    if column + V::WIDTH <= self.in_features {
                        sums[n][m].store(to.add(column));
                    } else {
                        // After the last column the next row begins.
                        let mut lanes = [0.0; LANES];
                        sums[n][m].store(lanes.as_mut_ptr());
                        let left = self.in_features - column;
                        std::ptr::copy_nonoverlapping(lanes.as_ptr(), to.add(column), left);
                    }
                }
            }
        }
    }

    /// Rows `first..end` of the gradient of the bias.
    ///
    /// # Safety
    /// `d_output` must hold `end` lines in each block, `d_bias` have space for `end` floats; no
    /// other thread may use the rows `first..end` of it.
    #[inline(always)]
    pub(crate) unsafe fn bias_gradient(&self, first: usize, end: usize, d_bias: *mut f32) {
        for row in first..end {
            let mut sum = 0.0;
            for block in 0..self.blocks {
                // SAFETY: a line of 16 floats of a block.
                unsafe {
                    let d = self.d_output.add(block * self.d_stride + row * LANES);
                    sum += crate::simd::sum_lanes(d);
                }
            }
            // SAFETY: the row is below `end`.
            unsafe { *d_bias.add(row) = sum }
        }
    }
}
