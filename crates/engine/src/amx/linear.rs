//! Linear layers on tiles: the product with a packed matrix, and the gradient of the weight.

use super::convert::{self, PAIRS, image_pair_stride};
use super::{ROWS, Shape, TILE, configure, load, multiply, store, zero};
use crate::blocked::conv_forward::activate;
use crate::blocked::linear::{BLOCKS, Features, Finish, Matrix};
use crate::blocked::unpool::chain;
use crate::buffer::Lines;
use crate::simd::avx512::Avx512;
use crate::simd::{LANES, Simd};

const WHOLE: Shape = Shape {
    rows: ROWS,
    bytes: 64,
};

/// A matrix in tiles.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    tiles: Lines,
    /// Where `tiles` lies.
    to: *mut u16,
}

// SAFETY: the pointer leads into the matrix' own memory; only `pack` writes there, which says of
// its callers that they have rows of their own.
unsafe impl Send for PackedMatrix {}
// SAFETY: as above.
unsafe impl Sync for PackedMatrix {}

impl PackedMatrix {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let tiles = rows.div_ceil(ROWS) * columns.div_ceil(32);
        let mut tiles = Lines::bytes(tiles * ROWS * 64);
        let to = tiles.as_mut_ptr().cast();
        Self { tiles, to }
    }

    /// Packs each `threads`-th row of tiles, from the `thread`-th on.
    ///
    /// # Safety
    /// AMX must be available, the matrix have the size of [`PackedMatrix::new`] and hold its
    /// numbers; nobody else may use these rows of tiles meanwhile.
    pub(crate) unsafe fn pack(&self, matrix: &Matrix, thread: usize, threads: usize) {
        let tiles = matrix.columns.div_ceil(32) * ROWS * 32;
        for row in (0..matrix.rows.div_ceil(ROWS))
            .skip(thread)
            .step_by(threads)
        {
            let first = row * ROWS;
            // SAFETY: the caller's; these are rows of the matrix and of the tiles.
            unsafe {
                let rows = Matrix {
                    data: matrix.data.add(first * matrix.row_stride),
                    rows: ROWS.min(matrix.rows - first),
                    ..*matrix
                };
                convert::matrix_tiles(&rows, self.to.add(row * tiles));
            }
        }
    }
}

/// Memory for what a matrix of so many rows and columns is multiplied with.
#[derive(Debug)]
pub(crate) struct MatrixTiles {
    rows: usize,
    columns: usize,
    pairs: Lines,
    sums: Lines,
}

impl MatrixTiles {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            pairs: Lines::bytes(BLOCKS * Self::block_bytes(columns)),
            sums: Lines::floats(BLOCKS * TILE),
        }
    }

    /// Bytes of a block's features in pairs, with zeros up to whole tiles.
    fn block_bytes(columns: usize) -> usize {
        columns.next_multiple_of(32) / 2 * PAIRS
    }

    /// As [`product`](crate::blocked::linear::product) with the packed matrix.
    ///
    /// # Safety
    /// AMX must be available; the rest is as there.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(crate) unsafe fn product(
        &mut self,
        matrix: &PackedMatrix,
        blocks: usize,
        from: Features<*const f32>,
        to: Features<*mut f32>,
        finish: Finish,
    ) {
        let block = Self::block_bytes(self.columns);
        let steps = self.columns.div_ceil(32);
        // SAFETY: the caller's. Blocks that are not there are computed from old features, and left.
        unsafe {
            let pairs = self.pairs.as_mut_ptr().cast::<u8>();
            for n in 0..blocks {
                let from = from.data.add(n * from.stride);
                convert::line_pairs(self.columns, from, pairs.add(n * block));
            }
            configure([WHOLE; 8]);
            let sums = self.sums.as_mut_ptr();
            let mut weight = matrix.tiles.as_ptr().cast::<u16>();
            for row in (0..self.rows).step_by(ROWS) {
                zero!("0", "1", "2", "3");
                let mut x = pairs.cast_const();
                for _ in 0..steps {
                    load!("4", weight, 64_usize);
                    load!("6", x, PAIRS);
                    multiply!("0", "4", "6");
                    load!("7", x.add(block), PAIRS);
                    multiply!("1", "4", "7");
                    if blocks > 2 {
                        load!("6", x.add(2 * block), PAIRS);
                        multiply!("2", "4", "6");
                        load!("7", x.add(3 * block), PAIRS);
                        multiply!("3", "4", "7");
                    }
                    weight = weight.add(16 * 32);
                    x = x.wrapping_add(ROWS * PAIRS);
                }
                store!("0", sums, 64_usize);
                store!("1", sums.add(TILE), 64_usize);
                store!("2", sums.add(2 * TILE), 64_usize);
                store!("3", sums.add(3 * TILE), 64_usize);
                for n in 0..blocks {
                    for r in 0..ROWS.min(self.rows - row) {
                        let sum = Avx512::load(sums.add(n * TILE + r * LANES));
                        let at = n * to.stride + (row + r) * LANES;
                        let value = match finish {
                            Finish::Activate { bias, activation } => {
                                activate(activation, sum.add(Avx512::splat(*bias.add(row + r))))
                            }
                            Finish::Chain { output, activation } => {
                                chain(activation, Avx512::load(output.add(at)), sum)
                            }
                            Finish::Keep => sum,
                        };
                        value.store(to.data.add(at));
                    }
                }
            }
        }
    }
}

