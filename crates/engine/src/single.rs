//! One image at a time, with the lowest latency.
//!
//! The [`Engine`](crate::engine::Engine) takes 16 images at once, and for one image as long as for
//! 16. A [`Single`] runs the same network with other lanes: those of a register are output
//! channels or features of one image, or columns of a map. One thread does it all, for waking a
//! second would take longer than the pass.
//!
//! - A convolution that is followed by pooling and has few channels has the columns of its pooled
//!   output as lanes, where it is the first (`columns`).
//! - Every other convolution has the output channels as lanes (`channels`).
//! - Linear layers have the output features as lanes (`linear`).
//!
//! Each layer writes its output where and how the next reads it; the plan is made once, for the
//! sizes and the instruction set. Sums run in another order than in the engine, so that logits
//! differ in the last bits.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

mod channels;
mod columns;
mod linear;
mod pixels;

use crate::blocked::Lines;
use crate::blocked::pack::Pixels;
use crate::engine::Layers;
use crate::geometry::ConvLayer;
use crate::simd::LANES;
use crate::{Error, Isa, Result};
use channels::Target;
use linear::Features;

/// Where the numbers of a map (C, H, W) lie: columns one behind the other, so many floats between
/// rows and channels.
#[derive(Clone, Copy, Debug)]
struct Planes {
    /// Where (0, 0, 0) lies, behind the padding.
    origin: usize,
    channel: usize,
    row: usize,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug)]
enum Kernel {
    /// A lane is a column of the pooled output. The input's rows are split into halves of so many
    /// floats, the even columns and the odd.
    Columns { half: usize, to: Planes },
    /// A lane is an output channel. The input's rows are so many floats long.
    Channels { row: usize, to: Target },
}

/// A layer's numbers and the memory that it reads.
#[derive(Debug)]
struct Memory {
    /// The input; what is padding stays 0.
    input: Lines,
    /// As the kernel packs it.
    weight: Lines,
    /// With zeros behind it, up to a multiple of 16.
    bias: Lines,
}

impl Memory {
    fn new(input: usize, weight: usize, bias: usize) -> Self {
        Self {
            input: Lines::floats(input),
            weight: Lines::floats(weight),
            bias: Lines::floats(bias),
        }
    }

    fn operands(&self, to: *mut f32) -> Operands {
        Operands {
            input: self.input.as_ptr(),
            weight: self.weight.as_ptr(),
            bias: self.bias.as_ptr(),
            to,
        }
    }
}

/// What a kernel works on.
#[derive(Clone, Copy, Debug)]
struct Operands {
    input: *const f32,
    weight: *const f32,
    bias: *const f32,
    to: *mut f32,
}

/// A network that is run on one image.
#[derive(Debug)]
pub struct Single {
    layers: Layers,
    isa: Isa,
    /// How each convolution is computed.
    kernels: Vec<Kernel>,
    /// How the first linear layer finds its input.
    features: Features,
    /// Of each layer, convolutions first.
    memory: Vec<Memory>,
    logits: Lines,
}

