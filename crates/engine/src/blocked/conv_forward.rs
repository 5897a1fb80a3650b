//! Convolution, bias, activation and average pooling of one block, in one pass.
//!
//! A tile is one pooling window of 2x2 (or four positions of a row, without pooling) by up to six
//! output channels, or three where there are 16 registers: 24 or 12 sums stay in registers over all
//! taps, and the map before pooling is never stored. What the backward pass needs of it is a bit for each element that is greater than 0
//! (ReLU) or the element itself (tanh).

use super::extents::Extents;
use crate::geometry::ConvLayer;
use crate::reference::activation::Activation;
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
    /// Nothing: the output tells, or no backward pass follows.
    Nothing,
    /// Four masks a window, [part of 16 lanes][channel][row][column][4].
    Masks(*mut u16),
    /// Four lines a window, [channel][row][column][4][16].
    Values(*mut f32),
}

/// Output channels of the tiles of a layer, in order: as many as fit, and what is left over.
pub(crate) fn channel_tiles(out_channels: usize, wide: bool) -> impl Iterator<Item = usize> {
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

/// Packs a weight for the tiles: [tile][C][R][S][channel of the tile]. `weight` gives the number of
/// an output channel and a tap, which counts through (C, R, S).
pub(crate) fn pack_weight(
    isa: crate::Isa,
    layer: &ConvLayer,
    weight: impl Fn(usize, usize) -> f32,
    packed: &mut [f32],
) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    let mut first = 0;
    let mut to = packed.iter_mut();
    for channels in channel_tiles(layer.out_channels, isa.is_wide()) {
        for tap in 0..taps {
            for channel in first..first + channels {
                if let Some(to) = to.next() {
                    *to = weight(channel, tap);
                }
            }
        }
        first += channels;
    }
}

dispatch! {
    /// The output of one block from its padded input (C, H + 2P, W + 2P, 16) and the weight of
    /// [`pack_weight`].
    ///
    /// # Safety
    /// `input`, `packed` and `bias` must hold the layer's numbers, `output` and `saved` have room.
    pub(crate) fn forward(
        layer: &ConvLayer,
        input: *const f32,
        packed: *const f32,
        bias: *const f32,
        output: Target,
        saved: Saved,
        extents: Extents<'_>,
    ) => forward_generic
}

#[inline(always)]
unsafe fn forward_generic<V: Simd>(
    layer: &ConvLayer,
    input: *const f32,
    packed: *const f32,
    bias: *const f32,
    output: Target,
    saved: Saved,
    extents: Extents<'_>,
) {
    // SAFETY: the caller vouches for the memory of a block, of which each part is a lane range.
    unsafe {
        match layer.kernel {
            5 => forward_kernel::<V, 5>(layer, input, packed, bias, output, saved, extents),
            3 => forward_kernel::<V, 3>(layer, input, packed, bias, output, saved, extents),
            _ => forward_kernel::<V, 0>(layer, input, packed, bias, output, saved, extents),
        }
    }
}

/// For kernels of K x K, or of any size where K is 0.
#[inline(always)]
unsafe fn forward_kernel<V: Simd, const K: usize>(
    layer: &ConvLayer,
    input: *const f32,
    mut packed: *const f32,
    bias: *const f32,
    output: Target,
    saved: Saved,
    extents: Extents<'_>,
) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    let mut first = 0;
    for channels in channel_tiles(layer.out_channels, V::WIDE) {
        // SAFETY: the tile's weights and biases lie behind those of the tiles before it.
        unsafe {
            let tile = Tile {
                layer,
                input,
                packed,
                bias: bias.add(first),
                output,
                saved,
                extents,
                first,
            };
            if V::WIDE {
                match channels {
                    6 => tile.rows::<V, 6, K>(),
                    5 => tile.rows::<V, 5, K>(),
                    4 => tile.rows::<V, 4, K>(),
                    3 => tile.rows::<V, 3, K>(),
                    2 => tile.rows::<V, 2, K>(),
                    _ => tile.rows::<V, 1, K>(),
                }
            } else {
                match channels {
                    3 => tile.rows::<V, 3, K>(),
                    2 => tile.rows::<V, 2, K>(),
                    _ => tile.rows::<V, 1, K>(),
                }
            }
            packed = packed.add(channels * taps);
        }
        first += channels;
    }
}

