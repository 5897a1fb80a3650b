//! One image at a time, with the lowest latency.
//!
//! The [`Engine`](crate::engine::Engine) takes 16 images at once, and for one image as long as for
//! 16. A [`Single`] runs the same network with other lanes: those of a register are output channels
//! or features of one image. One thread does it all, for waking a second would take longer than the
//! pass.
//!
//! A value of the input is broadcast and multiplied with its weights for all channels of a tile: one
//! or two registers of channels by some pooling windows of a row, or up to eight registers of
//! features. Maps lie with their channels innermost, so that a tile is stored as it is. Sums run in
//! another order than in the engine, so that logits differ in the last bits.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

use crate::blocked::conv_forward::activate;
use crate::buffer::Lines;
use crate::engine::{Layers, Pixels};
use crate::layers::{ConvLayer, KERNEL, LinearLayer};
use crate::pool::share;
use crate::simd::{LANES, Simd, dispatch};
use crate::{Isa, Result};

/// Registers of channels of a convolution's tile.
const CHANNEL_REGISTERS: usize = 2;
/// Registers of features of a linear layer's tile.
const FEATURE_REGISTERS: usize = 8;

/// A layer's numbers and the memory that it reads.
#[derive(Debug)]
struct Memory {
    /// Floats of the input that count.
    inputs: usize,
    /// The input. Of a convolution (H + 2P, W + 2P, channels), in which the padding stays 0.
    input: Lines,
    /// As [`pack`] packs it.
    weight: Lines,
    /// With zeros after it, up to a multiple of 16.
    bias: Lines,
}

/// What a kernel reads and writes; the weight and bias are those of the first tile.
#[derive(Clone, Copy, Debug)]
struct Operands {
    input: *const f32,
    weight: *const f32,
    bias: *const f32,
    to: *mut f32,
}

/// The instruction sets of a network's layers.
#[derive(Clone, Copy, Debug)]
struct Isas {
    isa: Isa,
    /// Of convolutions with up to 8 channels, which would leave half of AVX-512's lanes empty: AVX2,
    /// which multiplies twice as many registers in the same time on some processors and never fewer.
    narrow: Isa,
}

impl Isas {
    fn new(isa: Isa) -> Self {
        let half = |other: &Isa| isa.is_wide() && 2 * other.width() == isa.width();
        let narrow = Isa::available().into_iter().find(half).unwrap_or(isa);
        Self { isa, narrow }
    }

    /// That of a convolution with this many output channels.
    fn conv(self, channels: usize) -> Isa {
        if channels <= self.narrow.width() {
            self.narrow
        } else {
            self.isa
        }
    }

    /// Floats from a position of a convolution's output to the next: its channels up to whole
    /// registers.
    fn stride(self, channels: usize) -> usize {
        channels.next_multiple_of(self.conv(channels).width())
    }
}

/// A network that is run on one image.
#[derive(Debug)]
pub struct Single {
    layers: Layers,
    isas: Isas,
    /// Of each layer, convolutions first.
    memory: Vec<Memory>,
    logits: Lines,
}

impl Single {
    /// A network whose parameters are 0.
    pub fn new(layers: Layers, isa: Isa) -> Self {
        let isas = Isas::new(isa);
        let memory = |inputs: usize, taps: usize, outputs: usize| Memory {
            inputs,
            // The layer before may write whole registers of 16.
            input: Lines::floats(inputs.next_multiple_of(LANES)),
            weight: Lines::floats(taps * outputs.next_multiple_of(isa.width())),
            bias: Lines::floats(outputs),
        };
        let convs = layers.convs().iter().enumerate().map(|(index, conv)| {
            let [height, width] = conv.padded();
            let input = height * width * input_stride(index, conv, isas);
            memory(input, conv.taps(), conv.out_channels)
        });
        let linears = layers.linears().iter().enumerate().map(|(index, linear)| {
            let inputs = features_of(&layers, index, isas).count();
            memory(inputs, inputs, linear.out_features)
        });
        Self {
            memory: convs.chain(linears).collect(),
            logits: Lines::floats(layers.classes()),
            isas,
            layers,
        }
    }

