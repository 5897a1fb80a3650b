//! Convolution, bias, activation and average pooling of one block, in one pass.
//!
//! A tile is one pooling window of 2x2 by up to six output channels, or three where there are 16
//! registers: 24 or 12 sums stay in registers over all taps, and the map before pooling is never
//! stored. What the backward pass needs of it is a bit for each element that is greater than 0
//! (ReLU) or the element itself (tanh).

use super::extents::Extents;
use crate::layers::{Activation, ConvLayer, KERNEL};
use crate::simd::{LANES, Simd, dispatch, tanh};

/// Output channels of a tile where there are 32 registers.
const CHANNELS: usize = 6;
/// Output channels of a tile where there are 16: with the weights of a tap and one position's input
/// that is all of them.
const NARROW_CHANNELS: usize = 3;

/// Where the output of a block goes, in floats: the next layer's padding may lie around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) data: *mut f32,
    pub(crate) channel_stride: usize,
    pub(crate) row_stride: usize,
}

/// What the backward pass will need to know of the map before pooling.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saved {
    /// Nothing: no backward pass follows.
    Nothing,
    /// Four masks a window, [part of 16 lanes][channel][row][column][4].
    Masks(*mut u16),
    /// Four lines a window, [channel][row][column][4][16].
    Values(*mut f32),
}

/// The operands for one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forward<'a> {
    pub(crate) layer: &'a ConvLayer,
    /// The padded input, (C, H + 2P, W + 2P, 16).
    pub(crate) input: *const f32,
    /// The weight, from [`pack_weight`].
    pub(crate) packed: *const f32,
    /// (K).
    pub(crate) bias: *const f32,
    pub(crate) output: Target,
    pub(crate) saved: Saved,
    /// Where the input is not 0.
    pub(crate) extents: Extents<'a>,
}

/// Output channels of the tiles of a layer, in order: as many as fit, and what is left over.
fn channel_tiles(out_channels: usize, wide: bool) -> impl Iterator<Item = usize> {
    let mut left = out_channels;
    std::iter::from_fn(move || {
        let tile = match (wide, left) {
            (_, 0) => return None,
            (true, _) => left.min(CHANNELS),
            // One channel alone has too few sums to hide the latency of an addition: 2 and 2.
            (false, 4) => 2,
            (false, _) => left.min(NARROW_CHANNELS),
        };
        left -= tile;
        Some(tile)
    })
}

/// Packs a weight (K, C, R, S) for the tiles: [tile][C][R][S][channel of the tile].
pub(crate) fn pack_weight(isa: crate::Isa, layer: &ConvLayer, weight: &[f32], packed: &mut [f32]) {
    let taps = layer.taps();
    let mut first = 0;
    let mut to = packed.iter_mut();
    for channels in channel_tiles(layer.out_channels, isa.is_wide()) {
        for tap in 0..taps {
            for (channel, to) in (first..first + channels).zip(&mut to) {
                *to = weight[channel * taps + tap];
            }
        }
        first += channels;
    }
}

