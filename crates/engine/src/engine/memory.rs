//! All memory of an engine, reserved once: a step allocates nothing.

use crate::blocked::conv_forward::{Saved, Target};
use crate::blocked::conv_weight;
use crate::blocked::extents::{Extent, Extents};
use crate::blocked::linear::BLOCKS;
use crate::buffer::Lines;
use crate::layers::{Activation, ConvLayer, Layers};
use crate::simd::LANES;

/// Where a weight or a bias lies in the flat arrays of parameters, gradients and moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) is_weight: bool,
}

impl Place {
    pub(crate) fn of(self, array: &Lines) -> &[f32] {
        &array.as_slice()[self.offset..][..self.len]
    }

    /// Its first number, valid for `len` floats.
    pub(crate) fn ptr(self, array: &Lines) -> *mut f32 {
        array.ptr().wrapping_add(self.offset)
    }
}

/// Where a layer's parameters lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerPlaces {
    pub(crate) weight: Place,
    pub(crate) bias: Place,
}

/// Where all parameters lie, each from a multiple of 16 on.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) convs: Vec<LayerPlaces>,
    pub(crate) linears: Vec<LayerPlaces>,
    /// Floats of the whole array.
    pub(crate) len: usize,
}

impl Places {
    pub(crate) fn new(layers: &Layers) -> Self {
        let mut end = 0;
        let mut place = |len: usize, is_weight| {
            let offset = end;
            end += len.next_multiple_of(LANES);
            Place {
                offset,
                len,
                is_weight,
            }
        };
        let mut layer = |weight, bias| LayerPlaces {
            weight: place(weight, true),
            bias: place(bias, false),
        };
        let convs = layers.convs().iter();
        let convs = convs.map(|conv| layer(conv.weight_len(), conv.out_channels));
        let convs = convs.collect();
        let linears = layers.linears().iter();
        let linears = linears.map(|linear| layer(linear.weight_len(), linear.out_features));
        let linears = linears.collect();
        Self {
            convs,
            linears,
            len: end,
        }
    }

    /// All places, in the order of [`Layers::parameters`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        let layers = self.convs.iter().chain(&self.linears);
        layers.flat_map(|layer| [layer.weight, layer.bias])
    }

    /// The parts of an array that belong to the parameters.
    pub(crate) fn get<'a>(&'a self, array: &'a Lines) -> impl Iterator<Item = &'a [f32]> {
        self.iter().map(|place| place.of(array))
    }

    /// Sets those parts to values of their lengths.
    pub(crate) fn set(&self, array: &mut Lines, values: &[&[f32]]) {
        let array = array.as_mut_slice();
        for (place, value) in self.iter().zip(values) {
            array[place.offset..][..place.len].copy_from_slice(value);
        }
    }
}

/// Floats of a block's features, with space up to a multiple of 16 of them.
pub(crate) fn block_features(count: usize) -> usize {
    count.next_multiple_of(LANES) * LANES
}

/// Floats of a block's padded input.
pub(crate) fn block_input(conv: &ConvLayer) -> usize {
    let [height, width] = conv.padded();
    conv.in_channels * height * width * LANES
}

/// Floats of the gradients of a convolution's weight and bias.
pub(crate) fn conv_gradient(conv: &ConvLayer) -> usize {
    (conv.weight_len() + conv.out_channels).next_multiple_of(LANES)
}

/// What outlives a group of blocks. The threads of a pass write to different blocks of it.
#[derive(Debug)]
pub(crate) struct BatchMemory {
    /// For each linear layer the gradient of its output before the activation, blocked.
    pub(crate) d_linear: Vec<Lines>,
    /// For each block the gradients of the convolutions, one layer after the other.
    pub(crate) conv_gradients: Lines,
    /// Floats of one block of those.
    pub(crate) conv_stride: usize,
    /// Blocked logits.
    pub(crate) logits: Lines,
    /// The loss of each image.
    pub(crate) losses: Lines,
    /// The class with the greatest logit of each image, as u32.
    pub(crate) predicted: Lines,
    /// The input of the last layer, one row an image; reserved when it is first asked for.
    pub(crate) features: Lines,
}

impl BatchMemory {
    /// For this many blocks; the gradients have space only for `trained` blocks.
    pub(crate) fn new(layers: &Layers, blocks: usize, trained: usize) -> Self {
        let linears = layers.linears().iter();
        let conv_stride = layers.convs().iter().map(conv_gradient).sum();
        Self {
            d_linear: linears
                .map(|linear| Lines::floats(trained * block_features(linear.out_features)))
                .collect(),
            conv_gradients: Lines::floats(trained * conv_stride),
            conv_stride,
            logits: Lines::floats(blocks * block_features(layers.classes())),
            losses: Lines::new(blocks),
            predicted: Lines::new(blocks),
            features: Lines::new(0),
        }
    }
}

