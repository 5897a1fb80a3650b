//! The gradient of a linear layer's weight and bias, over the whole batch.
//!
//! `d_weight[o,i] = Σ_n d_y[n,o] x[n,i]`, with x transposed to one row an image: a register then
//! holds 16 numbers of a row of the weight, and the sum over the images needs no sum over lanes. The
//! images are added in their order.

use crate::simd::{LANES, Simd, dispatch};

/// The operands of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Blocks of 16 images.
    pub(crate) blocks: usize,
    /// Features of the input, I.
    pub(crate) in_features: usize,
    /// The input, an image a row: (16 blocks, row stride).
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
    /// The operands must hold what their sizes say; `d_weight` and `d_bias` are those of the whole
    /// layer, and nobody else writes to these rows.
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
    // SAFETY: the caller's.
    unsafe {
        if V::WIDE {
            while row + 6 <= end {
                batch.rows::<V, 6>(row, d_weight, d_bias);
                row += 6;
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
        // SAFETY: the caller's; a tile that would reach beyond the row goes through a copy.
        unsafe {
            while column + 4 * V::WIDTH <= self.in_features {
                let sums = self.tile::<V, M, 4>(row, column);
                self.store(sums, row, column, d_weight);
                column += 4 * V::WIDTH;
            }
            while column + V::WIDTH <= self.in_features {
                let sums = self.tile::<V, M, 1>(row, column);
                self.store(sums, row, column, d_weight);
                column += V::WIDTH;
            }
            if column < self.in_features {
                let sums = self.tile::<V, M, 1>(row, column);
                for m in 0..M {
                    let mut lanes = [0.0; LANES];
                    sums[m][0].store(lanes.as_mut_ptr());
                    let to = d_weight.add((row + m) * self.in_features + column);
                    std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, self.in_features - column);
                }
            }
            self.bias_gradient(row, row + M, d_bias);
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Simd, const M: usize, const N: usize>(
        &self,
        row: usize,
        column: usize,
    ) -> [[V; N]; M] {
        // SAFETY: the rows of the input have room up to a multiple of 16.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; M];
            let mut x = self.rows.add(column);
            for block in 0..self.blocks {
                let d = self.d_output.add(block * self.d_stride + row * LANES);
                for image in 0..LANES {
                    let mut xs = [V::splat(0.0); N];
                    for n in 0..N {
                        xs[n] = V::load(x.add(n * V::WIDTH));
                    }
                    for m in 0..M {
                        let d = V::splat(*d.add(m * LANES + image));
                        for n in 0..N {
                            sums[m][n] = sums[m][n].fma(xs[n], d);
                        }
                    }
                    x = x.wrapping_add(self.row_stride);
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn store<V: Simd, const M: usize, const N: usize>(
        &self,
        sums: [[V; N]; M],
        row: usize,
        column: usize,
        d_weight: *mut f32,
    ) {
        // SAFETY: the caller vouches that the columns exist.
        unsafe {
            for m in 0..M {
                let to = d_weight.add((row + m) * self.in_features + column);
                for n in 0..N {
                    sums[m][n].store(to.add(n * V::WIDTH));
                }
            }
        }
    }

    /// Rows `first..end` of the gradient of the bias.
    ///
    /// # Safety
    /// As [`gradient`].
    #[inline(always)]
    pub(crate) unsafe fn bias_gradient(&self, first: usize, end: usize, d_bias: *mut f32) {
        for row in first..end {
            let mut sum = 0.0;
            for block in 0..self.blocks {
                // SAFETY: a feature of a block.
                unsafe {
                    let d = self.d_output.add(block * self.d_stride + row * LANES);
                    sum += crate::simd::sum_lanes(d);
                }
            }
            // SAFETY: the caller's.
            unsafe { *d_bias.add(row) = sum }
        }
    }
}
