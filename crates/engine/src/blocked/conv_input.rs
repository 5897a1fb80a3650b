//! The gradient of a convolution's input from one block: the correlation of the map's gradient with
//! the turned kernel.
//!
//! The gradient of the map is smaller than the input, so that at the border many taps meet nothing.
//! A strip kernel leaves those out: it computes 6, 7 or 8 neighbours of a row (where there are 16
//! registers, up to four) by up to three input channels, and knows when it is compiled which taps
//! of the first and the last strip of a row exist. Shapes that it does not fit go through the
//! forward kernel with turned weights and a border of zeros.

use super::conv_forward::{self, Saved, Target};
use super::extents::Extents;
use crate::Isa;
use crate::geometry::ConvLayer;
use crate::reference::activation::Activation;
use crate::simd::{LANES, Simd, dispatch};

/// Input channels of a strip.
const CHANNELS: usize = 3;
/// Columns of the first and the last strip where there are 16 registers: no fewer than the taps that
/// are missing there.
const NARROW: usize = 4;

/// How a layer's input gradient is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By strips of so many columns.
    Strips(usize),
    /// By the forward kernel.
    Turned,
}

fn way(layer: &ConvLayer) -> Way {
    let width = [7, 6, 8].into_iter().find(|strip| {
        // First and last strip are two, and each has room for the kernel.
        layer.width.is_multiple_of(*strip) && layer.width > *strip && layer.kernel < *strip
    });
    match (layer.padding, layer.kernel, width) {
        (0, 5 | 3, Some(strip)) => Way::Strips(strip),
        _ => Way::Turned,
    }
}

/// The forward pass that the input's gradient is.
fn turned(layer: &ConvLayer) -> ConvLayer {
    let border = border(layer);
    let [height, width] = layer.map();
    // Padding beyond the kernel's reach is cut off instead of added.
    let cut = layer.padding.saturating_sub(layer.kernel - 1);
    ConvLayer {
        in_channels: layer.out_channels,
        out_channels: layer.in_channels,
        height: height - 2 * cut,
        width: width - 2 * cut,
        kernel: layer.kernel,
        padding: border,
        activation: Activation::Identity,
        pool: false,
    }
}

/// Zeros around the map's gradient.
fn border(layer: &ConvLayer) -> usize {
    (layer.kernel - 1).saturating_sub(layer.padding)
}

/// Memory that [`gradient`] needs beside its operands, in floats.
pub(crate) fn scratch(layer: &ConvLayer) -> usize {
    match way(layer) {
        Way::Strips(_) => 0,
        Way::Turned => {
            let turned = turned(layer);
            let [height, width] = turned.padded();
            turned.in_channels * height * width * LANES
        }
    }
}

/// Numbers of a weight that [`pack_weight`] has packed.
pub(crate) fn packed_len(layer: &ConvLayer) -> usize {
    // The forward kernel wants a bias: zeros.
    layer.weight_len() + layer.in_channels
}

/// Packs a weight (K, C, R, S) for [`gradient`].
pub(crate) fn pack_weight(isa: Isa, layer: &ConvLayer, weight: &[f32], packed: &mut [f32]) {
    let k = layer.kernel;
    let at = |o: usize, c: usize, r: usize, s: usize| {
        weight[((o * layer.in_channels + c) * k + r) * k + s]
    };
    match way(layer) {
        Way::Strips(_) => {
            // [tile][K][R][S][input channel of the tile]
            let mut to = packed.iter_mut();
            let mut first = 0;
            for channels in strip_tiles(layer) {
                for o in 0..layer.out_channels {
                    for r in 0..k {
                        for s in 0..k {
                            for c in first..first + channels {
                                if let Some(to) = to.next() {
                                    *to = at(o, c, r, s);
                                }
                            }
                        }
                    }
                }
                first += channels;
            }
        }
        Way::Turned => {
            let area = k * k;
            let turn = |c: usize, tap: usize| {
                let (o, r, s) = (tap / area, tap % area / k, tap % k);
                at(o, c, k - 1 - r, k - 1 - s)
            };
            conv_forward::pack_weight(isa, &turned(layer), turn, packed);
            packed[layer.weight_len()..].fill(0.0);
        }
    }
}

