//! Fully connected layers of some blocks: forward pass and gradient of the input.
//!
//! Both are the product of a matrix, whose numbers are broadcast, with the features of the blocks.
//! A tile is up to six rows of the matrix (three if there are 16 registers) by up to four
//! blocks, so that a number of the weight is read once for four blocks.

use super::conv_forward::{activate, add_products};
use super::unpool::chain;
use crate::layers::Activation;
use crate::simd::{LANES, Simd, dispatch};

/// Blocks that a product takes at once.
pub(crate) const BLOCKS: usize = 4;

/// A matrix of `rows` x `columns`, in any order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) data: *const f32,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl Matrix {
    /// The same numbers with rows and columns exchanged.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// What is done with a sum before it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish {
    /// Forward: the bias is where the sum begins, and this its end.
    Activate {
        bias: *const f32,
        activation: Option<Activation>,
    },
    /// Backward: times the slope of the activation that made this feature, from its output, which
    /// lies as the result does.
    Chain {
        output: *const f32,
        activation: Option<Activation>,
    },
    /// Backward, if the feature comes from a convolution.
    Keep,
}

/// Features of blocks, (features, 16), blocks `stride` floats apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features<P> {
    pub(crate) data: P,
    pub(crate) stride: usize,
}

/// The operands of a product for 1 to [`BLOCKS`] blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) matrix: Matrix,
    pub(crate) blocks: usize,
    pub(crate) from: Features<*const f32>,
    pub(crate) to: Features<*mut f32>,
    pub(crate) finish: Finish,
}

dispatch! {
    /// `to = finish(matrix · from)`.
    ///
    /// # Safety
    /// The matrix must hold `rows` x `columns` floats at its strides, `from` a line for each column
    /// in each block, `finish` what it names for each row; `to` must have space for a line for each
    /// row in each block.
    pub(crate) fn product(operands: Product) => product_generic
}

#[inline(always)]
unsafe fn product_generic<V: Simd>(operands: Product) {
    // SAFETY: N is the number of blocks.
    unsafe {
        match (V::WIDE, operands.blocks) {
            (true, 4) => operands.all::<V, 6, 4>(),
            (true, 3) => operands.all::<V, 6, 3>(),
            (true, 2) => operands.all::<V, 8, 2>(),
            (false, 4) => operands.all::<V, 3, 4>(),
            (false, 3) => operands.all::<V, 4, 3>(),
            (false, 2) => operands.all::<V, 6, 2>(),
            _ => operands.all::<V, 12, 1>(),
        }
    }
}

impl Product {
    /// All rows for N blocks, M at once, and one by one where fewer are left.
    #[inline(always)]
    unsafe fn all<V: Simd, const M: usize, const N: usize>(self) {
        for part in 0..LANES / V::WIDTH {
            let lane = part * V::WIDTH;
            let mut row = 0;
            // SAFETY: no tile goes beyond the last row.
            unsafe {
                // Three rows at once leave no single one over: that would be slow.
                while row + M <= self.matrix.rows && (M != 3 || row + 4 != self.matrix.rows) {
                    self.tile::<V, M, N>(row, lane);
                    row += M;
                }
                while row + 2 <= self.matrix.rows {
                    self.tile::<V, 2, N>(row, lane);
                    row += 2;
                }
                if row < self.matrix.rows {
                    self.tile::<V, 1, N>(row, lane);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Simd, const M: usize, const N: usize>(&self, row: usize, lane: usize) {
        let Matrix {
            columns,
            row_stride,
            column_stride,
            ..
        } = self.matrix;
        // SAFETY: rows, columns and blocks are within those of the operands, the part within 16
        // lanes.
        unsafe {
            let mut sums = [[V::splat(0.0); M]; N];
            let mut from = [0; N];
            for n in 0..N {
                from[n] = n * self.from.stride;
                if let Finish::Activate { bias, .. } = self.finish {
                    for m in 0..M {
                        sums[n][m] = V::splat(*bias.add(row + m));
                    }
                }
            }
            let mut numbers = [0; M];
            for m in 0..M {
                numbers[m] = m * row_stride;
            }
            let mut weight = self.matrix.data.add(row * row_stride);
            let mut x = self.from.data.add(lane);
            for _ in 0..columns {
                [x, weight] = add_products(&mut sums, [x, weight], from, numbers);
                // The last step may lead far beyond the matrix, where no pointer may point.
                weight = weight.wrapping_add(column_stride);
                x = x.wrapping_add(LANES);
            }
            for m in 0..M {
                for n in 0..N {
                    let at = n * self.to.stride + (row + m) * LANES + lane;
                    let value = match self.finish {
                        Finish::Activate { activation, .. } => activate(activation, sums[n][m]),
                        Finish::Chain { output, activation } => {
                            chain(activation, V::load(output.add(at)), sums[n][m])
                        }
                        Finish::Keep => sums[n][m],
                    };
                    value.store(self.to.data.add(at));
                }
            }
        }
    }
}