impl Single {
    /// A network whose parameters are 0.
    pub fn new(layers: Layers, isa: Isa) -> Self {
        let convs = layers.convs();
        let mut kernels = Vec::new();
        let mut memory = Vec::new();
        let mut features = Features::dense(0);
        for (index, conv) in convs.iter().enumerate() {
            let kernel = plan(index == 0, conv, convs.get(index + 1), isa);
            let (row, weight) = match kernel {
                Kernel::Columns { half, .. } => (2 * half, conv.weight_len()),
                Kernel::Channels { row, .. } => (row, channels::packed_len(conv, isa)),
            };
            let input = conv.in_channels * conv.padded()[0] * row;
            memory.push(Memory::new(input, weight, conv.out_channels));
            features = written(conv, kernel);
            kernels.push(kernel);
        }
        let mut input = features.floats();
        for linear in layers.linears() {
            let weight = linear::packed_len(linear, isa);
            memory.push(Memory::new(input, weight, linear.out_features));
            input = linear.out_features;
        }
        Self {
            logits: Lines::floats(layers.classes()),
            layers,
            isa,
            kernels,
            features,
            memory,
        }
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The instruction set that it runs on.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Sets the parameters, in the order of [`Layers::parameters`].
    ///
    /// # Errors
    /// [`Error::Length`] where one has another number of values, before any is set.
    pub fn set_parameters(&mut self, values: &[&[f32]]) -> Result<()> {
        let lengths = self.layers.parameters();
        let fits = std::iter::zip(&lengths, values).all(|(&len, value)| len == value.len());
        if lengths.len() != values.len() || !fits {
            return Err(Error::Length {
                op: "single",
                operand: "parameters",
                expected: vec![lengths.iter().sum()],
                got: values.iter().map(|value| value.len()).sum(),
            });
        }
        let (weights, biases) = (values.iter().step_by(2), values.iter().skip(1).step_by(2));
        for (memory, bias) in std::iter::zip(&mut self.memory, biases) {
            memory.bias.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        }
        let mut weights = std::iter::zip(&mut self.memory, weights);
        let convs = std::iter::zip(self.layers.convs(), &self.kernels);
        for ((conv, kernel), (memory, weight)) in std::iter::zip(convs, &mut weights) {
            let packed = memory.weight.as_mut_slice();
            match kernel {
                Kernel::Columns { .. } => columns::pack(conv, self.isa, weight, packed),
                Kernel::Channels { .. } => channels::pack(conv, self.isa, weight, packed),
            }
        }
        let mut features = self.features;
        for (linear, (memory, weight)) in std::iter::zip(self.layers.linears(), weights) {
            let packed = memory.weight.as_mut_slice();
            linear::pack(linear, self.isa, &features, weight, packed);
            features = Features::dense(linear.out_features);
        }
        Ok(())
    }

    /// What went into the last layer for the last image, in its order: in LeNet-5 the 84 features.
    pub fn features(&self) -> impl Iterator<Item = f32> {
        let features = match self.layers.linears() {
            [_] => self.features,
            _ => Features::dense(self.layers.features()),
        };
        let values = self
            .memory
            .last()
            .map_or(&[][..], |last| last.input.as_slice());
        (0..self.layers.features()).map(move |feature| values[features.place(feature)])
    }

    /// The logits of an image, one for each of [`Layers::classes`]. Allocates nothing.
    ///
    /// # Panics
    /// If the image has another number of pixels than the first layer takes.
    pub fn logits(&mut self, pixels: Pixels<'_>) -> &[f32] {
        assert_eq!(pixels.len(), self.layers.pixels());
        let (isa, convs, linears) = (self.isa, self.layers.convs(), self.layers.linears());
        let mut memory = self.memory.as_mut_slice();
        if let ([first, ..], [conv, ..], [kernel, ..]) = (&mut *memory, convs, &*self.kernels) {
            // SAFETY: the input was made for this kernel and has a place for each pixel.
            unsafe { pixels::write(pixels, conv, *kernel, first.input.as_mut_ptr()) }
        }
        for (conv, kernel) in std::iter::zip(convs, &self.kernels) {
            let operands = next(&mut memory, &mut self.logits);
            // SAFETY: input, weight and bias were made for the layer and this kernel, and what it
            // writes to for what it writes.
            unsafe {
                match *kernel {
                    Kernel::Columns { half, to } => columns::forward(isa, conv, half, operands, to),
                    Kernel::Channels { row, to } => channels::forward(isa, conv, row, operands, to),
                }
            }
        }
        let mut features = self.features;
        for linear in linears {
            let operands = next(&mut memory, &mut self.logits);
            // SAFETY: as above; the weight was packed for these features.
            unsafe { linear::forward(isa, linear, features, operands) }
            features = Features::dense(linear.out_features);
        }
        &self.logits.as_slice()[..self.layers.classes()]
    }
}

/// Takes the first layer off. It writes what the next reads, or the logits behind the last.
///
/// # Panics
/// Behind the last layer.
#[inline]
fn next(layers: &mut &mut [Memory], logits: &mut Lines) -> Operands {
    let (first, rest) = std::mem::take(layers).split_first_mut().expect("a layer");
    let to = match rest.first_mut() {
        Some(next) => next.input.as_mut_ptr(),
        None => logits.as_mut_ptr(),
    };
    *layers = rest;
    first.operands(to)
}

/// Chooses what takes fewer multiplications of registers, and says where the output goes.
fn plan(first: bool, conv: &ConvLayer, next: Option<&ConvLayer>, isa: Isa) -> Kernel {
    let [height, width] = conv.map();
    let [channels, rows, columns] = conv.output();
    let planes = next.map(input_planes);
    let by_channel = height * width * channels.div_ceil(isa.width());
    let by_column = 4 * channels * rows * columns.div_ceil(isa.width());
    if first && conv.pool && by_column < by_channel {
        let row = columns.next_multiple_of(LANES);
        // For the last taps the last register of a row begins half a kernel further right.
        let half = row + conv.kernel / 2 + 1;
        return Kernel::Columns {
            half: half.max(conv.padded()[1].div_ceil(2)),
            to: planes.unwrap_or(Planes {
                origin: 0,
                channel: rows * row,
                row,
            }),
        };
    }
    Kernel::Channels {
        row: input_row(conv),
        to: match planes {
            Some(planes) => Target::Planes(planes),
            None => Target::Positions {
                stride: channels.next_multiple_of(LANES),
            },
        },
    }
}

/// Floats of a row of the input of [`Kernel::Channels`]: a register may be written behind the last
/// column, where its last lanes are 0.
fn input_row(conv: &ConvLayer) -> usize {
    conv.padded()[1] + LANES
}

/// Where the layer before a [`Kernel::Channels`] writes.
fn input_planes(conv: &ConvLayer) -> Planes {
    let row = input_row(conv);
    Planes {
        origin: conv.padding * row + conv.padding,
        channel: conv.padded()[0] * row,
        row,
    }
}

/// Where the last convolution has left its output.
fn written(conv: &ConvLayer, kernel: Kernel) -> Features {
    let [channels, rows, columns] = conv.output();
    match kernel {
        Kernel::Columns { to, .. } => Features {
            runs: channels * rows,
            len: columns,
            stride: to.row,
            channels_last: false,
        },
        Kernel::Channels { .. } => Features {
            runs: rows * columns,
            len: channels,
            stride: channels.next_multiple_of(LANES),
            channels_last: true,
        },
    }
}

/// Cuts registers, or windows, into as few parts of at most `most` as possible, of nearly equal
/// size: a small part has too few sums to keep the multipliers busy.
#[derive(Clone, Copy, Debug)]
struct Parts {
    first: usize,
    left: usize,
    parts: usize,
}

impl Parts {
    #[inline(always)]
    fn new(count: usize, most: usize) -> Self {
        Self {
            first: 0,
            left: count,
            parts: count.div_ceil(most),
        }
    }
}

impl Iterator for Parts {
    /// The first of a part, and how many it has.
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.left == 0 {
            return None;
        }
        let (first, count) = (self.first, self.left.div_ceil(self.parts));
        self.first += count;
        self.left -= count;
        self.parts -= 1;
        Some((first, count))
    }
}

/// Packs a matrix of (outputs, taps) as (part of registers, tap, output of the part), with zeros for
/// the outputs that fill the last register. `weight` gives the number of an output and a tap.
fn pack(
    [outputs, taps]: [usize; 2],
    most: usize,
    isa: Isa,
    weight: impl Fn(usize, usize) -> f32,
    packed: &mut [f32],
) {
    let width = isa.width();
    let mut to = packed.iter_mut();
    for (first, count) in Parts::new(outputs.div_ceil(width), most) {
        for tap in 0..taps {
            for (output, to) in (first * width..(first + count) * width).zip(&mut to) {
                *to = match output < outputs {
                    true => weight(output, tap),
                    false => 0.0,
                };
            }
        }
    }
}
