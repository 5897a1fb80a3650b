//! The kernels of an [`Engine`], one at a time and on its memory, for benches.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "one range of several that there may be"
)]

mod run;

use std::fmt;
use std::ops::Range;

use super::memory::{conv_gradient, features, input};
use super::{Engine, Images};
use crate::Pixels;
use crate::blocked::linear::BLOCKS;
use crate::blocked::{Lines, adam, conv_weight};
use crate::geometry::ConvLayer;
use crate::reference::adam::Settings;
use crate::simd::LANES;

/// A kernel, with the index of its layer among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// 16 images of bytes into the lanes of the first input.
    WriteImages,
    /// Convolution, bias, activation and pooling of a block.
    ConvForward(usize),
    /// Gradient of a convolution's weight and bias by a block, from its way back through pooling
    /// and activation on.
    ConvWeight(usize),
    /// Gradient of a convolution's input, of a block.
    ConvInput(usize),
    /// Linear layer, bias and activation of four blocks.
    LinearForward(usize),
    /// Gradient of a linear layer's input, of four blocks.
    LinearInput(usize),
    /// A linear layer's input transposed to an image a row, of a block.
    ToRows(usize),
    /// Gradient of a linear layer's weight and bias by the whole batch.
    LinearWeight(usize),
    /// Losses of a block, and their gradient by the logits.
    CrossEntropy,
    /// Adam on all parameters.
    Adam,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteImages => write!(f, "write_images"),
            Self::ConvForward(index) => write!(f, "conv{}_forward", index + 1),
            Self::ConvWeight(index) => write!(f, "conv{}_weight", index + 1),
            Self::ConvInput(index) => write!(f, "conv{}_input", index + 1),
            Self::LinearForward(index) => write!(f, "linear{}_forward", index + 1),
            Self::LinearInput(index) => write!(f, "linear{}_input", index + 1),
            Self::ToRows(index) => write!(f, "linear{}_to_rows", index + 1),
            Self::LinearWeight(index) => write!(f, "linear{}_weight", index + 1),
            Self::CrossEntropy => write!(f, "cross_entropy"),
            Self::Adam => write!(f, "adam"),
        }
    }
}

/// What a call of a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Floating-point operations: two for each multiplication with an addition. What comes beside
    /// them (bias, activation, pooling) is not counted.
    Flops(usize),
    /// Bytes read and written, where that is more of the work than arithmetic is.
    Bytes(usize),
}

/// The last block of a group: what a thread keeps of one block alone is its.
const LAST: usize = BLOCKS - 1;

/// The kernels of a network on real operands: those that a pass of its engine leaves.
#[derive(Debug)]
pub struct Kernels {
    engine: Engine,
    images: ByteImages,
    /// The blocks that the thread's memory holds: the last ones.
    group: Range<usize>,
    /// The last of them, which is that of the memory for a single block.
    block: usize,
    /// For each convolution the gradient of its map, which the engine keeps of one alone.
    d_maps: Vec<Lines>,
    adam: adam::Step,
    /// Parameters and moments of Adam's own, and what one step makes of the engine's.
    state: [Lines; 3],
    stepped: [Lines; 3],
}

#[derive(Debug)]
struct ByteImages {
    bytes: Vec<u8>,
    size: usize,
    table: [f32; 256],
}

impl ByteImages {
    fn bytes_of(&self, image: usize) -> Pixels<'_> {
        Pixels::Bytes(&self.bytes[image * self.size..][..self.size], &self.table)
    }
}

impl Images for ByteImages {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        self.bytes_of(image)
    }
}

