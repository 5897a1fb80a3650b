//! The gradient of a convolution's weight and bias from one block.
//!
//! A tile is up to four output channels by up to five columns of the kernel; its sums, 16 lanes
//! each, stay in registers over all positions of a chunk of rows, and are added up over the lanes
//! at the end of the block.

use super::extents::Extents;
use super::unpool::{Incoming, map_rows, unpool};
use crate::Isa;
use crate::geometry::ConvLayer;
use crate::simd::{LANES, Simd, dispatch};

/// The most floats of the unpooled gradient that are kept at once: a second-level cache has room
/// for them beside the rest of a block.
const CHUNK: usize = 32 * 1024;
/// Rows of the output in a chunk, where the whole has no room: the first-level cache holds them.
const CHUNK_ROWS: usize = 1;

/// Memory that a block's weight gradient needs, in floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch {
    /// The unpooled gradient, of all rows or of a chunk.
    pub(crate) d_map: usize,
    /// Sums, 16 lanes for each number of weight and bias, and 15 more rows.
    pub(crate) sums: usize,
}

/// Rows of the output in a chunk. Where the input's gradient is wanted too, there is one chunk.
fn chunk_rows(layer: &ConvLayer, whole: bool) -> usize {
    let [height, width] = layer.map();
    let [channels, rows, _] = layer.output();
    match whole || channels * height * width * LANES <= CHUNK {
        true => rows.max(1),
        false => CHUNK_ROWS,
    }
}

/// What [`gradient`] needs; `whole` keeps the unpooled gradient of all rows.
pub(crate) fn scratch(layer: &ConvLayer, whole: bool) -> Scratch {
    let [height, width] = layer.map();
    let rows = chunk_rows(layer, whole);
    // One more row of windows, for the odd row behind the last.
    let map_rows = height.min(if layer.pool { 2 * rows + 1 } else { rows });
    let numbers = layer.weight_len() + layer.out_channels;
    Scratch {
        d_map: layer.out_channels * map_rows * width * LANES,
        sums: numbers.next_multiple_of(LANES) * LANES,
    }
}

/// The gradients of weight (K, C, R, S) and bias (K), one behind the other, by one block. With
/// `whole`, `d_map` then holds the gradient of the whole map before activation and pooling.
///
/// # Safety
/// Memory as [`scratch`] says; `input` padded, `incoming` of the layer's block; `gradient` has room
/// for the numbers, rounded up to a multiple of 16.
#[allow(clippy::too_many_arguments, reason = "the operands of a kernel")]
pub(crate) unsafe fn gradient(
    isa: Isa,
    layer: &ConvLayer,
    whole: bool,
    input: *const f32,
    extents: Extents<'_>,
    incoming: Incoming,
    d_map: *mut f32,
    sums: *mut f32,
    gradient: *mut f32,
) {
    let [_, rows, _] = layer.output();
    let chunk = chunk_rows(layer, whole);
    let mut first = 0;
    // SAFETY: the caller vouches for the memory; chunks are ranges of its rows.
    unsafe {
        while first < rows {
            let end = rows.min(first + chunk);
            unpool(isa, layer, incoming, first, end, d_map);
            let map_first = if layer.pool { 2 * first } else { first };
            let map_rows = map_rows(layer, first, end);
            accumulate(
                isa,
                layer,
                extents,
                first == 0,
                map_first,
                map_rows,
                input,
                d_map,
                sums,
            );
            first = end;
        }
        reduce(isa, layer, sums, gradient);
    }
}

dispatch! {
    /// Adds the products of these rows of the map to the sums, or begins them.
    fn accumulate(
        layer: &ConvLayer,
        extents: Extents<'_>,
        begin: bool,
        map_first: usize,
        map_rows: usize,
        input: *const f32,
        d_map: *const f32,
        sums: *mut f32,
    ) => accumulate_generic
}

dispatch! {
    /// Adds the sums up over their lanes.
    fn reduce(layer: &ConvLayer, sums: *const f32, gradient: *mut f32) => reduce_generic
}