/// The operands of a weight's gradient over a batch, in tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Pairs of blocks.
    pub(crate) pairs: usize,
    pub(crate) in_features: usize,
    pub(crate) out_features: usize,
    /// (pairs of blocks, 16, I, 2) of [`feature_rows`](convert::feature_rows).
    pub(crate) rows: *const u8,
    /// (pairs of blocks, O up to a multiple of 16, 2, 16) of [`block_pairs`](convert::block_pairs).
    pub(crate) d_output: *const u8,
}

/// Bytes of a pair of blocks' input.
pub(crate) fn rows_bytes(in_features: usize) -> usize {
    ROWS * image_pair_stride(in_features)
}

/// Bytes of a pair of blocks' output gradient.
pub(crate) fn d_output_bytes(out_features: usize) -> usize {
    out_features.next_multiple_of(ROWS) * PAIRS
}

/// Rows `first..end` of the weight (O, I): at most 16, from a multiple of 16 on.
///
/// # Safety
/// AMX must be available; the rest is as
/// [`linear_weight::gradient`](crate::blocked::linear_weight::gradient).
pub(crate) unsafe fn weight_gradient(batch: &Batch, first: usize, end: usize, d_weight: *mut f32) {
    let stride = image_pair_stride(batch.in_features);
    let columns = batch.in_features.div_ceil(16);
    let mut tile = [0.0_f32; TILE];
    // SAFETY: the caller's; rows of the input have room for whole registers.
    unsafe {
        configure([WHOLE; 8]);
        let mut column = 0;
        while column < columns {
            // The last four may begin before the end of those before them.
            column = column.min(columns.saturating_sub(4));
            zero!("0", "1", "2", "3");
            let own = (columns - column).min(4);
            for pair in 0..batch.pairs {
                let d = batch
                    .d_output
                    .add(pair * d_output_bytes(batch.out_features) + first * PAIRS);
                let x = batch
                    .rows
                    .add(pair * rows_bytes(batch.in_features) + column * 64);
                load!("4", d, PAIRS);
                load!("6", x, stride);
                multiply!("0", "4", "6");
                if own > 1 {
                    load!("7", x.add(64), stride);
                    multiply!("1", "4", "7");
                }
                if own > 2 {
                    load!("6", x.add(128), stride);
                    multiply!("2", "4", "6");
                }
                if own > 3 {
                    load!("7", x.add(192), stride);
                    multiply!("3", "4", "7");
                }
            }
            for n in 0..own {
                match n {
                    0 => store!("0", tile.as_mut_ptr(), 64_usize),
                    1 => store!("1", tile.as_mut_ptr(), 64_usize),
                    2 => store!("2", tile.as_mut_ptr(), 64_usize),
                    _ => store!("3", tile.as_mut_ptr(), 64_usize),
                }
                let at = (column + n) * 16;
                let width = 16.min(batch.in_features - at);
                for row in first..end {
                    std::ptr::copy_nonoverlapping(
                        tile.as_ptr().add((row - first) * 16),
                        d_weight.add(row * batch.in_features + at),
                        width,
                    );
                }
            }
            column += 4;
        }
    }
}
