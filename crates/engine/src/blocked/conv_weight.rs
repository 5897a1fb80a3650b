//! The gradient of a convolution's weight and bias from one block.
//!
//! A tile is up to four output channels by up to five columns of the kernel; its sums, 16 lanes
//! each, stay in registers over all positions of a chunk of rows, and are added up over the lanes
//! at the end of the block.

use super::extents::Extents;
use super::unpool::{Incoming, unpool};
use crate::Isa;
use crate::layers::{ConvLayer, KERNEL};
use crate::simd::{LANES, Simd, dispatch};

/// The most floats of the unpooled gradient that are kept at once: they fit in a second-level cache
/// beside the rest of a block.
const CHUNK: usize = 32 * 1024;
/// Rows of the output in a chunk if the whole does not fit: the first-level cache holds them.
const CHUNK_ROWS: usize = 1;

/// The operands for one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backward<'a> {
    pub(crate) layer: &'a ConvLayer,
    /// Whether `d_map` shall hold the gradient of the whole map in the end: that of the input
    /// follows.
    pub(crate) whole: bool,
    /// The padded input, (C, H + 2P, W + 2P, 16).
    pub(crate) input: *const f32,
    /// Where the input is not 0.
    pub(crate) extents: Extents<'a>,
    pub(crate) incoming: Incoming,
    /// Space for [`d_map_len`] floats.
    pub(crate) d_map: *mut f32,
    /// Space for [`sums_len`] floats.
    pub(crate) sums: *mut f32,
    /// The gradients of weight (K, C, R, S) and bias (K), one after the other, with space up to a
    /// multiple of 16.
    pub(crate) gradient: *mut f32,
}

/// Rows of the output in a chunk.
fn chunk_rows(layer: &ConvLayer, whole: bool) -> usize {
    let [height, width] = layer.map();
    if whole || layer.out_channels * height * width * LANES <= CHUNK {
        height / 2
    } else {
        CHUNK_ROWS
    }
}

/// Floats of the unpooled gradient, of all rows or of a chunk.
pub(crate) fn d_map_len(layer: &ConvLayer, whole: bool) -> usize {
    let [_, width] = layer.map();
    layer.out_channels * 2 * chunk_rows(layer, whole) * width * LANES
}

/// Floats of the sums: 16 lanes for each number of weight and bias, up to a multiple of 16 numbers.
pub(crate) fn sums_len(layer: &ConvLayer) -> usize {
    (layer.weight_len() + layer.out_channels).next_multiple_of(LANES) * LANES
}

/// The gradients of weight and bias by one block.
///
/// # Safety
/// `input` and `incoming` must hold as many floats as the layer's sizes say, and `d_map`, `sums` and
/// `gradient` have the space that [`Backward`] says.
pub(crate) unsafe fn gradient(isa: Isa, operands: Backward<'_>) {
    let Backward {
        layer,
        whole,
        incoming,
        d_map,
        sums,
        gradient,
        ..
    } = operands;
    let [_, rows, _] = layer.output();
    let chunk = chunk_rows(layer, whole);
    // SAFETY: a chunk is `first..end` of the output's rows, which become twice as many rows of the
    // map: no more than `d_map` has space for.
    unsafe {
        for first in (0..rows).step_by(chunk) {
            let end = rows.min(first + chunk);
            unpool(isa, layer, incoming, first, end, d_map);
            accumulate(isa, operands, 2 * first, 2 * (end - first));
        }
        reduce(isa, layer, sums, gradient);
    }
}

