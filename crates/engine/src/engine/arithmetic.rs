//! The steps of a pass that multiply: in f32, or with operands rounded to bf16.

use std::fmt::Debug;
use std::ops::Range;

use super::memory::{ConvScratch, Places, block_features};
use crate::Isa;
use crate::blocked::linear::{Features, Product, product};
use crate::blocked::{conv_forward, conv_input, conv_weight, linear_weight, pack};
use crate::buffer::Lines;
use crate::layers::{ConvLayer, Layers, LinearLayer};
use crate::pool::Pool;
use crate::simd::LANES;

/// Which layer, among the convolutions or among the linear layers, on which thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) index: usize,
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only AMX has buffers for each thread")
    )]
    pub(crate) thread: usize,
}

/// Rows of the gradient of a linear layer's weight and bias, over the whole batch.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradient<'a> {
    pub(crate) layer: &'a LinearLayer,
    /// Blocks of the batch.
    pub(crate) blocks: Range<usize>,
    /// The gradient of the layer's output before its activation, blocked.
    pub(crate) d_output: *const f32,
    pub(crate) rows: Range<usize>,
    /// The gradients of the whole weight (O, I) and bias (O).
    pub(crate) d_weight: *mut f32,
    pub(crate) d_bias: *mut f32,
}

/// How layers multiply. All threads of a pass use it at once.
pub(crate) trait Arithmetic: Debug + Send + Sync {
    /// Blocks that it takes together: a thread's share begins at a multiple of them.
    fn blocks_at_once(&self) -> usize;

    /// Rows of a weight's gradient that a thread takes at once.
    fn rows_at_once(&self) -> usize;

    /// Packs the weights that all threads read, if the parameters have another version than the last
    /// time.
    fn prepare(
        &mut self,
        pool: &Pool,
        layers: &Layers,
        places: &Places,
        parameters: &Lines,
        version: u64,
    );

    /// Packs the weight (K, C, 5, 5) of a convolution for a thread.
    fn pack_conv(&self, at: At, conv: &ConvLayer, weight: &[f32], scratch: &mut ConvScratch);

