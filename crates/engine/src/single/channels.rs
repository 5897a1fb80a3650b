//! Convolution, bias, activation and, if wanted, average pooling of one image, with output channels
//! as lanes.
//!
//! A number of the input is broadcast and multiplied with its weights for all channels of a tile. A
//! tile is one or two registers of channels by some windows of a row, or some positions without
//! pooling: as many sums as fit into the registers.

use super::{Operands, Parts, Planes, pack as pack_matrix};
use crate::Isa;
use crate::blocked::conv_forward::activate;
use crate::geometry::ConvLayer;
use crate::simd::{LANES, Simd, dispatch};

/// Registers of channels of a tile.
const REGISTERS: usize = 2;

/// Where the output goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// Into the input of another convolution.
    Planes(Planes),
    /// The channels of a position together, positions so many floats apart.
    Positions { stride: usize },
}

/// Floats of a packed weight.
pub(super) fn packed_len(layer: &ConvLayer, isa: Isa) -> usize {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    taps * layer.out_channels.next_multiple_of(isa.width())
}

/// Packs a weight (K, C, R, S) for the tiles.
pub(super) fn pack(layer: &ConvLayer, isa: Isa, weight: &[f32], packed: &mut [f32]) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    let number = |channel, tap| weight[channel * taps + tap];
    pack_matrix([layer.out_channels, taps], REGISTERS, isa, number, packed);
}

dispatch! {
    /// The output from the padded input (C, H + 2P, W + 2P), whose rows are `row` floats apart.
    ///
    /// # Safety
    /// The operands must hold the layer's numbers, the weight from [`pack`], the bias up to whole
    /// registers, and the target have room.
    pub(super) fn forward(
        layer: &ConvLayer,
        row: usize,
        operands: Operands,
        to: Target,
    ) => forward_generic
}

#[inline(always)]
unsafe fn forward_generic<V: Simd>(layer: &ConvLayer, row: usize, operands: Operands, to: Target) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    for (first, count) in Parts::new(layer.out_channels.div_ceil(V::WIDTH), REGISTERS) {
        let first = first * V::WIDTH;
        // SAFETY: the tile's weights and biases lie behind those of the tiles before it.
        unsafe {
            let tile = Tile {
                layer,
                row,
                input: operands.input,
                packed: operands.weight.add(first * taps),
                bias: operands.bias.add(first),
                output: operands.to,
                to,
                first,
            };
            match (count, layer.pool) {
                (2, true) => tile.windows::<V, 2>(),
                (2, false) => tile.positions::<V, 2>(),
                (_, true) => tile.windows::<V, 1>(),
                (_, false) => tile.positions::<V, 1>(),
            }
        }
    }
}

