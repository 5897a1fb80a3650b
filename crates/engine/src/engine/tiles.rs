//! The steps of a pass that run on tiles of bf16, where the precision asks for it.

use crate::amx::conv::ConvTiles;
use crate::amx::linear::{self, MatrixTiles, PackedMatrix};
use crate::amx::{self, convert};
use crate::blocked::linear::Matrix;
use crate::engine::Layers;
use crate::engine::memory::{Place, features};

/// What one thread needs for its products.
#[derive(Debug)]
pub(crate) struct Tiles {
    /// For each convolution that fits on tiles.
    pub(crate) convs: Vec<Option<ConvTiles>>,
    /// For each linear layer the product with its weight, and with the weight transposed.
    pub(crate) forward: Vec<MatrixTiles>,
    pub(crate) backward: Vec<MatrixTiles>,
}

impl Tiles {
    pub(crate) fn new(layers: &Layers) -> Self {
        let convs = layers.convs().iter().enumerate();
        let linears = layers.linears().iter();
        Self {
            // Nobody wants the gradient of the first layer's input.
            convs: convs
                .map(|(index, conv)| {
                    (index > 0 && amx::conv::fits(conv)).then(|| ConvTiles::new(conv))
                })
                .collect(),
            forward: linears
                .clone()
                .map(|linear| MatrixTiles::new(linear.out_features, linear.in_features))
                .collect(),
            backward: linears
                .map(|linear| MatrixTiles::new(linear.in_features, linear.out_features))
                .collect(),
        }
    }

    /// Rounds the weights of the convolutions to bf16 and packs them.
    pub(crate) fn pack(&mut self, layers: &Layers, places: &[Place], parameters: &[f32]) {
        let convs = std::iter::zip(&mut self.convs, layers.convs()).enumerate();
        for (index, (tiles, conv)) in convs {
            let Place { offset, len } = places[2 * index];
            if let Some(tiles) = tiles {
                tiles.pack(conv, &parameters[offset..offset + len]);
            }
        }
    }
}

/// The weights of the linear layers: all threads read them, and pack a part each.
#[derive(Debug)]
pub(crate) struct Weights {
    /// For each layer its weight, and the weight transposed.
    pub(crate) forward: Vec<PackedMatrix>,
    pub(crate) backward: Vec<PackedMatrix>,
    /// The version of the parameters that they are of.
    pub(crate) version: u64,
}

impl Weights {
    pub(crate) fn new(layers: &Layers) -> Self {
        let linears = layers.linears().iter();
        Self {
            forward: linears
                .clone()
                .map(|linear| PackedMatrix::new(linear.out_features, linear.in_features))
                .collect(),
            backward: linears
                .map(|linear| PackedMatrix::new(linear.in_features, linear.out_features))
                .collect(),
            version: 0,
        }
    }

    /// Rounds a thread's part of the weights to bf16 and packs it.
    ///
    /// # Safety
    /// AMX must be available, the parameters be those of the layers, and each thread another one;
    /// nobody may read the weights meanwhile.
    pub(crate) unsafe fn pack(
        &self,
        layers: &Layers,
        places: &[Place],
        parameters: &[f32],
        thread: usize,
        threads: usize,
    ) {
        for (index, linear) in layers.linears().iter().enumerate() {
            let place = places[2 * (layers.convs().len() + index)];
            let matrix = Matrix {
                data: parameters[place.offset..].as_ptr(),
                rows: linear.out_features,
                columns: linear.in_features,
                row_stride: linear.in_features,
                column_stride: 1,
            };
            // SAFETY: the caller's; the matrix is the layer's weight.
            unsafe {
                self.forward[index].pack(&matrix, thread, threads);
                self.backward[index].pack(&matrix.transposed(), thread, threads);
            }
        }
    }
}

/// Keeps what the gradient of a linear layer's weight needs of a pair of blocks: the input, which
/// begins at `from`, and the gradient of the output, at `d_output`.
///
/// # Safety
/// AMX must be available; the memory must be that of the layer and of the pair.
pub(crate) unsafe fn keep_pair(
    in_features: usize,
    out_features: usize,
    from: *const f32,
    d_output: *const f32,
    pair: usize,
    kept: [*mut u8; 2],
) {
    let [rows, d_rows] = kept;
    // SAFETY: the caller's.
    unsafe {
        let rows = rows.add(pair * linear::rows_bytes(in_features));
        convert::feature_rows(in_features, from, features(in_features), rows);
        let d_rows = d_rows.add(pair * linear::d_output_bytes(out_features));
        convert::block_pairs(out_features, d_output, features(out_features), d_rows);
    }
}