impl Kernels {
    /// Runs a training step of these images, one behind the other, on the engine.
    ///
    /// # Errors
    /// As [`Engine::gradients`].
    ///
    /// # Panics
    /// If the engine has more than one thread or has taken a step of Adam, if the number of images
    /// is not a multiple of 64, or as [`Engine::gradients`].
    pub fn new(
        mut engine: Engine,
        bytes: Vec<u8>,
        table: [f32; 256],
        labels: &[u32],
    ) -> crate::Result<Self> {
        let blocks = labels.len() / LANES;
        assert!(engine.pool.threads() == 1 && engine.step == 0);
        assert!(labels.len().is_multiple_of(BLOCKS * LANES) && blocks > 0);
        let images = ByteImages {
            bytes,
            size: engine.layers.pixels(),
            table,
        };
        engine.gradients(&images, labels, 0.0)?;
        let [parameters, first, second] = [
            &engine.parameters,
            &engine.first_moments,
            &engine.second_moments,
        ]
        .map(Lines::clone);
        let settings = Settings::default();
        engine.adam(&settings);
        let stepped = [
            &engine.parameters,
            &engine.first_moments,
            &engine.second_moments,
        ];
        let stepped = stepped.map(Lines::clone);
        engine.parameters = parameters.clone();
        let d_maps = engine.layers.convs().iter().enumerate();
        let d_maps =
            d_maps.map(|(index, conv)| Lines::floats(conv_weight::scratch(conv, index > 0).d_map));
        let mut kernels = Self {
            d_maps: d_maps.collect(),
            group: blocks - BLOCKS..blocks,
            block: blocks - 1,
            adam: adam::Step::new(&settings, 1, 1.0, true),
            state: [parameters, first, second],
            stepped,
            images,
            engine,
        };
        for index in 0..kernels.d_maps.len() {
            kernels.run(Kernel::ConvWeight(index));
        }
        Ok(kernels)
    }

    /// Every kernel of a training step, in its order.
    pub fn all(&self) -> Vec<Kernel> {
        let (convs, linears) = (self.engine.layers.convs(), self.engine.layers.linears());
        let (convs, linears) = (0..convs.len(), 0..linears.len());
        let mut all = vec![Kernel::WriteImages];
        all.extend(convs.clone().map(Kernel::ConvForward));
        all.extend(linears.clone().map(Kernel::LinearForward));
        all.push(Kernel::CrossEntropy);
        let back = linears.clone().rev();
        all.extend(back.flat_map(|index| [Kernel::LinearInput(index), Kernel::ToRows(index)]));
        for index in convs.rev() {
            all.push(Kernel::ConvWeight(index));
            if index > 0 {
                all.push(Kernel::ConvInput(index));
            }
        }
        all.extend(linears.map(Kernel::LinearWeight));
        all.push(Kernel::Adam);
        all
    }

    /// The work of one call.
    pub fn work(&self, kernel: Kernel) -> Work {
        let (convs, linears) = (self.engine.layers.convs(), self.engine.layers.linears());
        let classes = self.engine.layers.classes();
        match kernel {
            Kernel::WriteImages => Work::Bytes(self.images.size * LANES * 5),
            Kernel::ConvForward(index) | Kernel::ConvWeight(index) | Kernel::ConvInput(index) => {
                Work::Flops(2 * convs[index].multiply_adds() * LANES)
            }
            Kernel::LinearForward(index) | Kernel::LinearInput(index) => {
                Work::Flops(2 * linears[index].weight_len() * LANES * BLOCKS)
            }
            Kernel::ToRows(index) => Work::Bytes(linears[index].in_features * LANES * 8),
            Kernel::LinearWeight(index) => {
                Work::Flops(2 * linears[index].weight_len() * LANES * self.group.end)
            }
            // Logits, label and loss; the gradient.
            Kernel::CrossEntropy => Work::Bytes((2 * classes + 2) * LANES * 4),
            // Of gradient, parameter and two moments all are read and three written.
            Kernel::Adam => Work::Bytes(self.engine.layers.parameters().iter().sum::<usize>() * 28),
        }
    }

    /// Whether a kernel writes the same bits as it did in the engine's pass. What it had written is
    /// made no number before it is called.
    pub fn is_right(&mut self, kernel: Kernel) -> bool {
        let (output, ranges) = self.output(kernel);
        let before = output.to_vec();
        for range in &ranges {
            output[range.clone()].fill(f32::NAN);
        }
        if kernel == Kernel::Adam {
            // A step from the beginning; the moments there are 0.
            let [parameters, first, second] = &mut self.state;
            parameters.clone_from(&self.engine.parameters);
            first.as_mut_slice().fill(0.0);
            second.as_mut_slice().fill(0.0);
            self.run(kernel);
            let same = |(a, b): (&Lines, &Lines)| same_bits(a.as_slice(), b.as_slice());
            return std::iter::zip(&self.state, &self.stepped).all(same);
        }
        self.run(kernel);
        let (output, _) = self.output(kernel);
        !ranges.is_empty() && same_bits(output, &before)
    }

