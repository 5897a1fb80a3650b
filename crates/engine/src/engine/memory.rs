//! All memory of an engine, reserved once: a step allocates nothing.

#[cfg(target_arch = "x86_64")]
use crate::amx;
use crate::blocked::conv_forward::{Saved, Target};
use crate::blocked::extents::{Extent, Extents};
use crate::blocked::linear::BLOCKS;
use crate::blocked::{Lines, conv_input, conv_weight};
use crate::engine::{Layers, Precision};
use crate::geometry::ConvLayer;
use crate::reference::activation::Activation;
use crate::simd::LANES;
use crate::{Error, Isa, Result};

/// Where a parameter lies in the flat arrays of parameters, gradients and moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// The places of all parameters, each at a multiple of 16, and the length of the whole.
pub(crate) fn places(layers: &Layers) -> (Vec<Place>, usize) {
    let mut offset = 0;
    let places = layers.parameters().into_iter().map(|len| {
        let place = Place { offset, len };
        offset += len.next_multiple_of(LANES);
        place
    });
    let places = places.collect();
    (places, offset)
}

/// Floats of a block's features, with room up to a multiple of 16 of them.
pub(crate) fn features(count: usize) -> usize {
    count.next_multiple_of(LANES) * LANES
}

/// Floats of a block's padded input.
pub(crate) fn input(conv: &ConvLayer) -> usize {
    let [height, width] = conv.padded();
    conv.in_channels * height * width * LANES
}

/// What must outlive a group of blocks: it is read when all blocks are done.
#[derive(Debug)]
pub(crate) struct BatchMemory {
    /// For each linear layer its input, an image a row.
    pub(crate) rows: Vec<Lines>,
    /// For each linear layer the gradient of its output before the activation, blocked.
    pub(crate) d_linear: Vec<Lines>,
    /// For each block the gradients of the convolutions, one layer behind the other.
    pub(crate) conv_gradients: Lines,
    /// Floats of one block of those.
    pub(crate) conv_stride: usize,
    /// Blocked logits.
    pub(crate) logits: Lines,
    /// The loss of each image.
    pub(crate) losses: Lines,
    /// The class with the greatest logit of each image.
    pub(crate) predicted: Vec<u32>,
    /// The labels, with room up to a multiple of 16.
    pub(crate) labels: Vec<u32>,
    /// For each linear layer its input and the gradient of its output, as tiles want them.
    #[cfg(target_arch = "x86_64")]
    pub(crate) tiles: Vec<[Lines; 2]>,
}

/// Floats of the gradients of a convolution's weight and bias.
pub(crate) fn conv_gradient(conv: &ConvLayer) -> usize {
    (conv.weight_len() + conv.out_channels).next_multiple_of(LANES)
}

impl BatchMemory {
    /// For so many blocks; without training only the logits have room.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, reason = "tiles are for x86-64")
    )]
    pub(crate) fn new(
        layers: &Layers,
        blocks: usize,
        training: bool,
        precision: Precision,
    ) -> Self {
        // An even number, for tiles take two blocks.
        let kept = if training {
            blocks.next_multiple_of(2)
        } else {
            0
        };
        let [in_rows, in_tiles] = match precision {
            Precision::F32 => [kept, 0],
            Precision::Bf16 => [0, kept / 2],
        };
        let linears = layers.linears().iter();
        let rows = |inputs: usize| Lines::floats(in_rows * LANES * inputs.next_multiple_of(LANES));
        let conv_stride = layers.convs().iter().map(conv_gradient).sum();
        Self {
            rows: linears
                .clone()
                .map(|linear| rows(linear.in_features))
                .collect(),
            d_linear: linears
                .map(|linear| Lines::floats(kept * features(linear.out_features)))
                .collect(),
            conv_gradients: Lines::floats(kept * conv_stride),
            conv_stride,
            logits: Lines::floats(blocks * features(layers.classes())),
            losses: Lines::new(blocks),
            predicted: vec![0; blocks * LANES],
            labels: vec![0; blocks * LANES],
            #[cfg(target_arch = "x86_64")]
            tiles: layers
                .linears()
                .iter()
                .map(|linear| {
                    let rows = amx::linear::rows_bytes(linear.in_features);
                    let d_output = amx::linear::d_output_bytes(linear.out_features);
                    [rows, d_output].map(|bytes| Lines::bytes(in_tiles * bytes))
                })
                .collect(),
        }
    }
}

