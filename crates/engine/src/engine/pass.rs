//! Forward and backward pass of a group of blocks, on one thread.

use crate::Isa;
use crate::blocked::conv_forward::{self, Saved};
use crate::blocked::cross_entropy::{self, cross_entropy};
use crate::blocked::linear::{Features, Finish, Matrix, product};
use crate::blocked::pack::Pixels;
use crate::blocked::unpool::Incoming;
#[cfg(target_arch = "x86_64")]
use crate::blocked::unpool::unpool;
use crate::blocked::{conv_input, conv_weight, extents, pack};
use crate::engine::memory::{Place, Scratch, conv_gradient, features};
use crate::engine::{Images, Layers};
use crate::simd::LANES;

/// Where the threads of a pass put what outlives their blocks. The threads write to different
/// blocks.
#[derive(Debug)]
pub(crate) struct BatchPointers {
    pub(crate) rows: Vec<*mut f32>,
    pub(crate) d_linear: Vec<*mut f32>,
    pub(crate) conv_gradients: *mut f32,
    pub(crate) conv_stride: usize,
    pub(crate) logits: *mut f32,
    pub(crate) losses: *mut f32,
    pub(crate) predicted: *mut u32,
    pub(crate) labels: *const u32,
    #[cfg(target_arch = "x86_64")]
    pub(crate) tiles: Vec<[*mut u8; 2]>,
}

/// How far a pass goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent<'a> {
    /// To the logits.
    Logits,
    /// To the logits; the input of the last layer is kept here, an image a row of
    /// [`feature_row`] floats.
    Features(*mut f32),
    /// To the loss of each image.
    Losses,
    /// Back to the gradients of the parameters.
    Backward(FromLogits<'a>),
}

/// The gradient of the logits, with which a backward pass begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FromLogits<'a> {
    /// That of the mean cross-entropy, with this ε of label smoothing.
    CrossEntropy { smoothing: f32 },
    /// This one, (N, K).
    Given(&'a [f32]),
}

/// Floats of a row that holds an image's features.
pub(crate) fn feature_row(features: usize) -> usize {
    features.next_multiple_of(LANES)
}

/// What all threads of a pass read.
pub(crate) struct Pass<'a> {
    pub(crate) isa: Isa,
    pub(crate) layers: &'a Layers,
    pub(crate) places: &'a [Place],
    pub(crate) parameters: *const f32,
    pub(crate) images: &'a dyn Images,
    /// Images of the batch.
    pub(crate) count: usize,
    /// How far it goes.
    pub(crate) extent: Extent<'a>,
    pub(crate) batch: &'a BatchPointers,
    /// The weights of the linear layers, where they run on tiles.
    #[cfg(target_arch = "x86_64")]
    pub(crate) weights: Option<&'a super::tiles::Weights>,
}

// SAFETY: the pointers lead to memory that the engine borrows for the whole pass; threads read the
// parameters and write to the blocks that are their own.
unsafe impl Sync for Pass<'_> {}