    /// Sets the parameters, in the order of [`Layers::parameters`].
    ///
    /// # Errors
    /// A parameter with another number of values; then none is set.
    pub fn set_parameters(&mut self, values: &[&[f32]]) -> Result<()> {
        self.layers.check_parameters("the parameters", values)?;
        let convs = self.layers.convs().len();
        let pairs = values.chunks_exact(2).zip(&mut self.memory).enumerate();
        for (index, (parameters, memory)) in pairs {
            let [weight, bias] = [parameters[0], parameters[1]];
            memory.bias.as_mut_slice()[..bias.len()].copy_from_slice(bias);
            let outputs = bias.len();
            let taps = weight.len() / outputs;
            let packed = memory.weight.as_mut_slice();
            let number = |output: usize, tap: usize| weight[output * taps + tap];
            match index.checked_sub(convs) {
                None => {
                    let numbers = (0..taps).map(Some);
                    pack(
                        outputs,
                        numbers,
                        CHANNEL_REGISTERS,
                        self.isas.conv(outputs),
                        number,
                        packed,
                    );
                }
                Some(linear) => {
                    let features = features_of(&self.layers, linear, self.isas);
                    pack(
                        outputs,
                        features,
                        FEATURE_REGISTERS,
                        self.isas.isa,
                        number,
                        packed,
                    );
                }
            }
        }
        Ok(())
    }

    /// The logits of an image, one for each of [`Layers::classes`]. Allocates nothing.
    ///
    /// # Panics
    /// If the image has another number of pixels than the first layer takes.
    pub fn logits(&mut self, pixels: Pixels<'_>) -> &[f32] {
        assert_eq!(pixels.count(), self.layers.pixels());
        self.write(pixels);
        let (isas, convs) = (self.isas, self.layers.convs());
        for (index, conv) in convs.iter().enumerate() {
            let stride = input_stride(index, conv, isas);
            let isa = isas.conv(conv.out_channels);
            // SAFETY: the operands were made for the layer and this stride.
            unsafe { convolve(isa, conv, stride, self.operands(index)) }
        }
        for (index, linear) in self.layers.linears().iter().enumerate() {
            let index = convs.len() + index;
            let inputs = self.memory[index].inputs;
            // SAFETY: the operands were made for the layer and this many inputs.
            unsafe { connect(isas.isa, linear, inputs, self.operands(index)) }
        }
        &self.logits.as_slice()[..self.layers.classes()]
    }

    /// What went into the last layer for the last image: in LeNet-5 the 84 features.
    pub fn features(&self) -> Vec<f32> {
        let last = self.layers.linears().len() - 1;
        let lie = features_of(&self.layers, last, self.isas);
        let mut features = vec![0.0; self.layers.features()];
        let memory = self
            .memory
            .last()
            .map_or(&[][..], |memory| memory.input.as_slice());
        for (feature, value) in lie.zip(memory) {
            if let Some(feature) = feature {
                features[feature] = *value;
            }
        }
        features
    }

    /// Writes an image (C, H, W) into the padded input of the first layer.
    fn write(&mut self, pixels: Pixels<'_>) {
        let conv = &self.layers.convs()[0];
        let input = self.memory[0].input.as_mut_slice();
        match pixels {
            Pixels::Bytes(bytes, table) => {
                write_image(bytes, |&byte| table[usize::from(byte)], conv, input);
            }
            Pixels::Floats(floats) => write_image(floats, |&value| value, conv, input),
        }
    }

    /// A layer's operands. It writes what the next reads, or the logits if it is the last.
    fn operands(&self, index: usize) -> Operands {
        let own = &self.memory[index];
        let next = self.memory.get(index + 1);
        Operands {
            input: own.input.as_ptr(),
            weight: own.weight.as_ptr(),
            bias: own.bias.as_ptr(),
            to: next.map_or(self.logits.ptr(), |next| next.input.ptr()),
        }
    }
}

/// Floats from a position of a convolution's input to the next: the channels, and those of all but
/// the first layer up to whole registers.
fn input_stride(index: usize, conv: &ConvLayer, isas: Isas) -> usize {
    match index {
        0 => conv.in_channels,
        _ => isas.stride(conv.in_channels),
    }
}

/// Which feature of a linear layer each float of its input is; none where there are zeros: the last
/// convolution has left its channels innermost, up to whole registers.
fn features_of(
    layers: &Layers,
    index: usize,
    isas: Isas,
) -> impl Iterator<Item = Option<usize>> + Clone + use<> {
    let last = &layers.convs()[layers.convs().len() - 1];
    let [channels, rows, columns] = last.output();
    let (channels, stride, positions) = if index == 0 {
        (channels, isas.stride(channels), rows * columns)
    } else {
        let features = layers.linears()[index].in_features;
        (features, features, 1)
    };
    (0..positions).flat_map(move |position| {
        let feature = move |channel| (channel < channels).then_some(channel * positions + position);
        (0..stride).map(feature)
    })
}

