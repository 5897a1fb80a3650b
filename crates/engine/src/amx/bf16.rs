//! The arithmetic of an engine on tiles: where the kernels in f32 stand for layers that do not fit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::conv::{self, ConvTiles};
use super::linear::{self, MatrixTiles, PackedMatrix};
use super::{convert, release};
use crate::Isa;
use crate::blocked::linear::{Features, Matrix, Product};
use crate::blocked::unpool::unpool;
use crate::blocked::{conv_forward, conv_input, conv_weight, linear_weight};
use crate::buffer::Lines;
use crate::engine::arithmetic::{Arithmetic, At, F32, WeightGradient};
use crate::engine::memory::{ConvScratch, Places, block_features};
use crate::layers::{ConvLayer, Layers};
use crate::pool::Pool;

/// Products of linear layers, and of convolutions of 16 channels after the first one, on tiles.
#[derive(Debug)]
pub(crate) struct Bf16 {
    isa: Isa,
    /// For the convolutions that do not fit.
    f32: F32,
    threads: Vec<Mutex<Tiles>>,
    /// For each linear layer its weight, and the weight transposed. All threads read them, and pack
    /// a part each.
    weights: Vec<[PackedMatrix; 2]>,
    /// The version of the parameters that are packed.
    version: u64,
    /// For each linear layer its input and the gradient of its output over the batch, in pairs of
    /// blocks.
    kept: Vec<[Lines; 2]>,
}

/// What one thread needs for its products.
#[derive(Debug)]
struct Tiles {
    /// For each convolution that fits.
    convs: Vec<Option<ConvTiles>>,
    /// For each linear layer the product with its weight, and with the weight transposed.
    linears: Vec<[MatrixTiles; 2]>,
}

impl Tiles {
    fn new(layers: &Layers) -> Self {
        let convs = layers.convs().iter().enumerate();
        // The gradient of the first layer's input is not wanted.
        let convs = convs
            .map(|(index, conv)| (index > 0 && conv::fits(conv)).then(|| ConvTiles::new(conv)));
        Self {
            convs: convs.collect(),
            linears: both_ways(layers, MatrixTiles::new),
        }
    }
}

/// For each linear layer what is made for (rows, columns) of its weight, and of the weight
/// transposed.
fn both_ways<T>(layers: &Layers, new: impl Fn(usize, usize) -> T) -> Vec<[T; 2]> {
    let linears = layers.linears().iter();
    let both = linears.map(|linear| {
        let [rows, columns] = linear.weight();
        [new(rows, columns), new(columns, rows)]
    });
    both.collect()
}

impl Bf16 {
    /// For this many threads and batches of `blocks` blocks, an even number. AMX must be available.
    pub(crate) fn new(isa: Isa, layers: &Layers, threads: usize, blocks: usize) -> Self {
        assert!(super::is_available());
        let kept = layers.linears().iter().map(|linear| {
            let rows = linear::rows_bytes(linear.in_features);
            let d_output = linear::d_output_bytes(linear.out_features);
            [rows, d_output].map(|bytes| Lines::bytes(blocks / 2 * bytes))
        });
        Self {
            isa,
            f32: F32::new(isa, layers, 0),
            threads: (0..threads)
                .map(|_| Mutex::new(Tiles::new(layers)))
                .collect(),
            weights: both_ways(layers, PackedMatrix::new),
            version: 0,
            kept: kept.collect(),
        }
    }