dispatch! {
    /// Adds the products of these rows of the map to the sums; the first row begins them.
    fn accumulate(operands: Backward<'_>, map_first: usize, map_rows: usize) => accumulate_generic
}

dispatch! {
    /// Adds the sums up over their lanes.
    fn reduce(layer: &ConvLayer, sums: *const f32, gradient: *mut f32) => reduce_generic
}

#[inline(always)]
unsafe fn reduce_generic<V: Simd>(layer: &ConvLayer, sums: *const f32, gradient: *mut f32) {
    let numbers = layer.weight_len() + layer.out_channels;
    for first in (0..numbers).step_by(LANES) {
        // SAFETY: sums and gradient have space up to a multiple of 16 numbers.
        unsafe { V::sum_rows(sums.add(first * LANES), gradient.add(first)) }
    }
}

#[inline(always)]
unsafe fn accumulate_generic<V: Simd>(operands: Backward<'_>, map_first: usize, map_rows: usize) {
    let most = if V::WIDE { 4 } else { 2 };
    // Six channels are three and three, not four and two.
    let channels = operands.layer.out_channels;
    let even = channels.div_ceil(channels.div_ceil(most));
    for first in (0..channels).step_by(even) {
        let tile = Tile {
            operands,
            map_first,
            map_rows,
            first,
        };
        // SAFETY: the tiles are disjoint ranges of the K channels.
        unsafe {
            match even.min(channels - first) {
                4 if V::WIDE => tile.taps::<V, 4>(),
                3 if V::WIDE => tile.taps::<V, 3>(),
                2 => tile.taps::<V, 2>(),
                _ => tile.taps::<V, 1>(),
            }
        }
    }
}

/// Some output channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    operands: Backward<'a>,
    /// The first of the chunk's rows of the map.
    map_first: usize,
    map_rows: usize,
    /// The first of the tile's channels.
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn taps<V: Simd, const B: usize>(self) {
        for lane in (0..LANES).step_by(V::WIDTH) {
            for c in 0..self.operands.layer.in_channels {
                for r in 0..KERNEL {
                    // SAFETY: c and r are below C and 5, and the lanes below 16.
                    unsafe { self.row_of_taps::<V, B>(lane, c, r) }
                }
            }
            // SAFETY: the lanes are below 16.
            unsafe { self.bias::<V, B>(lane) }
        }
    }

    /// B channels by the columns of row r of the kernel.
    #[inline(always)]
    unsafe fn row_of_taps<V: Simd, const B: usize>(self, lane: usize, c: usize, r: usize) {
        let Backward {
            layer,
            input,
            extents,
            d_map,
            sums,
            ..
        } = self.operands;
        let [height, width] = layer.padded();
        let [_, map_width] = layer.map();
        let map = self.map_rows * map_width * LANES;
        // SAFETY: row `map_first + y + r` lies in the padded input, whose rows are 4 columns longer
        // than the map's; the sums of B channels' taps are those of the weight.
        unsafe {
            let row = ((self.first * layer.in_channels + c) * KERNEL + r) * KERNEL;
            let sums = sums.add(row * LANES + lane);
            let channel = layer.taps() * LANES;
            let mut totals = [[V::splat(0.0); KERNEL]; B];
            if self.map_first > 0 {
                for b in 0..B {
                    for s in 0..KERNEL {
                        totals[b][s] = V::load(sums.add(b * channel + s * LANES));
                    }
                }
            }
            for y in 0..self.map_rows {
                let row = self.map_first + y + r;
                // Columns of the map whose window has a tap on what is not 0.
                let (begin, end) = match extents.is_unknown() {
                    true => (0, map_width),
                    false => {
                        let seen = extents.of_row(row);
                        (
                            seen.first.saturating_sub(KERNEL - 1),
                            map_width.min(seen.end),
                        )
                    }
                };
                let x = input.add((c * height + row) * width * LANES + lane);
                let d = d_map.add(self.first * map + y * map_width * LANES + lane);
                let mut column = begin;
                while column + 2 <= end {
                    let at = column * LANES;
                    columns::<V, B, 2>(&mut totals, d.add(at), map, x.add(at));
                    column += 2;
                }
                if column < end {
                    let at = column * LANES;
                    columns::<V, B, 1>(&mut totals, d.add(at), map, x.add(at));
                }
            }
            for b in 0..B {
                for s in 0..KERNEL {
                    totals[b][s].store(sums.add(b * channel + s * LANES));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn bias<V: Simd, const B: usize>(self, lane: usize) {
        let Backward {
            layer, d_map, sums, ..
        } = self.operands;
        let [_, map_width] = layer.map();
        let positions = self.map_rows * map_width;
        // SAFETY: the sums of the bias follow those of the weight, and `d_map` holds these
        // positions of each channel.
        unsafe {
            let to = sums.add((layer.weight_len() + self.first) * LANES + lane);
            let mut totals = [V::splat(0.0); B];
            if self.map_first > 0 {
                for b in 0..B {
                    totals[b] = V::load(to.add(b * LANES));
                }
            }
            for position in 0..positions {
                for b in 0..B {
                    let at = ((self.first + b) * positions + position) * LANES + lane;
                    totals[b] = totals[b].add(V::load(d_map.add(at)));
                }
            }
            for b in 0..B {
                totals[b].store(to.add(b * LANES));
            }
        }
    }
}

/// Adds the products of N neighbouring columns of the map, each input being read once.
#[inline(always)]
unsafe fn columns<V: Simd, const B: usize, const N: usize>(
    sums: &mut [[V; KERNEL]; B],
    d: *const f32,
    map: usize,
    x: *const f32,
) {
    // SAFETY: there are N columns of B maps, `map` floats apart, and N + 4 columns of the input.
    unsafe {
        let mut ds = [[V::splat(0.0); N]; B];
        for b in 0..B {
            for n in 0..N {
                ds[b][n] = V::load(d.add(b * map + n * LANES));
            }
        }
        for j in 0..KERNEL + N - 1 {
            let x = V::load(x.add(j * LANES));
            for n in 0..N {
                if n <= j && j - n < KERNEL {
                    for b in 0..B {
                        sums[b][j - n] = sums[b][j - n].fma(ds[b][n], x);
                    }
                }
            }
        }
    }
}