/// Input channels of the tiles of a layer, in order.
fn strip_tiles(layer: &ConvLayer) -> impl Iterator<Item = usize> {
    let channels = layer.in_channels;
    (0..channels)
        .step_by(CHANNELS)
        .map(move |first| CHANNELS.min(channels - first))
}

/// The gradient of the input of one block, dense and without padding (C, H, W, 16), from that of the
/// map before activation and pooling, dense (K, R', S', 16).
///
/// # Safety
/// The operands must hold the layer's numbers, `packed` those of [`pack_weight`]; `d_input` and
/// `scratch` have room.
pub(crate) unsafe fn gradient(
    isa: Isa,
    layer: &ConvLayer,
    packed: *const f32,
    d_map: *const f32,
    scratch: *mut f32,
    d_input: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        match way(layer) {
            Way::Strips(_) => strips(isa, layer, packed, d_map, d_input),
            Way::Turned => {
                let turned = turned(layer);
                with_border(layer, &turned, d_map, scratch);
                let target = Target {
                    data: d_input,
                    channel_stride: layer.height * layer.width * LANES,
                    row_stride: layer.width * LANES,
                };
                let zeros = packed.add(layer.weight_len());
                conv_forward::forward(
                    isa,
                    &turned,
                    scratch,
                    packed,
                    zeros,
                    target,
                    Saved::Nothing,
                    Extents::UNKNOWN,
                );
            }
        }
    }
}

/// Copies the map's gradient into a border of zeros, or cuts its own off.
unsafe fn with_border(layer: &ConvLayer, turned: &ConvLayer, d_map: *const f32, to: *mut f32) {
    let [map_height, map_width] = layer.map();
    let cut = layer.padding.saturating_sub(layer.kernel - 1);
    let [height, width] = turned.padded();
    let border = turned.padding;
    // SAFETY: the caller vouches for the map and for `scratch` floats.
    unsafe {
        std::ptr::write_bytes(to, 0, turned.in_channels * height * width * LANES);
        for channel in 0..turned.in_channels {
            for row in 0..turned.height {
                let from = (channel * map_height + row + cut) * map_width + cut;
                let into = (channel * height + row + border) * width + border;
                std::ptr::copy_nonoverlapping(
                    d_map.add(from * LANES),
                    to.add(into * LANES),
                    turned.width * LANES,
                );
            }
        }
    }
}

dispatch! {
    fn strips(
        layer: &ConvLayer,
        packed: *const f32,
        d_map: *const f32,
        d_input: *mut f32,
    ) => strips_generic
}

#[inline(always)]
unsafe fn strips_generic<V: Simd>(
    layer: &ConvLayer,
    packed: *const f32,
    d_map: *const f32,
    d_input: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        if !V::WIDE {
            match layer.kernel {
                5 => strips_of::<V, 5, NARROW>(layer, packed, d_map, d_input),
                _ => strips_of::<V, 3, NARROW>(layer, packed, d_map, d_input),
            }
            return;
        }
        match (layer.kernel, way(layer)) {
            (5, Way::Strips(7)) => strips_of::<V, 5, 7>(layer, packed, d_map, d_input),
            (5, Way::Strips(6)) => strips_of::<V, 5, 6>(layer, packed, d_map, d_input),
            (5, _) => strips_of::<V, 5, 8>(layer, packed, d_map, d_input),
            (_, Way::Strips(7)) => strips_of::<V, 3, 7>(layer, packed, d_map, d_input),
            (_, Way::Strips(6)) => strips_of::<V, 3, 6>(layer, packed, d_map, d_input),
            _ => strips_of::<V, 3, 8>(layer, packed, d_map, d_input),
        }
    }
}

#[inline(always)]
unsafe fn strips_of<V: Simd, const K: usize, const W: usize>(
    layer: &ConvLayer,
    mut packed: *const f32,
    d_map: *const f32,
    d_input: *mut f32,
) {
    let mut first = 0;
    for channels in strip_tiles(layer) {
        let tile = Tile {
            layer,
            packed,
            d_map,
            d_input,
            first,
        };
        // SAFETY: the caller's; the tile's weights lie behind those of the tiles before it.
        unsafe {
            match channels {
                3 => tile.rows::<V, 3, K, W>(),
                2 => tile.rows::<V, 2, K, W>(),
                _ => tile.rows::<V, 1, K, W>(),
            }
            packed = packed.add(channels * layer.out_channels * K * K);
        }
        first += channels;
    }
}