/// What one thread needs for the blocks that it works on.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// For images that are made when they are asked for, one behind the other.
    pub(crate) room: Vec<u8>,
    /// For each convolution the padded inputs of a group.
    pub(crate) inputs: Vec<Lines>,
    /// Where the rows of the first inputs of a group are not 0.
    pub(crate) extents: Vec<Extent>,
    /// For each convolution what a group saves for the backward pass.
    pub(crate) masks: Vec<Vec<u16>>,
    pub(crate) values: Vec<Lines>,
    /// For each linear layer the inputs of a group.
    pub(crate) features: Vec<Lines>,
    /// The gradient of the first linear layer's input, for a group.
    pub(crate) d_features: Lines,
    /// The gradient of the logits of a block, where only the losses are wanted.
    pub(crate) d_logits: Lines,
    /// For each convolution but the first the gradient of its input, for a block.
    pub(crate) d_inputs: Vec<Lines>,
    pub(crate) d_map: Lines,
    pub(crate) sums: Lines,
    pub(crate) border: Lines,
    /// The weights of the convolutions as the kernels want them, and of which version they are.
    pub(crate) packed: Vec<Lines>,
    pub(crate) packed_turned: Vec<Lines>,
    pub(crate) packed_version: u64,
    /// The same for tiles, where the precision is bf16.
    #[cfg(target_arch = "x86_64")]
    pub(crate) tiles: Option<super::tiles::Tiles>,
}