    /// A convolution of a block.
    ///
    /// # Safety
    /// As [`conv_forward::forward`].
    unsafe fn conv_forward(&self, at: At, operands: conv_forward::Forward<'_>);

    /// The gradients of a convolution's weight and, if wanted, of its input by a block.
    ///
    /// # Safety
    /// As [`conv_weight::gradient`] and [`conv_input::gradient`].
    unsafe fn conv_backward(
        &self,
        at: At,
        operands: conv_weight::Backward<'_>,
        input: Option<conv_input::Backward<'_>>,
    );

    /// A linear layer of some blocks.
    ///
    /// # Safety
    /// As [`product`].
    unsafe fn linear_forward(&self, at: At, operands: Product);

    /// The gradient of a linear layer's input; and keeps this input of the batch's blocks from
    /// `first` on for the gradient of the weight.
    ///
    /// # Safety
    /// As [`product`]; `input` must hold the layer's features, with space up to a multiple of 16 of
    /// them, and no other thread may have these blocks.
    unsafe fn linear_backward(
        &self,
        at: At,
        operands: Product,
        input: Features<*const f32>,
        first: usize,
    );

    /// The memory that [`Arithmetic::linear_backward`] keeps the inputs of a layer in, and what else
    /// it keeps, with the floats of as many blocks as it takes together.
    fn kept(&self, layers: &Layers, index: usize) -> [(&Lines, usize); 2];

    /// Some rows of the gradient of a linear layer's weight and bias.
    ///
    /// # Safety
    /// `d_output` must hold the gradients of the blocks, `d_weight` and `d_bias` have space for the
    /// whole layer; no other thread may use these rows of them.
    unsafe fn weight_gradient(&self, index: usize, operands: WeightGradient<'_>);

    /// Called by each thread at the end of its part.
    fn end(&self);
}

/// Everything in f32.
#[derive(Debug)]
pub(crate) struct F32 {
    isa: Isa,
    /// For each linear layer its input of the batch, one row an image.
    rows: Vec<Lines>,
}

impl F32 {
    /// For batches of this many blocks.
    pub(crate) fn new(isa: Isa, layers: &Layers, blocks: usize) -> Self {
        let rows =
            |linear: &LinearLayer| Lines::floats(blocks * block_features(linear.in_features));
        Self {
            isa,
            rows: layers.linears().iter().map(rows).collect(),
        }
    }
}

impl Arithmetic for F32 {
    fn blocks_at_once(&self) -> usize {
        1
    }

    fn rows_at_once(&self) -> usize {
        6
    }

    fn prepare(&mut self, _: &Pool, _: &Layers, _: &Places, _: &Lines, _: u64) {}

    fn pack_conv(&self, at: At, conv: &ConvLayer, weight: &[f32], scratch: &mut ConvScratch) {
        conv_forward::pack_weight(self.isa, conv, weight, scratch.packed.as_mut_slice());
        if at.index > 0 {
            conv_input::pack_weight(conv, weight, scratch.turned.as_mut_slice());
        }
    }

    unsafe fn conv_forward(&self, _: At, operands: conv_forward::Forward<'_>) {
        // SAFETY: the bounds of this function are those of the kernel.
        unsafe { conv_forward::forward(self.isa, operands) }
    }

    unsafe fn conv_backward(
        &self,
        _: At,
        operands: conv_weight::Backward<'_>,
        input: Option<conv_input::Backward<'_>>,
    ) {
        // SAFETY: the bounds of this function are those of the kernels.
        unsafe {
            conv_weight::gradient(self.isa, operands);
            if let Some(input) = input {
                conv_input::gradient(self.isa, input);
            }
        }
    }

    unsafe fn linear_forward(&self, _: At, operands: Product) {
        // SAFETY: the bounds of this function are those of the kernel.
        unsafe { product(self.isa, operands) }
    }

    unsafe fn linear_backward(
        &self,
        at: At,
        operands: Product,
        input: Features<*const f32>,
        first: usize,
    ) {
        let in_features = operands.matrix.rows;
        let row = in_features.next_multiple_of(LANES);
        // SAFETY: the bounds of this function are those of the product; the rows of the blocks are
        // this thread's, and have space up to a multiple of 16 features as the input does.
        unsafe {
            product(self.isa, operands);
            for block in 0..operands.blocks {
                let from = input.data.add(block * input.stride);
                let to = self.rows[at.index].ptr().add((first + block) * LANES * row);
                pack::to_rows(self.isa, in_features, from, to, row);
            }
        }
    }

    fn kept(&self, layers: &Layers, index: usize) -> [(&Lines, usize); 2] {
        let rows = &self.rows[index];
        let len = block_features(layers.linears()[index].in_features);
        [(rows, len), (rows, 0)]
    }

    unsafe fn weight_gradient(&self, index: usize, operands: WeightGradient<'_>) {
        let first = operands.blocks.start;
        let [d_stride, row_block] = operands.layer.weight().map(block_features);
        let in_features = operands.layer.in_features;
        let batch = linear_weight::Batch {
            blocks: operands.blocks.len(),
            in_features,
            rows: self.rows[index].as_ptr().wrapping_add(first * row_block),
            row_stride: in_features.next_multiple_of(LANES),
            d_output: operands.d_output.wrapping_add(first * d_stride),
            d_stride,
        };
        let Range { start, end } = operands.rows;
        let (d_weight, d_bias) = (operands.d_weight, operands.d_bias);
        // SAFETY: the rows of the input were kept for each of the blocks; the rest are the bounds of
        // this function.
        unsafe { linear_weight::gradient(self.isa, &batch, start, end, d_weight, d_bias) }
    }

    fn end(&self) {}
}
