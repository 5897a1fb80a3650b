//! The gradient of a convolution's input from one block: the correlation of the map's gradient with
//! the turned kernel.
//!
//! The gradient of the map is smaller than the input, so that at the border many taps meet nothing.
//! The kernel leaves those out: it computes 6 or 7 neighbours of a row (where there are 16
//! registers, up to four) by up to three input channels, and knows when it is compiled which taps
//! of the first and the last strip of a row exist.

use crate::layers::{ConvLayer, KERNEL};
use crate::simd::{LANES, Simd, dispatch};

/// Input channels of a strip.
const CHANNELS: usize = 3;
/// Columns of the first and the last strip where there are 16 registers: no fewer than the taps that
/// are missing there.
const NARROW: usize = 4;

/// The operands for one block of a layer without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backward<'a> {
    pub(crate) layer: &'a ConvLayer,
    /// The weight, from [`pack_weight`].
    pub(crate) packed: *const f32,
    /// The gradient of the map before activation and pooling, dense: (K, R', S', 16).
    pub(crate) d_map: *const f32,
    /// The gradient of the input, dense: (C, H, W, 16).
    pub(crate) d_input: *mut f32,
}

/// Packs a weight (K, C, R, S) for [`gradient`]: [tile][K][R][S][input channel of the tile].
pub(crate) fn pack_weight(layer: &ConvLayer, weight: &[f32], packed: &mut [f32]) {
    let area = KERNEL * KERNEL;
    let mut to = packed.iter_mut();
    for (first, channels) in channel_tiles(layer) {
        for o in 0..layer.out_channels {
            for tap in 0..area {
                for (c, to) in (first..first + channels).zip(&mut to) {
                    *to = weight[(o * layer.in_channels + c) * area + tap];
                }
            }
        }
    }
}

/// The first of each tile's input channels, and how many it has.
fn channel_tiles(layer: &ConvLayer) -> impl Iterator<Item = (usize, usize)> {
    let channels = layer.in_channels;
    let firsts = (0..channels).step_by(CHANNELS);
    firsts.map(move |first| (first, CHANNELS.min(channels - first)))
}

dispatch! {
    /// The gradient of the input of one block.
    ///
    /// # Safety
    /// The layer must have no padding and one of the widths of [`Layers`](crate::engine::Layers);
    /// `packed` and `d_map` must hold as many floats as its sizes say, `d_input` have space for
    /// (C, H, W, 16).
    pub(crate) fn gradient(operands: Backward<'_>) => gradient_generic
}

#[inline(always)]
unsafe fn gradient_generic<V: Simd>(operands: Backward<'_>) {
    // SAFETY: 14 and 28 columns are strips of 7, 12 and 24 columns strips of 6, and each is at
    // least two of the 4 columns of narrow registers.
    unsafe {
        match (V::WIDE, operands.layer.width % 7) {
            (false, _) => strips::<V, NARROW>(operands),
            (true, 0) => strips::<V, 7>(operands),
            (true, _) => strips::<V, 6>(operands),
        }
    }
}

#[inline(always)]
unsafe fn strips<V: Simd, const W: usize>(mut operands: Backward<'_>) {
    let layer = operands.layer;
    for (first, channels) in channel_tiles(layer) {
        // SAFETY: the tiles are disjoint ranges of the C channels, and the K·5·5 weights of a
        // tile's channels follow those of the tile before it.
        unsafe {
            let tile = Tile { operands, first };
            match channels {
                3 => tile.rows::<V, 3, W>(),
                2 => tile.rows::<V, 2, W>(),
                _ => tile.rows::<V, 1, W>(),
            }
            let weights = channels * layer.out_channels * KERNEL * KERNEL;
            operands.packed = operands.packed.add(weights);
        }
    }
}

/// Some input channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// With the weights of the tile's channels.
    operands: Backward<'a>,
    /// The first of the tile's channels.
    first: usize,
}

/// Where in its row a strip lies.
const INNER: u8 = 0;
const FIRST: u8 = 1;
const LAST: u8 = 2;

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<V: Simd, const B: usize, const W: usize>(self) {
        let ConvLayer { height, width, .. } = *self.operands.layer;
        for lane in (0..LANES).step_by(V::WIDTH) {
            for y in 0..height {
                // SAFETY: the strips are disjoint ranges of a row of W columns or more on each
                // side; the first and the last have at least the 4 columns where taps are missing.
                unsafe {
                    self.strip::<V, B, W, FIRST>(y, 0, lane);
                    let mut x = W;
                    while x < width - W {
                        // Of narrow strips, six columns are three and three, not four and two.
                        if !V::WIDE && !(width - W - x).is_multiple_of(4) {
                            self.strip::<V, B, 3, INNER>(y, x, lane);
                            x += 3;
                        } else {
                            self.strip::<V, B, W, INNER>(y, x, lane);
                            x += W;
                        }
                    }
                    self.strip::<V, B, W, LAST>(y, width - W, lane);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn strip<V: Simd, const B: usize, const W: usize, const AT: u8>(
        &self,
        y: usize,
        x: usize,
        lane: usize,
    ) {
        let Backward {
            layer,
            packed,
            d_map,
            d_input,
        } = self.operands;
        let [map_height, map_width] = layer.map();
        // Rows of the kernel that reach a row of the map from here.
        let reach = (y + 1).saturating_sub(map_height)..KERNEL.min(y + 1);
        // SAFETY: row y - r lies in the map for each r that reaches it, `tap` reads only columns of
        // the map, and the strip's W columns lie in row y of the input.
        unsafe {
            let mut sums = [[V::splat(0.0); B]; W];
            for o in 0..layer.out_channels {
                for r in reach.start..reach.end {
                    let row = (o * map_height + y - r) * map_width;
                    let d = d_map.add(row * LANES + lane).wrapping_add(x * LANES);
                    let weight = packed.add((o * KERNEL + r) * KERNEL * B);
                    tap::<V, B, W, AT, 0>(&mut sums, d, weight);
                    tap::<V, B, W, AT, 1>(&mut sums, d, weight);
                    tap::<V, B, W, AT, 2>(&mut sums, d, weight);
                    tap::<V, B, W, AT, 3>(&mut sums, d, weight);
                    tap::<V, B, W, AT, 4>(&mut sums, d, weight);
                }
            }
            for b in 0..B {
                let row = ((self.first + b) * layer.height + y) * layer.width + x;
                for j in 0..W {
                    sums[j][b].store(d_input.add((row + j) * LANES + lane));
                }
            }
        }
    }
}

/// Column S of the kernel: position j of the strip meets column j - S of the map.
#[inline(always)]
unsafe fn tap<V: Simd, const B: usize, const W: usize, const AT: u8, const S: usize>(
    sums: &mut [[V; B]; W],
    d: *const f32,
    weight: *const f32,
) {
    let first = if AT == FIRST { S } else { 0 };
    // The map ends 4 columns before the input does.
    let end = if AT == LAST { W - (KERNEL - 1) + S } else { W };
    // SAFETY: positions `first..end` have a column j - S of the map, and there are B weights for
    // each of the kernel's columns.
    unsafe {
        let mut w = [V::splat(0.0); B];
        for b in 0..B {
            w[b] = V::splat(*weight.add(S * B + b));
        }
        for j in 0..W {
            if j >= first && j < end {
                let x = V::load(d.wrapping_add(j * LANES).wrapping_sub(S * LANES));
                for b in 0..B {
                    sums[j][b] = sums[j][b].fma(x, w[b]);
                }
            }
        }
    }
}