#[inline(always)]
unsafe fn reduce_generic<V: Simd>(layer: &ConvLayer, sums: *const f32, gradient: *mut f32) {
    let numbers = layer.weight_len() + layer.out_channels;
    for first in (0..numbers).step_by(LANES) {
        // SAFETY: the caller vouches for sums and gradients up to a multiple of 16.
        unsafe { V::sum_rows(sums.add(first * LANES), gradient.add(first)) }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the operands of a kernel")]
unsafe fn accumulate_generic<V: Simd>(
    layer: &ConvLayer,
    extents: Extents<'_>,
    begin: bool,
    map_first: usize,
    map_rows: usize,
    input: *const f32,
    d_map: *const f32,
    sums: *mut f32,
) {
    let most = if V::WIDE { 4 } else { 2 };
    // Six channels are three and three, not four and two.
    let tiles = layer.out_channels.div_ceil(most).max(1);
    let even = layer.out_channels.div_ceil(tiles);
    let mut first = 0;
    while first < layer.out_channels {
        let channels = even.min(layer.out_channels - first);
        let tile = Tile {
            layer,
            extents,
            begin,
            map_first,
            map_rows,
            input,
            d_map,
            sums,
            first,
        };
        // SAFETY: the caller's.
        unsafe {
            match channels {
                4 if V::WIDE => tile.taps::<V, 4>(),
                3 if V::WIDE => tile.taps::<V, 3>(),
                2 => tile.taps::<V, 2>(),
                _ => tile.taps::<V, 1>(),
            }
        }
        first += channels;
    }
}

/// Some output channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    layer: &'a ConvLayer,
    extents: Extents<'a>,
    begin: bool,
    map_first: usize,
    map_rows: usize,
    input: *const f32,
    d_map: *const f32,
    sums: *mut f32,
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn taps<V: Simd, const B: usize>(self) {
        let k = self.layer.kernel;
        for part in 0..LANES / V::WIDTH {
            // SAFETY: the caller vouches for the block's memory; a part is a range of lanes.
            unsafe {
                for c in 0..self.layer.in_channels {
                    for r in 0..k {
                        let mut s = 0;
                        while s < k {
                            match k - s {
                                1 => self.tap::<V, B, 1>(part, c, r, s),
                                2 => self.tap::<V, B, 2>(part, c, r, s),
                                3 => self.tap::<V, B, 3>(part, c, r, s),
                                4 => self.tap::<V, B, 4>(part, c, r, s),
                                _ => self.tap::<V, B, 5>(part, c, r, s),
                            }
                            s += 5;
                        }
                    }
                }
                self.bias::<V, B>(part);
            }
        }
    }

    /// B channels by S columns of the kernel, from its row r and column s on.
    #[inline(always)]
    unsafe fn tap<V: Simd, const B: usize, const S: usize>(
        self,
        part: usize,
        c: usize,
        r: usize,
        s: usize,
    ) {
        let lane = part * V::WIDTH;
        let [height, width] = self.layer.padded();
        let [_, map_width] = self.layer.map();
        let map = self.map_rows * map_width * LANES;
        // SAFETY: the window of every position lies in the padded input.
        unsafe {
            let mut sums = [[V::splat(0.0); S]; B];
            if !self.begin {
                for b in 0..B {
                    for j in 0..S {
                        sums[b][j] = V::load(self.sum(b, c, r, s + j).add(lane));
                    }
                }
            }
            for y in 0..self.map_rows {
                // Columns of the map whose window has a tap on what is not 0.
                let (begin, end) = match self.extents.is_unknown() {
                    true => (0, map_width),
                    false => {
                        let seen = self.extents.of_row(self.map_first + y + r);
                        let end = map_width.min(seen.end.saturating_sub(s));
                        (seen.first.saturating_sub(s + S - 1), end)
                    }
                };
                let row = (c * height + self.map_first + y + r) * width + s;
                let x = self.input.add(row * LANES + lane);
                let d = self
                    .d_map
                    .add(self.first * map + y * map_width * LANES + lane);
                let mut column = begin;
                while column + 2 <= end {
                    let at = column * LANES;
                    columns::<V, B, S, 2>(&mut sums, d.add(at), map, x.add(at));
                    column += 2;
                }
                if column < end {
                    let at = column * LANES;
                    columns::<V, B, S, 1>(&mut sums, d.add(at), map, x.add(at));
                }
            }
            for b in 0..B {
                for j in 0..S {
                    sums[b][j].store(self.sum(b, c, r, s + j).add(lane));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn bias<V: Simd, const B: usize>(self, part: usize) {
        let lane = part * V::WIDTH;
        let [_, map_width] = self.layer.map();
        let positions = self.map_rows * map_width;
        // SAFETY: as above.
        unsafe {
            let mut sums = [V::splat(0.0); B];
            let to = self
                .sums
                .add((self.layer.weight_len() + self.first) * LANES + lane);
            if !self.begin {
                for b in 0..B {
                    sums[b] = V::load(to.add(b * LANES));
                }
            }
            for position in 0..positions {
                for b in 0..B {
                    let at = ((self.first + b) * positions + position) * LANES + lane;
                    sums[b] = sums[b].add(V::load(self.d_map.add(at)));
                }
            }
            for b in 0..B {
                sums[b].store(to.add(b * LANES));
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(&self, b: usize, c: usize, r: usize, s: usize) -> *mut f32 {
        let layer = self.layer;
        let k = layer.kernel;
        let number = (((self.first + b) * layer.in_channels + c) * k + r) * k + s;
        // SAFETY: a number of the weight.
        unsafe { self.sums.add(number * LANES) }
    }
}

/// Adds the products of N neighbouring columns of the map, each input being read once.
#[inline(always)]
unsafe fn columns<V: Simd, const B: usize, const S: usize, const N: usize>(
    sums: &mut [[V; S]; B],
    d: *const f32,
    map: usize,
    x: *const f32,
) {
    // SAFETY: the caller vouches for N columns of B maps and for N + S - 1 of the input.
    unsafe {
        let mut ds = [[V::splat(0.0); N]; B];
        for b in 0..B {
            for n in 0..N {
                ds[b][n] = V::load(d.add(b * map + n * LANES));
            }
        }
        for j in 0..S + N - 1 {
            let x = V::load(x.add(j * LANES));
            for n in 0..N {
                if n <= j && j - n < S {
                    for b in 0..B {
                        sums[b][j - n] = sums[b][j - n].fma(ds[b][n], x);
                    }
                }
            }
        }
    }
}