    fn tiles(&self, at: At) -> MutexGuard<'_, Tiles> {
        let tiles = self.threads[at.thread].lock();
        tiles.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arithmetic for Bf16 {
    fn blocks_at_once(&self) -> usize {
        2
    }

    fn rows_at_once(&self) -> usize {
        super::ROWS
    }

    fn prepare(
        &mut self,
        pool: &Pool,
        layers: &Layers,
        places: &Places,
        parameters: &Lines,
        version: u64,
    ) {
        if self.version == version {
            return;
        }
        self.version = version;
        let layers = layers.linears().iter().zip(&places.linears);
        let layers = layers.zip(&self.weights);
        pool.run(&|thread, threads| {
            for ((linear, places), [forward, backward]) in layers.clone() {
                let matrix = Matrix {
                    data: places.weight.ptr(parameters),
                    rows: linear.out_features,
                    columns: linear.in_features,
                    row_stride: linear.in_features,
                    column_stride: 1,
                };
                // SAFETY: AMX is available, the matrix is the layer's weight, and each thread packs
                // rows of its own, which no thread reads before all have ended.
                unsafe {
                    forward.pack(&matrix, thread, threads);
                    backward.pack(&matrix.transposed(), thread, threads);
                }
            }
        });
    }

    fn pack_conv(&self, at: At, conv: &ConvLayer, weight: &[f32], scratch: &mut ConvScratch) {
        match &mut self.tiles(at).convs[at.index] {
            Some(tiles) => tiles.pack(conv, weight),
            None => self.f32.pack_conv(at, conv, weight, scratch),
        }
    }

    unsafe fn conv_forward(&self, at: At, operands: conv_forward::Forward<'_>) {
        let own = operands;
        // SAFETY: AMX is available; the bounds of this function are those of both kernels.
        unsafe {
            match &mut self.tiles(at).convs[at.index] {
                Some(tiles) => {
                    tiles.forward(own.layer, own.input, own.bias, own.output, own.saved);
                }
                None => self.f32.conv_forward(at, operands),
            }
        }
    }

    unsafe fn conv_backward(
        &self,
        at: At,
        operands: conv_weight::Backward<'_>,
        input: Option<conv_input::Backward<'_>>,
    ) {
        let conv_weight::Backward { layer, d_map, .. } = operands;
        let [_, rows, _] = layer.output();
        // SAFETY: AMX is available; the bounds of this function are those of both kernels, and
        // `d_map` has space for the whole map, for which the input's gradient is wanted.
        unsafe {
            match (&mut self.tiles(at).convs[at.index], input) {
                (Some(tiles), Some(input)) => {
                    unpool(self.isa, layer, operands.incoming, 0, rows, d_map);
                    tiles.weight_gradient(layer, operands.input, d_map, operands.gradient);
                    tiles.input_gradient(layer, d_map, input.d_input);
                }
                (_, input) => self.f32.conv_backward(at, operands, input),
            }
        }
    }

    unsafe fn linear_forward(&self, at: At, own: Product) {
        let [weight, _] = &self.weights[at.index];
        let [tiles, _] = &mut self.tiles(at).linears[at.index];
        // SAFETY: AMX is available; the bounds of this function are those of the kernel, and the
        // packed matrix is the product's.
        unsafe { tiles.product(weight, own.blocks, own.from, own.to, own.finish) }
    }

    unsafe fn linear_backward(
        &self,
        at: At,
        operands: Product,
        input: Features<*const f32>,
        first: usize,
    ) {
        let [in_features, out_features] = [operands.matrix.rows, operands.matrix.columns];
        let (blocks, from) = (operands.blocks, operands.from);
        let [_, weight] = &self.weights[at.index];
        let [_, tiles] = &mut self.tiles(at).linears[at.index];
        let [rows, d_rows] = &self.kept[at.index];
        // SAFETY: AMX is available; the bounds of this function are those of the kernel, and the
        // packed matrix is the product's. There are kept rows for each pair of blocks, and the
        // gradient of the output has space for an even number of blocks, of which this thread has
        // both of a pair.
        unsafe {
            tiles.product(weight, blocks, from, operands.to, operands.finish);
            if blocks % 2 == 1 {
                // The last pair of the batch has one block: the gradient of the other is 0.
                let other = from.data.cast_mut().add(blocks * from.stride);
                std::ptr::write_bytes(other, 0, from.stride);
            }
            for block in (0..blocks).step_by(2) {
                let pair = (first + block) / 2;
                let x = input.data.add(block * input.stride);
                let to = rows.ptr().cast::<u8>();
                let to = to.add(pair * linear::rows_bytes(in_features));
                convert::feature_rows(in_features, x, input.stride, to);
                let d = from.data.add(block * from.stride);
                let to = d_rows.ptr().cast::<u8>();
                let to = to.add(pair * linear::d_output_bytes(out_features));
                convert::block_pairs(out_features, d, from.stride, to);
            }
        }
    }

    fn kept(&self, layers: &Layers, index: usize) -> [(&Lines, usize); 2] {
        let linear = &layers.linears()[index];
        let [rows, d_output] = &self.kept[index];
        [
            (rows, linear::rows_bytes(linear.in_features) / 4),
            (d_output, linear::d_output_bytes(linear.out_features) / 4),
        ]
    }

    unsafe fn weight_gradient(&self, index: usize, operands: WeightGradient<'_>) {
        let layer = operands.layer;
        let [rows, d_output] = &self.kept[index];
        // A process's blocks begin with a whole pair.
        let (blocks, pair) = (operands.blocks.len(), operands.blocks.start / 2);
        let [rows_len, d_len] = [
            linear::rows_bytes(layer.in_features),
            linear::d_output_bytes(layer.out_features),
        ];
        let d_stride = block_features(layer.out_features);
        let tiles = linear::Batch {
            pairs: blocks.div_ceil(2),
            in_features: layer.in_features,
            out_features: layer.out_features,
            rows: rows
                .as_ptr()
                .cast::<u8>()
                .wrapping_add(pair * rows_len)
                .cast(),
            d_output: d_output
                .as_ptr()
                .cast::<u8>()
                .wrapping_add(pair * d_len)
                .cast(),
        };
        let (first, end) = (operands.rows.start, operands.rows.end);
        let bias = linear_weight::Batch {
            blocks,
            in_features: layer.in_features,
            // The gradient of the bias needs no input.
            rows: std::ptr::null(),
            row_stride: 0,
            d_output: operands.d_output.wrapping_add(2 * pair * d_stride),
            d_stride,
        };
        // SAFETY: AMX is available; the kept rows are those of all pairs of blocks, and rows
        // `first..end` are this thread's.
        unsafe {
            linear::weight_gradient(&tiles, first, end, operands.d_weight);
            bias.bias_gradient(first, end, operands.d_bias);
        }
    }

    /// Ends the thread's use of tiles, so that the system need not save them.
    fn end(&self) {
        // SAFETY: AMX is available.
        unsafe { release() }
    }
}