/// What a thread needs for a convolution of the blocks that it works on.
#[derive(Debug)]
pub(crate) struct ConvScratch {
    /// The padded inputs of a group.
    pub(crate) input: Lines,
    /// What a group saves for the backward pass: masks of ReLU, or values of tanh.
    masks: Lines,
    values: Lines,
    /// The weight as the kernels read it, forward and back.
    pub(crate) packed: Lines,
    pub(crate) turned: Lines,
    /// The gradient of the input, for a block; the first convolution needs none.
    pub(crate) d_input: Lines,
}

impl ConvScratch {
    fn new(index: usize, conv: &ConvLayer, training: bool) -> Self {
        let windows = conv.output().iter().product::<usize>();
        let saved = |activation, lines: usize| {
            let wanted = training && conv.activation == activation;
            if wanted { lines * BLOCKS } else { 0 }
        };
        // The gradient of the images is not computed.
        let back = usize::from(training && index > 0);
        Self {
            input: Lines::floats(block_input(conv) * BLOCKS),
            // Four masks a window of 16 bits each, in each of the four parts that 16 lanes have
            // where a register holds four.
            masks: Lines::bytes(saved(Activation::Relu, windows * 4 * 4 * 2)),
            values: Lines::new(saved(Activation::Tanh, windows * 4)),
            packed: Lines::floats(conv.weight_len()),
            turned: Lines::floats(back * conv.weight_len()),
            d_input: Lines::new(back * conv.in_channels * conv.height * conv.width),
        }
    }
}

/// What one thread needs for the blocks that it works on.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// For images that are made on demand, one after the other.
    pub(crate) buffer: Vec<u8>,
    pub(crate) convs: Vec<ConvScratch>,
    /// Where the rows of the first inputs of a group are not 0.
    pub(crate) extents: Vec<Extent>,
    /// For each linear layer the inputs of a group.
    pub(crate) features: Vec<Lines>,
    /// The gradient of the first linear layer's input, for a group.
    pub(crate) d_features: Lines,
    /// The gradient of the logits of a block, if only the losses are wanted.
    pub(crate) d_logits: Lines,
    /// For the gradient of a convolution's weight.
    pub(crate) d_map: Lines,
    pub(crate) sums: Lines,
    /// The version of the parameters whose convolutions are packed.
    pub(crate) packed_version: u64,
}

impl Scratch {
    pub(crate) fn new(layers: &Layers, training: bool) -> Self {
        let convs = layers.convs().iter().enumerate();
        let linears = layers.linears();
        let trained = usize::from(training);
        let group = |count| Lines::floats(block_features(count) * BLOCKS);
        let d_maps = convs
            .clone()
            .map(|(index, conv)| conv_weight::d_map_len(conv, index > 0));
        let sums = layers.convs().iter().map(conv_weight::sums_len);
        Self {
            buffer: vec![0; layers.pixels() * LANES],
            extents: vec![Extent::default(); layers.convs()[0].padded()[0] * BLOCKS],
            features: linears.iter().map(|own| group(own.in_features)).collect(),
            d_features: group(trained * linears[0].in_features),
            d_logits: Lines::floats(block_features(layers.classes())),
            d_map: Lines::floats(trained * d_maps.max().unwrap_or(0)),
            sums: Lines::floats(trained * sums.max().unwrap_or(0)),
            convs: convs
                .map(|(index, conv)| ConvScratch::new(index, conv, training))
                .collect(),
            packed_version: 0,
        }
    }

    /// The padded input of a convolution in a group's block.
    pub(crate) fn input(&self, layers: &Layers, index: usize, block: usize) -> *mut f32 {
        let offset = block * block_input(&layers.convs()[index]);
        self.convs[index].input.ptr().wrapping_add(offset)
    }

    /// Where a convolution's input is not 0 in a group's block.
    pub(crate) fn extents(&self, layers: &Layers, index: usize, block: usize) -> Extents<'_> {
        let [height, _] = layers.convs()[0].padded();
        match index {
            0 => Extents(&self.extents[block * height..][..height]),
            _ => Extents::UNKNOWN,
        }
    }

    /// Where a convolution's output goes in a group's block: into the next one's padded input, or
    /// into the features of the first linear layer.
    pub(crate) fn target(&self, layers: &Layers, index: usize, block: usize) -> Target {
        let [_, rows, columns] = layers.convs()[index].output();
        let data = match layers.convs().get(index + 1) {
            // Only the first convolution has padding.
            Some(_) => self.input(layers, index + 1, block),
            None => {
                let offset = block * block_features(layers.linears()[0].in_features);
                self.features[0].ptr().wrapping_add(offset)
            }
        };
        Target {
            data,
            channel_stride: rows * columns * LANES,
            row_stride: columns * LANES,
        }
    }

    /// What a convolution saves in a group's block for the backward pass.
    pub(crate) fn saved(&self, layers: &Layers, index: usize, block: usize) -> Saved {
        let conv = &layers.convs()[index];
        let windows = conv.output().iter().product::<usize>() * 4;
        let own = &self.convs[index];
        match conv.activation {
            Activation::Relu => {
                let masks = own.masks.ptr().cast::<u16>();
                Saved::Masks(masks.wrapping_add(block * windows * 4))
            }
            _ => Saved::Values(own.values.ptr().wrapping_add(block * windows * LANES)),
        }
    }
}