#[inline]
fn write_image<T>(pixels: &[T], value: impl Fn(&T) -> f32, conv: &ConvLayer, input: &mut [f32]) {
    let row = conv.padded()[1] * conv.in_channels;
    for (index, pixels) in pixels.chunks_exact(conv.width).enumerate() {
        let (channel, y) = (index / conv.height, index % conv.height);
        let first = (y + conv.padding) * row + conv.padding * conv.in_channels + channel;
        let to = input[first..].iter_mut().step_by(conv.in_channels);
        for (to, pixel) in to.zip(pixels) {
            *to = value(pixel);
        }
    }
}

/// Cuts registers, or windows, into as few parts of at most `most` as possible, of nearly equal
/// size: a small part has too few sums to keep the multipliers busy. The first of each part, and how
/// many it has.
fn parts(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |part| {
        let own = share(count, part, parts);
        (own.start, own.len())
    })
}

/// Packs a weight as (part of registers, tap, output of the part), with zeros for the outputs that
/// fill the last register and for taps that are none. `number` is that of an output and a tap.
fn pack(
    outputs: usize,
    taps: impl Iterator<Item = Option<usize>> + Clone,
    most: usize,
    isa: Isa,
    number: impl Fn(usize, usize) -> f32,
    packed: &mut [f32],
) {
    let width = isa.width();
    let mut to = packed.iter_mut();
    for (first, count) in parts(outputs.div_ceil(width), most) {
        for tap in taps.clone() {
            for (output, to) in (first * width..(first + count) * width).zip(&mut to) {
                *to = match tap {
                    Some(tap) if output < outputs => number(output, tap),
                    _ => 0.0,
                };
            }
        }
    }
}

dispatch! {
    /// The pooled output (H', W', channels up to whole registers) from the padded input
    /// (H + 2P, W + 2P, `stride`).
    ///
    /// # Safety
    /// The operands must hold the layer's input, its weight from [`pack`] and its bias up to whole
    /// registers, and have space for the output.
    fn convolve(layer: &ConvLayer, stride: usize, operands: Operands) => convolve_generic
}

#[inline(always)]
unsafe fn convolve_generic<V: Simd>(layer: &ConvLayer, stride: usize, operands: Operands) {
    let [_, rows, columns] = layer.output();
    let registers = layer.out_channels.div_ceil(V::WIDTH);
    let to_stride = registers * V::WIDTH;
    for (first, count) in parts(registers, CHANNEL_REGISTERS) {
        let first = first * V::WIDTH;
        let most = if V::WIDE { 6 } else { 3 } / count;
        for y in 0..rows {
            for (x, windows) in parts(columns, most) {
                let corner = (2 * y * layer.padded()[1] + 2 * x) * stride;
                let window = (y * columns + x) * to_stride;
                // SAFETY: the tile's registers of channels lie within those of the layer, its
                // windows within the output: their taps lie within the padded input.
                unsafe {
                    let tile = Operands {
                        input: operands.input.add(corner),
                        weight: operands.weight.add(first * layer.taps()),
                        bias: operands.bias.add(first),
                        to: operands.to.add(window + first),
                    };
                    match (count, windows) {
                        (1, 6) if V::WIDE => pool::<V, 1, 12>(layer, tile, stride, to_stride),
                        (1, 5) if V::WIDE => pool::<V, 1, 10>(layer, tile, stride, to_stride),
                        (1, 4) if V::WIDE => pool::<V, 1, 8>(layer, tile, stride, to_stride),
                        (1, 3) => pool::<V, 1, 6>(layer, tile, stride, to_stride),
                        (1, 2) => pool::<V, 1, 4>(layer, tile, stride, to_stride),
                        (1, _) => pool::<V, 1, 2>(layer, tile, stride, to_stride),
                        (_, 3) if V::WIDE => pool::<V, 2, 6>(layer, tile, stride, to_stride),
                        (_, 2) if V::WIDE => pool::<V, 2, 4>(layer, tile, stride, to_stride),
                        _ => pool::<V, 2, 2>(layer, tile, stride, to_stride),
                    }
                }
            }
        }
    }
}