/// Some input channels of a block.
#[derive(Clone, Copy)]
struct Tile<'a> {
    layer: &'a ConvLayer,
    packed: *const f32,
    d_map: *const f32,
    d_input: *mut f32,
    first: usize,
}

/// Where in its row a strip lies.
const INNER: u8 = 0;
const FIRST: u8 = 1;
const LAST: u8 = 2;

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<V: Simd, const B: usize, const K: usize, const W: usize>(self) {
        let width = self.layer.width;
        for part in 0..LANES / V::WIDTH {
            let lane = part * V::WIDTH;
            for y in 0..self.layer.height {
                // SAFETY: the caller's; the strips are ranges of a row.
                unsafe {
                    if V::WIDE {
                        self.strip::<V, B, K, W, FIRST>(y, 0, lane);
                        for x in (W..width - W).step_by(W) {
                            self.strip::<V, B, K, W, INNER>(y, x, lane);
                        }
                        self.strip::<V, B, K, W, LAST>(y, width - W, lane);
                    } else {
                        self.strip::<V, B, K, W, FIRST>(y, 0, lane);
                        let mut x = W;
                        while x < width - W {
                            x += self.inner::<V, B, K>(y, x, width - W - x, lane);
                        }
                        self.strip::<V, B, K, W, LAST>(y, width - W, lane);
                    }
                }
            }
        }
    }

    /// A strip of four columns or fewer, of so many that are left; gives how many it took.
    #[inline(always)]
    unsafe fn inner<V: Simd, const B: usize, const K: usize>(
        &self,
        y: usize,
        x: usize,
        left: usize,
        lane: usize,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe {
            match left {
                1 => self.strip::<V, B, K, 1, INNER>(y, x, lane),
                2 => self.strip::<V, B, K, 2, INNER>(y, x, lane),
                // Six columns are three and three, not four and two.
                3 | 5 | 6 | 9 => {
                    self.strip::<V, B, K, 3, INNER>(y, x, lane);
                    return 3;
                }
                _ => {
                    self.strip::<V, B, K, 4, INNER>(y, x, lane);
                    return 4;
                }
            }
        }
        left
    }

    #[inline(always)]
    unsafe fn strip<V: Simd, const B: usize, const K: usize, const W: usize, const AT: u8>(
        &self,
        y: usize,
        x: usize,
        lane: usize,
    ) {
        let layer = self.layer;
        let [map_height, map_width] = layer.map();
        // Rows of the kernel that reach a row of the map from here.
        let reach = (y + 1).saturating_sub(map_height)..K.min(y + 1);
        // SAFETY: taps that leave the map are left out; the rest is the caller's.
        unsafe {
            let mut sums = [[V::splat(0.0); B]; W];
            for o in 0..layer.out_channels {
                for r in reach.start..reach.end {
                    let row = (o * map_height + y - r) * map_width;
                    let d = self.d_map.add(row * LANES + lane);
                    let d = d.wrapping_add(x * LANES);
                    let weight = self.packed.add((o * K + r) * K * B);
                    tap::<V, B, W, K, AT, 0>(&mut sums, d, weight);
                    tap::<V, B, W, K, AT, 1>(&mut sums, d, weight);
                    tap::<V, B, W, K, AT, 2>(&mut sums, d, weight);
                    if K == 5 {
                        tap::<V, B, W, K, AT, 3>(&mut sums, d, weight);
                        tap::<V, B, W, K, AT, 4>(&mut sums, d, weight);
                    }
                }
            }
            for b in 0..B {
                let row = ((self.first + b) * layer.height + y) * layer.width + x;
                for j in 0..W {
                    sums[j][b].store(self.d_input.add((row + j) * LANES + lane));
                }
            }
        }
    }
}

/// Column S of the kernel: position j of the strip meets column j - S of the map.
#[inline(always)]
unsafe fn tap<
    V: Simd,
    const B: usize,
    const W: usize,
    const K: usize,
    const AT: u8,
    const S: usize,
>(
    sums: &mut [[V; B]; W],
    d: *const f32,
    weight: *const f32,
) {
    let first = if AT == FIRST { S } else { 0 };
    // The map ends K - 1 columns before the input does.
    let end = if AT == LAST { W - (K - 1) + S } else { W };
    // SAFETY: these positions have a column of the map; the rest is the caller's.
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
