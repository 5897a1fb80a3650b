//! Convolution with bias, activation and average pooling.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Slots, floats, with_floats, write_block, write_features};
use crate::Isa;
use crate::blocked::conv_forward::{self, Saved, Target};
use crate::blocked::extents::Extents;
use crate::blocked::unpool::Incoming;
use crate::blocked::{Lines, conv_input, conv_weight, pack};
use crate::geometry::ConvLayer;
use crate::pool::{Pool, share};
use crate::reference::activation::Activation;
use crate::simd::LANES;

const OP: &str = "conv2d";

/// What there is to choose in [`conv2d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Rows and columns of zeros on each side of the input.
    pub padding: usize,
    /// What each sum and its bias go through.
    pub activation: Activation,
    /// Whether the average over windows of 2x2 with stride 2 follows; as in PyTorch, the last row
    /// or column of an odd size lies in no window.
    pub pool: bool,
}

/// `pool(f(x * weight + bias))`: input (N, C, H, W), weight (K, C, R, R), bias (K), output
/// (N, K, H + 2P - R + 1, W + 2P - R + 1), or half of that with pooling.
///
/// Kernels are square and the stride is 1; 5x5 and 3x3 have paths of their own. The definition is
/// [`reference::conv2d`](crate::reference::conv2d), then
/// [`activation`](crate::reference::activation), then [`avg_pool2d`](crate::reference::avg_pool2d).
///
/// # Errors
/// Tensors that are not f32 on the CPU, shapes that do not fit to each other, and a kernel or
/// pooling window that does not fit into the input.
pub fn conv2d(
    input: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    options: ConvOptions,
) -> Result<Tensor> {
    let (batch, in_channels, height, width) = input.dims4()?;
    let (out_channels, weight_channels, kernel, kernel_width) = weight.dims4()?;
    if kernel != kernel_width || weight_channels != in_channels || bias.dims() != [out_channels] {
        candle_core::bail!(
            "{OP}: an input of shape {:?} takes a weight (K, {in_channels}, R, R) and a bias (K), got {:?} and {:?}",
            input.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    let layer = ConvLayer {
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        padding: options.padding,
        activation: options.activation,
        pool: options.pool,
    };
    layer.check()?;
    let op = Conv2d {
        layer,
        batch,
        isa: Isa::current(),
        saved: Mutex::default(),
    };
    input.apply_op3(weight, bias, op)
}

struct Conv2d {
    layer: ConvLayer,
    batch: usize,
    isa: Isa,
    /// What the forward pass leaves for the backward pass, block after block.
    saved: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    masks: Vec<u16>,
    values: Lines,
}

impl Kept {
    /// Memory for so many blocks.
    fn new(layer: &ConvLayer, blocks: usize) -> Self {
        let elements = layer.output().iter().product::<usize>() * 4 * blocks;
        let wanted = |activation| layer.pool && layer.activation == activation;
        Self {
            masks: vec![
                0;
                if wanted(Activation::Relu) {
                    elements * 4
                } else {
                    0
                }
            ],
            values: Lines::new(if wanted(Activation::Tanh) {
                elements
            } else {
                0
            }),
        }
    }

    /// The memory as threads use it.
    fn pointers(&mut self, layer: &ConvLayer) -> KeptPointers {
        KeptPointers {
            masks: self.masks.as_mut_ptr(),
            values: self.values.as_mut_ptr(),
            elements: layer.output().iter().product::<usize>() * 4,
            pool: layer.pool,
            activation: layer.activation,
        }
    }
}

#[derive(Clone, Copy)]
struct KeptPointers {
    masks: *mut u16,
    values: *mut f32,
    elements: usize,
    pool: bool,
    activation: Activation,
}

// SAFETY: each thread uses the blocks that are its own.
unsafe impl Sync for KeptPointers {}

impl KeptPointers {
    fn block(&self, block: usize) -> Saved {
        let first = self.elements * block;
        match (self.pool, self.activation) {
            (true, Activation::Relu) => Saved::Masks(self.masks.wrapping_add(first * 4)),
            (true, Activation::Tanh) => Saved::Values(self.values.wrapping_add(first * LANES)),
            _ => Saved::Nothing,
        }
    }
}

impl Conv2d {
    fn place(&self) -> pack::Place {
        pack::Place {
            channels: self.layer.in_channels,
            height: self.layer.height,
            width: self.layer.width,
            padding: self.layer.padding,
        }
    }

    fn padded_input(&self) -> Lines {
        let [height, width] = self.layer.padded();
        Lines::new(self.layer.in_channels * height * width)
    }

    /// The output of a block, dense, in memory of this many lines.
    fn target(&self, output: &mut Lines) -> Target {
        let [_, rows, columns] = self.layer.output();
        Target {
            data: output.as_mut_ptr(),
            channel_stride: rows * columns * LANES,
            row_stride: columns * LANES,
        }
    }

    fn forward(&self, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let layer = &self.layer;
        let (in_size, out_size) = (
            input.len() / self.batch.max(1),
            layer.output().iter().product(),
        );
        let blocks = self.batch.div_ceil(LANES);
        let mut output = vec![0.0; self.batch * out_size];
        let mut packed = Lines::floats(layer.weight_len());
        let taps = layer.weight_len() / layer.out_channels.max(1);
        let at = |channel: usize, tap: usize| weight[channel * taps + tap];
        conv_forward::pack_weight(self.isa, layer, at, packed.as_mut_slice());
        let mut kept = Kept::new(layer, blocks);
        let (slots, saved) = (Slots(output.as_mut_ptr()), kept.pointers(layer));
        Pool::global().run(&|thread, threads| {
            let mut block_input = self.padded_input();
            let mut block_output = Lines::new(out_size);
            for block in share(blocks, thread, threads) {
                let images = LANES.min(self.batch - block * LANES);
                // SAFETY: the memory is that of the layer; blocks belong to one thread each.
                unsafe {
                    write_block(
                        input,
                        in_size,
                        block,
                        images,
                        &self.place(),
                        block_input.as_mut_ptr(),
                    );
                    conv_forward::forward(
                        self.isa,
                        layer,
                        block_input.as_ptr(),
                        packed.as_ptr(),
                        bias.as_ptr(),
                        self.target(&mut block_output),
                        saved.block(block),
                        Extents::UNKNOWN,
                    );
                    let part = slots.part(block * LANES * out_size, images * out_size);
                    pack::read_images(block_output.as_ptr(), out_size, part);
                }
            }
        });
        *self
            .saved
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = kept;
        output
    }

    /// The gradients by input (if wanted), weight and bias.
    fn backward(
        &self,
        wants_input: bool,
        input: &[f32],
        weight: &[f32],
        output: &[f32],
        d_output: &[f32],
    ) -> [Vec<f32>; 3] {
        let layer = &self.layer;
        let (in_size, out_size) = (
            layer.in_channels * layer.height * layer.width,
            layer.output().iter().product::<usize>(),
        );
        let blocks = self.batch.div_ceil(LANES);
        let numbers = layer.weight_len() + layer.out_channels;
        let stride = numbers.next_multiple_of(LANES);
        let mut d_input = vec![0.0; if wants_input { input.len() } else { 0 }];
        let mut partial = Lines::floats(blocks * stride);
        let mut packed = Lines::floats(conv_input::packed_len(layer));
        if wants_input {
            conv_input::pack_weight(self.isa, layer, weight, packed.as_mut_slice());
        }
        let mut kept = self
            .saved
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let saved = kept.pointers(layer);
        let slots = Slots(d_input.as_mut_ptr());
        let gradients = Slots(partial.as_mut_ptr());
        let scratch = conv_weight::scratch(layer, wants_input);
        Pool::global().run(&|thread, threads| {
            let mut block_input = self.padded_input();
            let mut block_output = Lines::new(out_size);
            let mut block_d_output = Lines::new(out_size);
            let mut d_map = Lines::floats(scratch.d_map);
            let mut sums = Lines::floats(scratch.sums);
            let mut border = Lines::floats(conv_input::scratch(layer));
            let mut block_d_input = Lines::new(if wants_input { in_size } else { 0 });
            for block in share(blocks, thread, threads) {
                let images = LANES.min(self.batch - block * LANES);
                // SAFETY: the memory is that of the layer; blocks belong to one thread each.
                unsafe {
                    write_block(
                        input,
                        in_size,
                        block,
                        images,
                        &self.place(),
                        block_input.as_mut_ptr(),
                    );
                    write_features(
                        d_output,
                        out_size,
                        block,
                        images,
                        block_d_output.as_mut_ptr(),
                    );
                    if !layer.pool {
                        write_features(output, out_size, block, images, block_output.as_mut_ptr());
                    }
                    let incoming = Incoming {
                        d_output: block_d_output.as_ptr(),
                        saved: saved.block(block),
                        output: self.target(&mut block_output),
                    };
                    conv_weight::gradient(
                        self.isa,
                        layer,
                        wants_input,
                        block_input.as_ptr(),
                        Extents::UNKNOWN,
                        incoming,
                        d_map.as_mut_ptr(),
                        sums.as_mut_ptr(),
                        gradients.part(block * stride, stride).as_mut_ptr(),
                    );
                    if wants_input {
                        conv_input::gradient(
                            self.isa,
                            layer,
                            packed.as_ptr(),
                            d_map.as_ptr(),
                            border.as_mut_ptr(),
                            block_d_input.as_mut_ptr(),
                        );
                        let part = slots.part(block * LANES * in_size, images * in_size);
                        pack::read_images(block_d_input.as_ptr(), in_size, part);
                    }
                }
            }
        });
        let mut sum = vec![0.0; numbers];
        for block in partial.as_slice().chunks_exact(stride.max(1)) {
            for (sum, gradient) in std::iter::zip(&mut sum, block) {
                *sum += gradient;
            }
        }
        let d_bias = sum.split_off(layer.weight_len());
        [d_input, sum, d_bias]
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let input = floats(OP, input, input_layout)?;
        let weight = floats(OP, weight, weight_layout)?;
        let bias = floats(OP, bias, bias_layout)?;
        let [channels, height, width] = self.layer.output();
        let output = self.forward(&input, &weight, &bias);
        let shape = Shape::from((self.batch, channels, height, width));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let wants_input = input.track_op();
        let [d_input, d_weight, d_bias] = with_floats(OP, input, |x| {
            with_floats(OP, weight, |w| {
                with_floats(OP, output, |y| {
                    with_floats(OP, d_output, |d| Ok(self.backward(wants_input, x, w, y, d)))
                })
            })
        })?;
        let d_input = wants_input
            .then(|| Tensor::from_vec(d_input, input.shape(), input.device()))
            .transpose()?;
        let d_weight = Tensor::from_vec(d_weight, weight.shape(), weight.device())?;
        let d_bias = Tensor::from_vec(d_bias, bias.shape(), bias.device())?;
        Ok((d_input, Some(d_weight), Some(d_bias)))
    }
}