impl Pass<'_> {
    /// The blocks `first..first + blocks`, at most [`BLOCKS`](crate::blocked::linear::BLOCKS).
    ///
    /// # Safety
    /// No other thread may have these blocks, and the memory must be that of the layers.
    pub(crate) unsafe fn group(&self, scratch: &mut Scratch, first: usize, blocks: usize) {
        // SAFETY: the caller's.
        unsafe {
            for block in 0..blocks {
                self.convolve(scratch, first + block, block);
            }
            self.classify(scratch, first, blocks);
            match self.extent {
                Extent::Logits => {}
                Extent::Losses => {
                    for block in 0..blocks {
                        // Nobody looks at the gradient, which falls off.
                        self.lose(0.0, first + block, scratch.d_logits.as_mut_ptr());
                    }
                }
                Extent::Features(rows) => {
                    let last = self.layers.linears().len() - 1;
                    let count = self.layers.linears()[last].in_features;
                    for block in 0..blocks {
                        pack::to_rows(
                            self.isa,
                            count,
                            scratch.features[last].as_ptr().add(block * features(count)),
                            rows.add((first + block) * LANES * feature_row(count)),
                            feature_row(count),
                        );
                    }
                }
                Extent::Backward(from) => {
                    let last = self.layers.linears().len() - 1;
                    let stride = features(self.layers.classes());
                    for block in first..first + blocks {
                        let d_logits = self.batch.d_linear[last].add(block * stride);
                        match from {
                            FromLogits::CrossEntropy { smoothing } => {
                                self.lose(smoothing, block, d_logits);
                            }
                            FromLogits::Given(given) => self.take(given, block, d_logits),
                        }
                    }
                    self.linear_backward(scratch, first, blocks);
                    for block in 0..blocks {
                        self.conv_backward(scratch, first + block, block);
                    }
                }
            }
        }
    }

    fn parameter(&self, index: usize) -> *const f32 {
        self.parameters.wrapping_add(self.places[index].offset)
    }

    /// Images of a block of the batch.
    fn images_of(&self, block: usize) -> usize {
        (self.count - block * LANES).min(LANES)
    }

    /// The images into their lanes, and through the convolutions.
    unsafe fn convolve(&self, scratch: &mut Scratch, block: usize, own: usize) {
        let convs = self.layers.convs();
        let first = &convs[0];
        let place = pack::Place {
            channels: first.in_channels,
            height: first.height,
            width: first.width,
            padding: first.padding,
        };
        let input = scratch.input(self.layers, 0, own);
        let images = self.images_of(block);
        // SAFETY: the input has the size of the place, and the layers' memory that of the layers.
        unsafe {
            let mut pixels = [Pixels::Floats(&[]); LANES];
            let rooms = scratch.room.chunks_exact_mut(self.layers.pixels().max(1));
            let lanes = std::iter::zip(&mut pixels[..images], rooms).enumerate();
            for (lane, (pixels, room)) in lanes {
                *pixels = self.images.pixels(block * LANES + lane, room);
            }
            pack::write_images(&pixels[..images], &place, input);
            let [height, width] = first.padded();
            let extents = &mut scratch.extents[own * height..][..height];
            extents::find(first.in_channels, height, width, input, extents);
            let next = (block + 1) * LANES;
            for image in next..self.count.min(next + LANES) {
                self.images.prefetch(image);
            }
            for (index, conv) in convs.iter().enumerate() {
                let saved = match self.extent {
                    Extent::Backward(_) => scratch.saved(self.layers, index, own),
                    _ => Saved::Nothing,
                };
                let input = scratch.input(self.layers, index, own);
                let bias = self.parameter(2 * index + 1);
                let target = scratch.target(self.layers, index, own);
                #[cfg(target_arch = "x86_64")]
                if let Some(tiles) = &mut scratch.tiles
                    && let Some(tiles) = &mut tiles.convs[index]
                {
                    tiles.forward(conv, input, bias, target, saved);
                    continue;
                }
                let packed = scratch.packed[index].as_ptr();
                let extents = scratch.extents(conv, index, own);
                conv_forward::forward(self.isa, conv, input, packed, bias, target, saved, extents);
            }
        }
    }

    /// Features to logits.
    unsafe fn classify(&self, scratch: &mut Scratch, first: usize, blocks: usize) {
        let convs = self.layers.convs().len();
        let linears = self.layers.linears();
        // SAFETY: the memory is that of the layers.
        unsafe {
            for (index, linear) in linears.iter().enumerate() {
                let parameter = 2 * (convs + index);
                let matrix = Matrix {
                    data: self.parameter(parameter),
                    rows: linear.out_features,
                    columns: linear.in_features,
                    row_stride: linear.in_features,
                    column_stride: 1,
                };
                let stride = features(linear.out_features);
                let to = match scratch.features.get_mut(index + 1) {
                    Some(next) => next.as_mut_ptr(),
                    None => self.batch.logits.add(first * stride),
                };
                let from = Features {
                    data: scratch.features[index].as_ptr(),
                    stride: features(linear.in_features),
                };
                let to = Features { data: to, stride };
                let finish = Finish::Activate {
                    bias: self.parameter(parameter + 1),
                    activation: linear.activation,
                };
                #[cfg(target_arch = "x86_64")]
                if let (Some(tiles), Some(weights)) = (&mut scratch.tiles, self.weights) {
                    let weight = &weights.forward[index];
                    tiles.forward[index].product(weight, blocks, from, to, finish);
                    continue;
                }
                product(self.isa, matrix, blocks, from, to, finish);
            }
            let classes = self.layers.classes();
            for block in first..first + blocks {
                let logits = self.batch.logits.add(block * features(classes));
                for lane in 0..self.images_of(block) {
                    *self.batch.predicted.add(block * LANES + lane) =
                        cross_entropy::predicted(classes, logits, lane);
                }
            }
        }
    }

    /// A block's part of the gradient of the logits (N, K) into its lanes, and zeros into the lanes
    /// without an image.
    ///
    /// # Safety
    /// `d_logits` must have room for (K, 16).
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

    /// Losses of a block, and their gradient by the logits.
    unsafe fn lose(&self, smoothing: f32, block: usize, d_logits: *mut f32) {
        let classes = self.layers.classes();
        // SAFETY: the memory is that of the layers; labels were checked.
        unsafe {
            let operands = cross_entropy::Block {
                classes,
                logits: self.batch.logits.add(block * features(classes)),
                labels: self.batch.labels.add(block * LANES),
                images: self.images_of(block),
                smoothing,
                scale: 1.0 / self.count as f32,
            };
            let losses = self.batch.losses.add(block * LANES);
            cross_entropy(self.isa, &operands, d_logits, losses);
        }
    }

    /// From the logits back to the features of the first linear layer; and its input for the
    /// gradient of the weight, which is computed when all blocks are done.
    unsafe fn linear_backward(&self, scratch: &mut Scratch, first: usize, blocks: usize) {
        let convs = self.layers.convs().len();
        // SAFETY: the memory is that of the layers.
        unsafe {
            for (index, linear) in self.layers.linears().iter().enumerate().rev() {
                let stride = features(linear.out_features);
                let in_stride = features(linear.in_features);
                let matrix = Matrix {
                    data: self.parameter(2 * (convs + index)),
                    rows: linear.in_features,
                    columns: linear.out_features,
                    row_stride: 1,
                    column_stride: linear.in_features,
                };
                let (to, finish) = match index {
                    0 => (scratch.d_features.as_mut_ptr(), Finish::Keep),
                    _ => (
                        self.batch.d_linear[index - 1].add(first * in_stride),
                        Finish::Chain {
                            output: scratch.features[index].as_ptr(),
                            activation: self.layers.linears()[index - 1].activation,
                        },
                    ),
                };
                let d_output = self.batch.d_linear[index].add(first * stride);
                let from = Features {
                    data: d_output.cast_const(),
                    stride,
                };
                let to = Features {
                    data: to,
                    stride: in_stride,
                };
                #[cfg(target_arch = "x86_64")]
                if let (Some(tiles), Some(weights)) = (&mut scratch.tiles, self.weights) {
                    let weight = &weights.backward[index];
                    tiles.backward[index].product(weight, blocks, from, to, finish);
                    if blocks % 2 == 1 {
                        // The last pair of the batch has one block: the gradient of the other is 0.
                        std::ptr::write_bytes(d_output.add(blocks * stride), 0, stride);
                    }
                    for block in (0..blocks).step_by(2) {
                        super::tiles::keep_pair(
                            linear.in_features,
                            linear.out_features,
                            scratch.features[index].as_ptr().add(block * in_stride),
                            d_output.add(block * stride),
                            (first + block) / 2,
                            self.batch.tiles[index],
                        );
                    }
                    continue;
                }
                product(self.isa, matrix, blocks, from, to, finish);
                let row = linear.in_features.next_multiple_of(LANES);
                for block in 0..blocks {
                    pack::to_rows(
                        self.isa,
                        linear.in_features,
                        scratch.features[index].as_ptr().add(block * in_stride),
                        self.batch.rows[index].add((first + block) * LANES * row),
                        row,
                    );
                }
            }
        }
    }

    /// From the features of the first linear layer back through the convolutions.
    unsafe fn conv_backward(&self, scratch: &mut Scratch, block: usize, own: usize) {
        let convs = self.layers.convs();
        let stride = features(self.layers.linears()[0].in_features);
        let mut gradients: usize = convs.iter().map(conv_gradient).sum();
        // SAFETY: the memory is that of the layers.
        unsafe {
            let mut d_output = scratch.d_features.as_ptr().add(own * stride);
            for (index, conv) in convs.iter().enumerate().rev() {
                gradients -= conv_gradient(conv);
                let incoming = Incoming {
                    d_output,
                    saved: scratch.saved(self.layers, index, own),
                    output: scratch.target(self.layers, index, own),
                };
                #[cfg(target_arch = "x86_64")]
                if let Some(tiles) = &mut scratch.tiles
                    && let Some(tiles) = &mut tiles.convs[index]
                {
                    let [_, rows, _] = conv.output();
                    let d_map = scratch.d_map.as_mut_ptr();
                    unpool(self.isa, conv, incoming, 0, rows, d_map);
                    let input = &scratch.inputs[index];
                    let input = input.as_ptr().add(own * super::memory::input(conv));
                    let to = self.batch.conv_gradients;
                    let to = to.add(block * self.batch.conv_stride + gradients);
                    tiles.weight_gradient(conv, input, d_map, to);
                    let d_input = scratch.d_inputs[index].as_mut_ptr();
                    tiles.input_gradient(conv, d_map, d_input);
                    d_output = d_input;
                    continue;
                }
                let input = scratch.input(self.layers, index, own);
                let (d_map, sums) = (scratch.d_map.as_mut_ptr(), scratch.sums.as_mut_ptr());
                conv_weight::gradient(
                    self.isa,
                    conv,
                    index > 0,
                    input,
                    scratch.extents(conv, index, own),
                    incoming,
                    d_map,
                    sums,
                    self.batch
                        .conv_gradients
                        .add(block * self.batch.conv_stride + gradients),
                );
                if index > 0 {
                    conv_input::gradient(
                        self.isa,
                        conv,
                        scratch.packed_turned[index].as_ptr(),
                        scratch.d_map.as_ptr(),
                        scratch.border.as_mut_ptr(),
                        scratch.d_inputs[index].as_mut_ptr(),
                    );
                    d_output = scratch.d_inputs[index].as_ptr();
                }
            }
        }
    }
}