/// Some output channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    layer: &'a ConvLayer,
    input: *const f32,
    packed: *const f32,
    bias: *const f32,
    output: Target,
    saved: Saved,
    extents: Extents<'a>,
    /// The first of the tile's channels.
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<V: Simd, const B: usize, const K: usize>(self) {
        let [_, width] = self.layer.padded();
        let row = width * LANES;
        let [_, rows, columns] = self.layer.output();
        for part in 0..LANES / V::WIDTH {
            for y in 0..rows {
                // SAFETY: windows and taps of an output lie in the padded input.
                unsafe {
                    let input = self.input.add(part * V::WIDTH);
                    let k = self.layer.kernel;
                    if self.layer.pool {
                        let seen = self.extents.of_rows(2 * y, 2 * y + k + 1);
                        for x in 0..columns {
                            if !seen.meets(2 * x, 2 * x + k + 1) {
                                let sums = self.biases::<V, 4, B>();
                                self.pooled::<V, B>(sums, part, y, x);
                                continue;
                            }
                            let corner = input.add((2 * y * width + 2 * x) * LANES);
                            let sums =
                                self.sums::<V, 4, B, K>(corner, [0, LANES, row, row + LANES]);
                            self.pooled::<V, B>(sums, part, y, x);
                        }
                    } else {
                        let mut x = 0;
                        while x + 4 <= columns {
                            let corner = input.add((y * width + x) * LANES);
                            let steps = [0, LANES, 2 * LANES, 3 * LANES];
                            let sums = self.sums::<V, 4, B, K>(corner, steps);
                            self.plain::<V, 4, B>(sums, part, y, x);
                            x += 4;
                        }
                        while x < columns {
                            let corner = input.add((y * width + x) * LANES);
                            let sums = self.sums::<V, 1, B, K>(corner, [0]);
                            self.plain::<V, 1, B>(sums, part, y, x);
                            x += 1;
                        }
                    }
                }
            }
        }
    }

    /// The sums where the input is 0.
    #[inline(always)]
    unsafe fn biases<V: Simd, const P: usize, const B: usize>(&self) -> [[V; B]; P] {
        // SAFETY: the caller's.
        unsafe {
            let mut biases = [V::splat(0.0); B];
            for b in 0..B {
                biases[b] = V::splat(*self.bias.add(b));
            }
            [biases; P]
        }
    }

    /// Bias and all taps for P positions, whose input begins at `corner` and these steps from it.
    #[inline(always)]
    unsafe fn sums<V: Simd, const P: usize, const B: usize, const K: usize>(
        &self,
        corner: *const f32,
        steps: [usize; P],
    ) -> [[V; B]; P] {
        let k = if K == 0 { self.layer.kernel } else { K };
        let [height, width] = self.layer.padded();
        // SAFETY: the caller vouches that the windows lie in the input.
        unsafe {
            let mut sums = self.biases::<V, P, B>();
            let mut weight = self.packed;
            let mut channel = corner;
            for _ in 0..self.layer.in_channels {
                let mut row = channel;
                for _ in 0..k {
                    for s in 0..k {
                        let mut from = steps;
                        for p in 0..P {
                            from[p] += s * LANES;
                        }
                        let mut numbers = [0; B];
                        for b in 0..B {
                            numbers[b] = s * B + b;
                        }
                        [row, weight] = add_products(&mut sums, [row, weight], from, numbers);
                    }
                    weight = weight.add(k * B);
                    row = row.add(width * LANES);
                }
                channel = channel.add(height * width * LANES);
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn pooled<V: Simd, const B: usize>(
        &self,
        sums: [[V; B]; 4],
        part: usize,
        y: usize,
        x: usize,
    ) {
        let [channels, rows, columns] = self.layer.output();
        // SAFETY: the caller vouches for the room of the output and of what is saved.
        unsafe {
            for b in 0..B {
                let channel = self.first + b;
                let window = (channel * rows + y) * columns + x;
                let mut sum = V::splat(0.0);
                let mut masks = [0_u16; 4];
                for p in 0..4 {
                    let value = activate(self.layer.activation, sums[p][b]);
                    match self.saved {
                        Saved::Nothing => {}
                        Saved::Masks(_) => masks[p] = value.positive(),
                        Saved::Values(to) => {
                            value.store(to.add((window * 4 + p) * LANES + part * V::WIDTH));
                        }
                    }
                    sum = if p == 0 { value } else { sum.add(value) };
                }
                if let Saved::Masks(to) = self.saved {
                    let windows = channels * rows * columns;
                    let to = to.add((part * windows + window) * 4);
                    to.cast::<[u16; 4]>().write_unaligned(masks);
                }
                let average = sum.mul(V::splat(0.25));
                average.store(self.target(channel, y, x, part * V::WIDTH));
            }
        }
    }

    #[inline(always)]
    unsafe fn plain<V: Simd, const P: usize, const B: usize>(
        &self,
        sums: [[V; B]; P],
        part: usize,
        y: usize,
        x: usize,
    ) {
        // SAFETY: the caller vouches for the room of the output.
        unsafe {
            for b in 0..B {
                for p in 0..P {
                    let value = activate(self.layer.activation, sums[p][b]);
                    value.store(self.target(self.first + b, y, x + p, part * V::WIDTH));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn target(&self, channel: usize, y: usize, x: usize, lane: usize) -> *mut f32 {
        let output = &self.output;
        let offset = channel * output.channel_stride + y * output.row_stride + x * LANES + lane;
        // SAFETY: the caller vouches that the element exists.
        unsafe { output.data.add(offset) }
    }
}

/// `sums[p][b] += x[p] w[b]`, where `x[p]` is a register's numbers behind the first pointer, and
/// `w[b]` a number behind the second, at these offsets. Gives the pointers back.
///
/// # Safety
/// The pointers must be valid for these offsets.
#[inline(always)]
pub(crate) unsafe fn add_products<V: Simd, const P: usize, const B: usize>(
    sums: &mut [[V; B]; P],
    [mut x, mut w]: [*const f32; 2],
    from: [usize; P],
    numbers: [usize; B],
) -> [*const f32; 2] {
    // SAFETY: the caller's.
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

#[inline(always)]
pub(crate) unsafe fn activate<V: Simd>(activation: Activation, x: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        match activation {
            // What is no number stays so: the operand that is kept then is the second.
            Activation::Relu => V::splat(0.0).max(x),
            Activation::Tanh => tanh(x),
            Activation::Identity => x,
        }
    }
}
