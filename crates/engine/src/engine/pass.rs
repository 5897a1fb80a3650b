//! Forward and backward pass of a group of blocks, on one thread.

use super::arithmetic::{Arithmetic, At};
use super::images::{Images, Pixels};
use super::memory::{BatchMemory, Places, Scratch, block_features, conv_gradient};
use crate::Isa;
use crate::blocked::conv_forward::{Forward, Saved};
use crate::blocked::cross_entropy::{self, cross_entropy};
use crate::blocked::linear::{Features, Finish, Matrix, Product};
use crate::blocked::unpool::Incoming;
use crate::blocked::{conv_input, conv_weight, extents, pack};
use crate::buffer::Lines;
use crate::layers::Layers;
use crate::simd::LANES;

/// How far a pass goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// To the logits.
    Logits,
    /// To the logits; the input of the last layer is kept, one row of [`feature_row`] floats an
    /// image.
    Features,
    /// To the loss of each image, with these labels.
    Losses { labels: &'a [u32] },
    /// Back to the gradients of the parameters.
    Gradients(FromLogits<'a>),
}

/// The gradient of the logits, with which a backward pass begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FromLogits<'a> {
    /// That of the mean cross-entropy with these labels and this ε of label smoothing.
    CrossEntropy { labels: &'a [u32], smoothing: f32 },
    /// This one, (N, K).
    Given(&'a [f32]),
}

/// Floats of a row that holds an image's features.
pub(crate) fn feature_row(features: usize) -> usize {
    features.next_multiple_of(LANES)
}

/// What all threads of a pass read, and the memory of which each writes its own blocks.
pub(crate) struct Pass<'a> {
    pub(crate) isa: Isa,
    pub(crate) arithmetic: &'a dyn Arithmetic,
    pub(crate) layers: &'a Layers,
    pub(crate) places: &'a Places,
    pub(crate) parameters: &'a Lines,
    /// Counts the changes of the parameters.
    pub(crate) version: u64,
    pub(crate) images: &'a dyn Images,
    /// Images of the batch.
    pub(crate) count: usize,
    pub(crate) goal: Goal<'a>,
    pub(crate) batch: &'a BatchMemory,
}

/// Some blocks that a thread takes together, at most [`BLOCKS`](crate::blocked::linear::BLOCKS).
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) thread: usize,
    /// The first of them in the batch.
    pub(crate) first: usize,
    pub(crate) blocks: usize,
}

impl Group {
    fn at(self, index: usize) -> At {
        let thread = self.thread;
        At { index, thread }
    }
}