dispatch! {
    /// The output of one block.
    ///
    /// # Safety
    /// `input`, `packed` and `bias` must hold as many floats as the layer's sizes say; `output` and
    /// `saved` must have space for each window of the output.
    pub(crate) fn forward(operands: Forward<'_>) => forward_generic
}

#[inline(always)]
unsafe fn forward_generic<V: Simd>(mut operands: Forward<'_>) {
    let mut first = 0;
    for channels in channel_tiles(operands.layer.out_channels, V::WIDE) {
        let tile = Tile { operands, first };
        // SAFETY: the tiles are disjoint ranges of the K channels; each has `channels` biases and
        // `channels * taps` weights, which follow those of the tile before it.
        unsafe {
            if V::WIDE {
                match channels {
                    6 => tile.rows::<V, 6>(),
                    5 => tile.rows::<V, 5>(),
                    4 => tile.rows::<V, 4>(),
                    3 => tile.rows::<V, 3>(),
                    2 => tile.rows::<V, 2>(),
                    _ => tile.rows::<V, 1>(),
                }
            } else {
                match channels {
                    3 => tile.rows::<V, 3>(),
                    2 => tile.rows::<V, 2>(),
                    _ => tile.rows::<V, 1>(),
                }
            }
            operands.packed = operands.packed.add(channels * operands.layer.taps());
            operands.bias = operands.bias.add(channels);
        }
        first += channels;
    }
}

/// Some output channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// With the weights and biases of the tile's channels.
    operands: Forward<'a>,
    /// The first of the tile's channels.
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<V: Simd, const B: usize>(self) {
        let layer = self.operands.layer;
        let [_, width] = layer.padded();
        let [_, rows, columns] = layer.output();
        for part in 0..LANES / V::WIDTH {
            for y in 0..rows {
                let seen = self.operands.extents.of_rows(2 * y, 2 * y + KERNEL + 1);
                for x in 0..columns {
                    // SAFETY: the window's taps reach row 2y + 5 and column 2x + 5 of the padded
                    // input, which has at least twice the output's rows and columns and 4 more.
                    unsafe {
                        let sums = if seen.meets(2 * x, 2 * x + KERNEL + 1) {
                            let corner = (2 * y * width + 2 * x) * LANES + part * V::WIDTH;
                            self.sums::<V, B>(self.operands.input.add(corner))
                        } else {
                            self.biases::<V, B>()
                        };
                        self.pool::<V, B>(sums, part, y, x);
                    }
                }
            }
        }
    }

    /// The sums where the input is 0.
    #[inline(always)]
    unsafe fn biases<V: Simd, const B: usize>(&self) -> [[V; B]; 4] {
        // SAFETY: the tile has B biases.
        unsafe {
            let mut biases = [V::splat(0.0); B];
            for b in 0..B {
                biases[b] = V::splat(*self.operands.bias.add(b));
            }
            [biases; 4]
        }
    }

    /// Bias and all taps for the four positions of the window that begins at `corner`.
    #[inline(always)]
    unsafe fn sums<V: Simd, const B: usize>(&self, corner: *const f32) -> [[V; B]; 4] {
        let [height, width] = self.operands.layer.padded();
        let row_stride = width * LANES;
        // SAFETY: the window's 6x6 positions lie in each channel of the padded input, and the tile
        // has B weights for each of the C·5·5 taps.
        unsafe {
            let mut sums = self.biases::<V, B>();
            let mut weight = self.operands.packed;
            let mut channel = corner;
            for _ in 0..self.operands.layer.in_channels {
                let mut row = channel;
                for _ in 0..KERNEL {
                    for s in 0..KERNEL {
                        let left = s * LANES;
                        let right = left + LANES;
                        let from = [left, right, row_stride + left, row_stride + right];
                        let mut numbers = [0; B];
                        for b in 0..B {
                            numbers[b] = s * B + b;
                        }
                        [row, weight] = add_products(&mut sums, [row, weight], from, numbers);
                    }
                    weight = weight.add(KERNEL * B);
                    row = row.add(row_stride);
                }
                channel = channel.add(height * row_stride);
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn pool<V: Simd, const B: usize>(
        &self,
        sums: [[V; B]; 4],
        part: usize,
        y: usize,
        x: usize,
    ) {
        let Forward {
            layer,
            output,
            saved,
            ..
        } = self.operands;
        let [channels, rows, columns] = layer.output();
        // SAFETY: (channel, y, x) is a window of the output, for which `saved` and `output` have
        // space, and the part is a range of its 16 lanes.
        unsafe {
            for b in 0..B {
                let channel = self.first + b;
                let window = (channel * rows + y) * columns + x;
                let mut sum = V::splat(0.0);
                let mut masks = [0_u16; 4];
                for p in 0..4 {
                    let value = activate(Some(layer.activation), sums[p][b]);
                    match saved {
                        Saved::Nothing => {}
                        Saved::Masks(_) => masks[p] = value.positive(),
                        Saved::Values(to) => {
                            value.store(to.add((window * 4 + p) * LANES + part * V::WIDTH));
                        }
                    }
                    sum = if p == 0 { value } else { sum.add(value) };
                }
                if let Saved::Masks(to) = saved {
                    let windows = channels * rows * columns;
                    let to = to.add((part * windows + window) * 4);
                    to.cast::<[u16; 4]>().write_unaligned(masks);
                }
                let at = channel * output.channel_stride + y * output.row_stride + x * LANES;
                let average = sum.mul(V::splat(0.25));
                average.store(output.data.add(at + part * V::WIDTH));
            }
        }
    }
}

/// `sums[p][b] += x[p] w[b]`, where `x[p]` is a register of the floats at these offsets from the
/// first pointer, and `w[b]` one float at these offsets from the second. Returns the pointers.
///
/// # Safety
/// The first pointer must be valid for a register at each offset, the second for a float.
#[inline(always)]
pub(crate) unsafe fn add_products<V: Simd, const P: usize, const B: usize>(
    sums: &mut [[V; B]; P],
    [mut x, mut w]: [*const f32; 2],
    from: [usize; P],
    numbers: [usize; B],
) -> [*const f32; 2] {
    // SAFETY: only the P offsets of `x` and the B offsets of `w` are read.
    unsafe {
        if V::WIDE {
            let mut xs = [V::splat(0.0); P];
            for p in 0..P {
                xs[p] = V::load(x.add(from[p]));
            }
            for b in 0..B {
                let w = V::splat(*w.add(numbers[b]));
                for p in 0..P {
                    sums[p][b] = sums[p][b].fma(xs[p], w);
                }
            }
        } else if P <= B {
            let mut xs = [V::splat(0.0); P];
            for p in 0..P {
                xs[p] = V::load(x.add(from[p]));
            }
            for b in 0..B {
                let number = V::splat(*w.add(numbers[b]));
                for p in 0..P {
                    sums[p][b] = sums[p][b].fma(xs[p], number);
                    (sums[p][b], w) = sums[p][b].before(w);
                }
            }
            for p in 0..P {
                (sums[p][B - 1], x) = sums[p][B - 1].before(x);
            }
        } else {
            let mut ws = [V::splat(0.0); B];
            for b in 0..B {
                ws[b] = V::splat(*w.add(numbers[b]));
            }
            for p in 0..P {
                let numbers = V::load(x.add(from[p]));
                for b in 0..B {
                    sums[p][b] = sums[p][b].fma(numbers, ws[b]);
                    (sums[p][b], x) = sums[p][b].before(x);
                }
            }
            for b in 0..B {
                (sums[P - 1][b], w) = sums[P - 1][b].before(w);
            }
        }
    }
    [x, w]
}

/// `f(x)` of an activation; `x` without one.
///
/// # Safety
/// The instruction set of V must be enabled.
#[inline(always)]
pub(crate) unsafe fn activate<V: Simd>(activation: Option<Activation>, x: V) -> V {
    // SAFETY: V's instruction set is enabled.
    unsafe {
        match activation {
            // NaN stays NaN: the operand that is then kept is the second.
            Some(Activation::Relu) => V::splat(0.0).max(x),
            Some(Activation::Tanh) => tanh(x),
            None => x,
        }
    }
}