/// B registers of channels by the pooling windows of C columns, from where the operands begin;
/// positions of the input lie `stride` floats apart, those of the output `to_stride`.
#[inline(always)]
unsafe fn pool<V: Simd, const B: usize, const C: usize>(
    layer: &ConvLayer,
    operands: Operands,
    stride: usize,
    to_stride: usize,
) {
    let mut weight = operands.weight;
    let row = layer.padded()[1] * stride;
    // SAFETY: the tile's taps lie within the padded input; there are B registers of weights for
    // each of the C·5·5 taps, B registers of biases, and space for B registers a window.
    unsafe {
        let mut sums = [[[V::splat(0.0); C]; 2]; B];
        for b in 0..B {
            sums[b] = [[V::load(operands.bias.add(b * V::WIDTH)); C]; 2];
        }
        for c in 0..layer.in_channels {
            for r in 0..KERNEL {
                let mut x = operands.input.add(r * row + c);
                for _ in 0..KERNEL {
                    let mut w = [V::splat(0.0); B];
                    for b in 0..B {
                        w[b] = V::load(weight.add(b * V::WIDTH));
                    }
                    for i in 0..2 {
                        for j in 0..C {
                            let value = V::splat(*x.add(i * row + j * stride));
                            for b in 0..B {
                                sums[b][i][j] = sums[b][i][j].fma(value, w[b]);
                            }
                        }
                    }
                    weight = weight.add(B * V::WIDTH);
                    x = x.wrapping_add(stride);
                }
            }
        }
        for b in 0..B {
            for window in 0..C / 2 {
                let [upper, lower] = sums[b];
                let (left, right) = (2 * window, 2 * window + 1);
                let mut sum = activate(Some(layer.activation), upper[left]);
                for value in [upper[right], lower[left], lower[right]] {
                    sum = sum.add(activate(Some(layer.activation), value));
                }
                let average = sum.mul(V::splat(0.25));
                average.store(operands.to.add(window * to_stride + b * V::WIDTH));
            }
        }
    }
}

dispatch! {
    /// The outputs of a linear layer from this many floats.
    ///
    /// # Safety
    /// The operands must hold the inputs, the weight from [`pack`] and the bias up to whole
    /// registers, and have space for whole registers of the outputs.
    fn connect(layer: &LinearLayer, inputs: usize, operands: Operands) => connect_generic
}

#[inline(always)]
unsafe fn connect_generic<V: Simd>(layer: &LinearLayer, inputs: usize, operands: Operands) {
    for (first, count) in parts(layer.out_features.div_ceil(V::WIDTH), FEATURE_REGISTERS) {
        let first = first * V::WIDTH;
        // SAFETY: these registers lie within those of the outputs; their weights follow those of
        // the registers before them.
        unsafe {
            let part = Operands {
                input: operands.input,
                weight: operands.weight.add(first * inputs),
                bias: operands.bias.add(first),
                to: operands.to.add(first),
            };
            // Where there are few sums, several features have sums of their own, so that the
            // multipliers do not wait for one another.
            match count {
                8 => outputs::<V, 8, 1>(layer, inputs, part),
                7 => outputs::<V, 7, 1>(layer, inputs, part),
                6 => outputs::<V, 6, 1>(layer, inputs, part),
                5 => outputs::<V, 5, 2>(layer, inputs, part),
                4 => outputs::<V, 4, 2>(layer, inputs, part),
                3 => outputs::<V, 3, 3>(layer, inputs, part),
                2 => outputs::<V, 2, 4>(layer, inputs, part),
                _ => outputs::<V, 1, 8>(layer, inputs, part),
            }
        }
    }
}

/// B registers of outputs, from U features at once.
#[inline(always)]
unsafe fn outputs<V: Simd, const B: usize, const U: usize>(
    layer: &LinearLayer,
    inputs: usize,
    operands: Operands,
) {
    let mut weight = operands.weight;
    // SAFETY: there are B registers of weights for each input, B registers of biases, and space for
    // as many outputs.
    unsafe {
        let mut sums = [[V::splat(0.0); B]; U];
        for b in 0..B {
            sums[0][b] = V::load(operands.bias.add(b * V::WIDTH));
        }
        let mut i = 0;
        while i + U <= inputs {
            for u in 0..U {
                let value = V::splat(*operands.input.add(i + u));
                for b in 0..B {
                    let w = V::load(weight.add((u * B + b) * V::WIDTH));
                    sums[u][b] = sums[u][b].fma(value, w);
                }
            }
            weight = weight.add(U * B * V::WIDTH);
            i += U;
        }
        while i < inputs {
            let value = V::splat(*operands.input.add(i));
            for b in 0..B {
                let w = V::load(weight.add(b * V::WIDTH));
                sums[0][b] = sums[0][b].fma(value, w);
            }
            weight = weight.add(B * V::WIDTH);
            i += 1;
        }
        for b in 0..B {
            let mut sum = sums[0][b];
            for u in 1..U {
                sum = sum.add(sums[u][b]);
            }
            activate(layer.activation, sum).store(operands.to.add(b * V::WIDTH));
        }
    }
}