/// Some registers of output channels.
#[derive(Clone, Copy)]
struct Tile<'a> {
    layer: &'a ConvLayer,
    row: usize,
    input: *const f32,
    packed: *const f32,
    bias: *const f32,
    output: *mut f32,
    to: Target,
    /// The first of the tile's channels.
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn windows<V: Simd, const B: usize>(self) {
        let [_, rows, columns] = self.layer.output();
        let most = if V::WIDE { 6 } else { 3 } / B;
        for y in 0..rows {
            for (x, count) in Parts::new(columns, most) {
                // SAFETY: windows and taps of an output lie in the padded input.
                unsafe {
                    match count {
                        6 if V::WIDE && B == 1 => self.pooled::<V, B, 12>(y, x),
                        5 if V::WIDE && B == 1 => self.pooled::<V, B, 10>(y, x),
                        4 if V::WIDE && B == 1 => self.pooled::<V, B, 8>(y, x),
                        3 if V::WIDE || B == 1 => self.pooled::<V, B, 6>(y, x),
                        2 if V::WIDE || B == 1 => self.pooled::<V, B, 4>(y, x),
                        _ => self.pooled::<V, B, 2>(y, x),
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn positions<V: Simd, const B: usize>(self) {
        let [_, rows, columns] = self.layer.output();
        for y in 0..rows {
            let mut x = 0;
            // SAFETY: the taps of an output lie in the padded input.
            unsafe {
                while x + 12 <= columns && V::WIDE && B == 1 {
                    self.plain::<V, B, 12>(y, x);
                    x += 12;
                }
                while x + 5 <= columns {
                    self.plain::<V, B, 5>(y, x);
                    x += 5;
                }
                while x < columns {
                    self.plain::<V, B, 1>(y, x);
                    x += 1;
                }
            }
        }
    }

    /// The windows from this one on, of C columns.
    #[inline(always)]
    unsafe fn pooled<V: Simd, const B: usize, const C: usize>(&self, y: usize, x: usize) {
        // SAFETY: the caller vouches for the windows.
        unsafe {
            let sums = self.sums::<V, B, 2, C>(self.input.add(2 * y * self.row + 2 * x));
            for b in 0..B {
                for window in 0..C / 2 {
                    let mut sum = activate(self.layer.activation, sums[b][0][2 * window]);
                    for (i, j) in [(0, 1), (1, 0), (1, 1)] {
                        let value = sums[b][i][2 * window + j];
                        sum = sum.add(activate(self.layer.activation, value));
                    }
                    self.write(sum.mul(V::splat(0.25)), b, y, x + window);
                }
            }
        }
    }

    /// C positions from this one on.
    #[inline(always)]
    unsafe fn plain<V: Simd, const B: usize, const C: usize>(&self, y: usize, x: usize) {
        // SAFETY: the caller vouches for the positions.
        unsafe {
            let sums = self.sums::<V, B, 1, C>(self.input.add(y * self.row + x));
            for b in 0..B {
                for c in 0..C {
                    let value = activate(self.layer.activation, sums[b][0][c]);
                    self.write(value, b, y, x + c);
                }
            }
        }
    }

    /// Bias and all taps of R rows of C positions, whose input begins at `corner`.
    #[inline(always)]
    unsafe fn sums<V: Simd, const B: usize, const R: usize, const C: usize>(
        &self,
        corner: *const f32,
    ) -> [[[V; C]; R]; B] {
        let kernel = self.layer.kernel;
        let channel = self.layer.padded()[0] * self.row;
        // SAFETY: the caller vouches that the taps lie in the input.
        unsafe {
            let mut sums = [[[V::splat(0.0); C]; R]; B];
            for b in 0..B {
                sums[b] = [[V::load(self.bias.add(b * V::WIDTH)); C]; R];
            }
            let mut weight = self.packed;
            for c in 0..self.layer.in_channels {
                for r in 0..kernel {
                    let mut x = corner.add(c * channel + r * self.row);
                    for _ in 0..kernel {
                        let mut w = [V::splat(0.0); B];
                        for b in 0..B {
                            w[b] = V::load(weight.add(b * V::WIDTH));
                        }
                        for i in 0..R {
                            for j in 0..C {
                                let value = V::splat(*x.add(i * self.row + j));
                                for b in 0..B {
                                    sums[b][i][j] = sums[b][i][j].fma(value, w[b]);
                                }
                            }
                        }
                        weight = weight.add(B * V::WIDTH);
                        x = x.add(1);
                    }
                }
            }
            sums
        }
    }

    /// Writes the channels of a position, of which the last register may have too many.
    #[inline(always)]
    unsafe fn write<V: Simd>(&self, value: V, register: usize, y: usize, x: usize) {
        let [channels, _, columns] = self.layer.output();
        let first = self.first + register * V::WIDTH;
        // SAFETY: the caller vouches for the target's room.
        unsafe {
            match self.to {
                Target::Positions { stride } => {
                    value.store(self.output.add((y * columns + x) * stride + first));
                }
                Target::Planes(planes) => {
                    let mut lanes = [0.0; LANES];
                    value.store(lanes.as_mut_ptr());
                    let to = self.output.add(planes.origin + y * planes.row + x);
                    let last = channels.min(first + V::WIDTH);
                    for channel in first..last {
                        *to.add(channel * planes.channel) = lanes[channel - first];
                    }
                }
            }
        }
    }
}