impl Scratch {
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, reason = "tiles are for x86-64")
    )]
    pub(crate) fn new(layers: &Layers, training: bool, precision: Precision) -> Self {
        let convs = layers.convs();
        let most = |size: &dyn Fn(usize, &ConvLayer) -> usize| {
            let sizes = convs
                .iter()
                .enumerate()
                .map(|(index, conv)| size(index, conv));
            Lines::floats(if training {
                sizes.max().unwrap_or(0)
            } else {
                0
            })
        };
        let window = |conv: &ConvLayer, activation| {
            let wanted = training && conv.pool && conv.activation == activation;
            if wanted {
                conv.output().iter().product::<usize>() * 4
            } else {
                0
            }
        };
        // Four parts of 16 lanes where a register holds four.
        let masks = |conv| vec![0; window(conv, Activation::Relu) * 4 * BLOCKS];
        let values = |conv| Lines::new(window(conv, Activation::Tanh) * BLOCKS);
        let group = |count| Lines::floats(features(count) * BLOCKS);
        let linears = layers.linears();
        let first = linears.first().map_or(0, |first| first.in_features);
        Self {
            room: vec![0; layers.pixels() * LANES],
            inputs: convs
                .iter()
                .map(|conv| Lines::floats(input(conv) * BLOCKS))
                .collect(),
            extents: vec![
                Extent { first: 0, end: 0 };
                convs.first().map_or(0, |first| first.padded()[0]) * BLOCKS
            ],
            masks: convs.iter().map(masks).collect(),
            values: convs.iter().map(values).collect(),
            features: linears
                .iter()
                .map(|linear| group(linear.in_features))
                .collect(),
            d_features: group(if training { first } else { 0 }),
            d_logits: Lines::floats(features(layers.classes())),
            d_inputs: convs
                .iter()
                .map(|conv| {
                    Lines::new(if training {
                        conv.in_channels * conv.height * conv.width
                    } else {
                        0
                    })
                })
                .collect(),
            d_map: most(&|index, conv| conv_weight::scratch(conv, index > 0).d_map),
            sums: most(&|index, conv| conv_weight::scratch(conv, index > 0).sums),
            border: most(&|index, conv| {
                if index > 0 {
                    conv_input::scratch(conv)
                } else {
                    0
                }
            }),
            packed: convs
                .iter()
                .map(|conv| Lines::floats(conv.weight_len()))
                .collect(),
            packed_turned: convs
                .iter()
                .map(|conv| Lines::floats(conv_input::packed_len(conv)))
                .collect(),
            packed_version: 0,
            #[cfg(target_arch = "x86_64")]
            tiles: (precision == Precision::Bf16).then(|| super::tiles::Tiles::new(layers)),
        }
    }

    /// Packs the convolutions' weights if they are another version than last time.
    pub(crate) fn pack(
        &mut self,
        isa: Isa,
        layers: &Layers,
        places: &[Place],
        parameters: &[f32],
        version: u64,
    ) {
        if self.packed_version == version {
            return;
        }
        self.packed_version = version;
        #[cfg(target_arch = "x86_64")]
        if let Some(tiles) = &mut self.tiles {
            tiles.pack(layers, places, parameters);
        }
        for (index, conv) in layers.convs().iter().enumerate() {
            #[cfg(target_arch = "x86_64")]
            if let Some(tiles) = &self.tiles
                && tiles.convs[index].is_some()
            {
                continue;
            }
            let Place { offset, len } = places[2 * index];
            let weight = &parameters[offset..offset + len];
            let taps = conv.in_channels * conv.kernel * conv.kernel;
            crate::blocked::conv_forward::pack_weight(
                isa,
                conv,
                |channel, tap| weight[channel * taps + tap],
                self.packed[index].as_mut_slice(),
            );
            if index > 0 {
                conv_input::pack_weight(
                    isa,
                    conv,
                    weight,
                    self.packed_turned[index].as_mut_slice(),
                );
            }
        }
    }

    /// The padded input of a convolution in a group's block.
    pub(crate) fn input(&mut self, layers: &Layers, index: usize, block: usize) -> *mut f32 {
        let input = input(&layers.convs()[index]);
        self.inputs[index].as_mut_slice()[block * input..][..input].as_mut_ptr()
    }

    /// What is known of a convolution's input in a group's block.
    pub(crate) fn extents(&self, conv: &ConvLayer, index: usize, block: usize) -> Extents<'_> {
        let [height, _] = conv.padded();
        match index {
            0 => Extents(&self.extents[block * height..][..height]),
            _ => Extents::UNKNOWN,
        }
    }

    /// Where a convolution's output goes in a group's block: into the next one's padded input, or
    /// into the features of the first linear layer.
    pub(crate) fn target(&mut self, layers: &Layers, index: usize, block: usize) -> Target {
        let [_, rows, columns] = layers.convs()[index].output();
        match layers.convs().get(index + 1) {
            Some(next) => {
                let [height, width] = next.padded();
                let interior = (next.padding * width + next.padding) * LANES;
                Target {
                    data: self.input(layers, index + 1, block).wrapping_add(interior),
                    channel_stride: height * width * LANES,
                    row_stride: width * LANES,
                }
            }
            None => {
                let stride = features(layers.linears()[0].in_features);
                Target {
                    data: self.features[0].as_mut_slice()[block * stride..].as_mut_ptr(),
                    channel_stride: rows * columns * LANES,
                    row_stride: columns * LANES,
                }
            }
        }
    }

    /// What a convolution saves in a group's block for the backward pass.
    pub(crate) fn saved(&mut self, layers: &Layers, index: usize, block: usize) -> Saved {
        let conv = &layers.convs()[index];
        let windows = conv.output().iter().product::<usize>() * 4;
        match (conv.pool, conv.activation) {
            (true, Activation::Relu) => {
                Saved::Masks(self.masks[index][block * windows * 4..].as_mut_ptr())
            }
            (true, Activation::Tanh) => {
                let values = self.values[index].as_mut_slice();
                Saved::Values(values[block * windows * LANES..].as_mut_ptr())
            }
            _ => Saved::Nothing,
        }
    }
}

/// The parts of an array that belong to the parameters.
pub(crate) fn get<'a>(places: &'a [Place], array: &'a Lines) -> impl Iterator<Item = &'a [f32]> {
    let array = array.as_slice();
    places
        .iter()
        .map(move |place| &array[place.offset..place.offset + place.len])
}

/// Whether there are as many values as the parameters have.
///
/// # Errors
/// [`Error::Length`] where there are others.
pub(crate) fn check_lengths(
    places: &[Place],
    operand: &'static str,
    values: &[&[f32]],
) -> Result<()> {
    let lengths: usize = values.iter().map(|value| value.len()).sum();
    let expected = places.iter().map(|place| place.len);
    let fits = std::iter::zip(places, values).all(|(place, value)| place.len == value.len());
    if places.len() != values.len() || !fits {
        return Err(Error::Length {
            op: "engine",
            operand,
            expected: vec![expected.sum()],
            got: lengths,
        });
    }
    Ok(())
}

/// Sets the parts of an array that belong to the parameters, to values of their lengths.
pub(crate) fn set(places: &[Place], array: &mut Lines, values: &[&[f32]]) {
    let array = array.as_mut_slice();
    for (place, value) in std::iter::zip(places, values) {
        array[place.offset..place.offset + place.len].copy_from_slice(value);
    }
}