    /// The array that a kernel writes to, and its parts of it.
    fn output(&mut self, kernel: Kernel) -> (&mut [f32], Vec<Range<usize>>) {
        let Engine {
            layers,
            scratch,
            batch,
            gradients,
            places,
            ..
        } = &mut self.engine;
        let (convs, linears, scratch) = (layers.convs(), layers.linears(), &mut scratch[0]);
        let (first, block) = (self.group.start, self.block);
        let blocks = |first: usize, count: usize| -> Vec<_> {
            let block = |block| block * features(count)..block * features(count) + count * LANES;
            (first..first + BLOCKS).map(block).collect()
        };
        match kernel {
            Kernel::WriteImages => last(
                &mut scratch.inputs[0],
                input(&convs[0]),
                interior(&convs[0]),
            ),
            Kernel::ConvForward(index) => match convs.get(index + 1) {
                Some(next) => last(&mut scratch.inputs[index + 1], input(next), interior(next)),
                None => {
                    let count = linears[0].in_features;
                    last(
                        &mut scratch.features[0],
                        features(count),
                        whole(count * LANES),
                    )
                }
            },
            Kernel::ConvWeight(index) => {
                let before: usize = convs[..index].iter().map(conv_gradient).sum();
                let numbers = convs[index].weight_len() + convs[index].out_channels;
                let from = block * batch.conv_stride + before;
                let all = batch.conv_gradients.as_mut_slice();
                (&mut all[from..from + numbers], whole(numbers))
            }
            Kernel::ConvInput(index) => {
                let all = scratch.d_inputs[index].as_mut_slice();
                let len = all.len();
                (all, whole(len))
            }
            Kernel::LinearForward(index) => {
                let count = linears[index].out_features;
                match scratch.features.get_mut(index + 1) {
                    Some(next) => (next.as_mut_slice(), blocks(0, count)),
                    None => (batch.logits.as_mut_slice(), blocks(first, count)),
                }
            }
            Kernel::LinearInput(index) => {
                let count = linears[index].in_features;
                match index {
                    0 => (scratch.d_features.as_mut_slice(), blocks(0, count)),
                    _ => {
                        let d_output = batch.d_linear[index - 1].as_mut_slice();
                        (d_output, blocks(first, count))
                    }
                }
            }
            Kernel::ToRows(index) => {
                let count = linears[index].in_features;
                let row = count.next_multiple_of(LANES);
                let rows = block * LANES..(block + 1) * LANES;
                let rows = rows.map(|image| image * row..image * row + count);
                (batch.rows[index].as_mut_slice(), rows.collect())
            }
            Kernel::LinearWeight(index) => {
                let parameter = 2 * (convs.len() + index);
                let places = [places[parameter], places[parameter + 1]];
                let ranges = places.map(|place| place.offset..place.offset + place.len);
                (gradients.as_mut_slice(), ranges.to_vec())
            }
            Kernel::CrossEntropy => {
                let d_logits = batch.d_linear[linears.len() - 1].as_mut_slice();
                let ranges = blocks(first, layers.classes());
                (d_logits, ranges[LAST..].to_vec())
            }
            Kernel::Adam => (self.state[0].as_mut_slice(), Vec::new()),
        }
    }
}

/// One part, so long.
fn whole(len: usize) -> Vec<Range<usize>> {
    std::iter::once(0..len).collect()
}

/// The last block of an array of a group, and parts of it.
fn last(
    lines: &mut Lines,
    size: usize,
    parts: Vec<Range<usize>>,
) -> (&mut [f32], Vec<Range<usize>>) {
    (&mut lines.as_mut_slice()[LAST * size..], parts)
}

/// Where the input of a block lies within its padding.
fn interior(conv: &ConvLayer) -> Vec<Range<usize>> {
    let [height, width] = conv.padded();
    let rows = (0..conv.in_channels).flat_map(|c| (0..conv.height).map(move |y| (c, y)));
    rows.map(|(c, y)| {
        let from = ((c * height + y + conv.padding) * width + conv.padding) * LANES;
        from..from + conv.width * LANES
    })
    .collect()
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && std::iter::zip(a, b).all(|(a, b)| a.to_bits() == b.to_bits())
}