impl Pass<'_> {
    /// Packs the convolutions' weights if the parameters have another version than the last time.
    pub(crate) fn pack(&self, scratch: &mut Scratch, thread: usize) {
        if scratch.packed_version == self.version {
            return;
        }
        scratch.packed_version = self.version;
        let layers = self.layers.convs().iter().zip(&self.places.convs);
        for (index, ((conv, places), own)) in layers.zip(&mut scratch.convs).enumerate() {
            let weight = places.weight.of(self.parameters);
            let at = At { index, thread };
            self.arithmetic.pack_conv(at, conv, weight, own);
        }
    }

    /// The whole pass of a group.
    ///
    /// # Safety
    /// No other thread may have these blocks of the batch; scratch, batch, places and parameters
    /// must be made for the layers, and the batch for `count` images.
    pub(crate) unsafe fn group(&self, scratch: &mut Scratch, group: Group) {
        let Group { first, blocks, .. } = group;
        let last = self.layers.linears().len() - 1;
        // SAFETY: the group's blocks are this thread's, and the memory is made for the layers. What
        // is kept of a block has its number in the batch as its place.
        unsafe {
            for block in 0..blocks {
                self.convolve(scratch, group, block);
            }
            self.classify(scratch, group);
            match self.goal {
                Goal::Logits => {}
                Goal::Features => {
                    let count = self.layers.features();
                    let row = feature_row(count);
                    for block in 0..blocks {
                        let from = block * block_features(count);
                        let from = scratch.features[last].as_ptr().add(from);
                        let to = self.batch.features.ptr().add((first + block) * LANES * row);
                        pack::to_rows(self.isa, count, from, to, row);
                    }
                }
                Goal::Losses { labels } => {
                    for block in first..first + blocks {
                        // The gradient is not needed.
                        self.losses(labels, 0.0, block, scratch.d_logits.ptr());
                    }
                }
                Goal::Gradients(from) => {
                    let stride = block_features(self.layers.classes());
                    for block in first..first + blocks {
                        let d_logits = self.batch.d_linear[last].ptr().add(block * stride);
                        match from {
                            FromLogits::CrossEntropy { labels, smoothing } => {
                                self.losses(labels, smoothing, block, d_logits);
                            }
                            FromLogits::Given(given) => self.take(given, block, d_logits),
                        }
                    }
                    self.linear_backward(scratch, group);
                    for block in 0..blocks {
                        self.conv_backward(scratch, group, block);
                    }
                }
            }
        }
    }

    /// Images of a block of the batch.
    fn images_of(&self, block: usize) -> usize {
        (self.count - block * LANES).min(LANES)
    }

    /// The images of the group's `own`-th block into their lanes, and through the convolutions.
    unsafe fn convolve(&self, scratch: &mut Scratch, group: Group, own: usize) {
        let block = group.first + own;
        let convs = self.layers.convs();
        let first = &convs[0];
        let images = self.images_of(block);
        let mut pixels = [Pixels::Floats(&[]); LANES];
        let buffers = scratch.buffer.chunks_exact_mut(self.layers.pixels());
        for (lane, (pixels, buffer)) in pixels[..images].iter_mut().zip(buffers).enumerate() {
            *pixels = self.images.pixels(block * LANES + lane, buffer);
        }
        let input = scratch.convs[0].input.ptr();
        let [height, width] = first.padded();
        let extents = &mut scratch.extents[own * height..][..height];
        // SAFETY: the input has space for a group's blocks, of which this is the `own`-th.
        unsafe {
            let input = input.add(own * super::memory::block_input(first));
            pack::write_images(&pixels[..images], first, input);
            extents::find(first.in_channels, height, width, input, extents);
        }
        let next = (block + 1) * LANES;
        for image in next..self.count.min(next + LANES) {
            self.images.prefetch(image);
        }
        for (index, conv) in convs.iter().enumerate() {
            let operands = Forward {
                layer: conv,
                input: scratch.input(self.layers, index, own),
                packed: scratch.convs[index].packed.as_ptr(),
                bias: self.places.convs[index].bias.ptr(self.parameters),
                output: scratch.target(self.layers, index, own),
                saved: match self.goal {
                    Goal::Gradients(_) => scratch.saved(self.layers, index, own),
                    _ => Saved::Nothing,
                },
                extents: scratch.extents(self.layers, index, own),
            };
            // SAFETY: the memory is made for the layer.
            unsafe { self.arithmetic.conv_forward(group.at(index), operands) }
        }
    }

    /// Features to logits and classes.
    unsafe fn classify(&self, scratch: &mut Scratch, group: Group) {
        let Group { first, blocks, .. } = group;
        for (index, linear) in self.layers.linears().iter().enumerate() {
            let places = &self.places.linears[index];
            let stride = block_features(linear.out_features);
            let to = match scratch.features.get(index + 1) {
                Some(next) => next.ptr(),
                None => self.batch.logits.ptr().wrapping_add(first * stride),
            };
            let operands = Product {
                matrix: Matrix {
                    data: places.weight.ptr(self.parameters),
                    rows: linear.out_features,
                    columns: linear.in_features,
                    row_stride: linear.in_features,
                    column_stride: 1,
                },
                blocks,
                from: self.features(scratch, index),
                to: Features { data: to, stride },
                finish: Finish::Activate {
                    bias: places.bias.ptr(self.parameters),
                    activation: linear.activation,
                },
            };
            // SAFETY: the matrix is the layer's weight; features and logits have space for the
            // group's blocks.
            unsafe { self.arithmetic.linear_forward(group.at(index), operands) }
        }
        let classes = self.layers.classes();
        let predicted = self.batch.predicted.ptr().cast::<u32>();
        for block in first..first + blocks {
            for lane in 0..self.images_of(block) {
                // SAFETY: the batch has logits and a class for each of its images.
                unsafe {
                    let logits = self.batch.logits.as_ptr();
                    let logits = logits.add(block * block_features(classes));
                    *predicted.add(block * LANES + lane) =
                        cross_entropy::predicted(classes, logits, lane);
                }
            }
        }
    }

    /// The inputs of a linear layer in the group's blocks.
    fn features(&self, scratch: &Scratch, index: usize) -> Features<*const f32> {
        Features {
            data: scratch.features[index].as_ptr(),
            stride: block_features(self.layers.linears()[index].in_features),
        }
    }

    /// A block's part of the gradient of the logits (N, K) into its lanes, and zeros into the lanes
    /// without an image. `d_logits` must have space for (K, 16).
    unsafe fn take(&self, given: &[f32], block: usize, d_logits: *mut f32) {
        let classes = self.layers.classes();
        let images = self.images_of(block);
        let rows = &given[block * LANES * classes..][..images * classes];
        for class in 0..classes {
            for lane in 0..LANES {
                let d = if lane < images {
                    rows[lane * classes + class]
                } else {
                    0.0
                };
                // SAFETY: class and lane are below K and 16.
                unsafe { *d_logits.add(class * LANES + lane) = d }
            }
        }
    }

    /// Losses of a block, and their gradient by the logits. `d_logits` must have space for (K, 16).
    unsafe fn losses(&self, labels: &[u32], smoothing: f32, block: usize, d_logits: *mut f32) {
        let classes = self.layers.classes();
        // SAFETY: the batch has logits and a loss for each of its images; there is a label below K
        // for each, which was checked before the pass.
        unsafe {
            let logits = self.batch.logits.as_ptr();
            let operands = cross_entropy::Block {
                classes,
                logits: logits.add(block * block_features(classes)),
                labels: labels.as_ptr().add(block * LANES),
                images: self.images_of(block),
                smoothing,
                scale: 1.0 / self.count as f32,
            };
            let losses = self.batch.losses.ptr().add(block * LANES);
            cross_entropy(self.isa, &operands, d_logits, losses);
        }
    }

    /// From the logits back to the features of the first linear layer; keeps each layer's input for
    /// the gradient of its weight, which is computed when all blocks are done.
    unsafe fn linear_backward(&self, scratch: &mut Scratch, group: Group) {
        let Group { first, blocks, .. } = group;
        let linears = self.layers.linears();
        for (index, linear) in linears.iter().enumerate().rev() {
            let [out_features, in_features] = linear.weight();
            let [from_stride, to_stride] = [out_features, in_features].map(block_features);
            let (to, finish) = match index.checked_sub(1) {
                None => (scratch.d_features.ptr(), Finish::Keep),
                Some(before) => {
                    let to = self.batch.d_linear[before].ptr();
                    let finish = Finish::Chain {
                        output: scratch.features[index].as_ptr(),
                        activation: linears[before].activation,
                    };
                    (to.wrapping_add(first * to_stride), finish)
                }
            };
            let from = self.batch.d_linear[index].as_ptr();
            let operands = Product {
                matrix: Matrix {
                    data: self.places.linears[index].weight.ptr(self.parameters),
                    rows: in_features,
                    columns: out_features,
                    row_stride: 1,
                    column_stride: in_features,
                },
                blocks,
                from: Features {
                    data: from.wrapping_add(first * from_stride),
                    stride: from_stride,
                },
                to: Features {
                    data: to,
                    stride: to_stride,
                },
                finish,
            };
            let (at, input) = (group.at(index), self.features(scratch, index));
            // SAFETY: the matrix is the layer's weight, transposed; gradients and features have
            // space for the group's blocks, which are this thread's.
            unsafe { self.arithmetic.linear_backward(at, operands, input, first) }
        }
    }

    /// From the features of the first linear layer back through the convolutions, in the group's
    /// `own`-th block.
    unsafe fn conv_backward(&self, scratch: &mut Scratch, group: Group, own: usize) {
        let layers = self.layers;
        let stride = block_features(layers.linears()[0].in_features);
        let mut d_output = scratch.d_features.as_ptr().wrapping_add(own * stride);
        let gradients = self.batch.conv_gradients.ptr();
        let mut end = (group.first + own + 1) * self.batch.conv_stride;
        for (index, conv) in layers.convs().iter().enumerate().rev() {
            end -= conv_gradient(conv);
            let memory = &scratch.convs[index];
            let d_map = scratch.d_map.ptr();
            let operands = conv_weight::Backward {
                layer: conv,
                whole: index > 0,
                input: scratch.input(layers, index, own),
                extents: scratch.extents(layers, index, own),
                incoming: Incoming {
                    d_output,
                    saved: scratch.saved(layers, index, own),
                },
                d_map,
                sums: scratch.sums.ptr(),
                gradient: gradients.wrapping_add(end),
            };
            let input = (index > 0).then(|| conv_input::Backward {
                layer: conv,
                packed: memory.turned.as_ptr(),
                d_map,
                d_input: memory.d_input.ptr(),
            });
            // SAFETY: the memory is made for the layer, and the forward pass saved what `incoming`
            // reads; the gradients of this block are this thread's. All but the first convolution
            // have no padding, and their input's gradient follows that of the whole map.
            unsafe {
                self.arithmetic
                    .conv_backward(group.at(index), operands, input);
            }
            d_output = memory.d_input.as_ptr();
        }
    }
}
