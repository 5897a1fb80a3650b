//! A convolution of 16 output channels on tiles: forward, and its two gradients.

use super::convert::{self, PAIRS, image_pair_stride};
use super::{ROWS, Shape, TILE, configure, load, multiply, store, zero};
use crate::blocked::conv_forward::{Saved, Target, activate};
use crate::buffer::Lines;
use crate::layers::{ConvLayer, KERNEL};
use crate::simd::avx512::Avx512;
use crate::simd::{LANES, Simd};

/// Whether a layer fits: 16 output channels fill a tile's rows, the taps of a row of the kernel its
/// 32 columns, and windows and pairs of rows come out even.
pub(crate) fn fits(layer: &ConvLayer) -> bool {
    layer.padding == 0
        && layer.out_channels == ROWS
        && layer.in_channels.is_multiple_of(2)
        && 2 * layer.in_channels <= ROWS
        && layer.in_channels * KERNEL <= 32
        && layer.height.is_multiple_of(2)
        && layer.width.is_multiple_of(2)
        && layer.width >= 8
        && layer.map().iter().all(|size| size.is_multiple_of(2))
}

/// Pairs of columns of the map that two neighbours of the input are made of.
fn column_pairs() -> usize {
    (KERNEL + 1).div_ceil(2)
}

/// Columns of zeros to the left of the map's gradient.
fn left() -> usize {
    KERNEL - 1
}

/// Bytes of a row of the map's gradient with its zeros.
fn padded_row(layer: &ConvLayer) -> usize {
    let [_, width] = layer.map();
    (left() + width + KERNEL) * (ROWS / 2) * PAIRS
}

/// What a layer's passes need on a thread.
#[derive(Debug)]
pub(crate) struct ConvTiles {
    /// The weight, a tile for each row of the kernel: [R][16][S, C].
    weight: Lines,
    /// The turned weight, a tile for each row and pair of columns: [R][pair][2][C][2][K]. Its rows
    /// make two neighbours of the input.
    turned: Lines,
    /// The input in pairs of channels.
    channel_pairs: Lines,
    /// The input in pairs of images.
    image_pairs: Lines,
    /// The map's gradient in pairs of rows.
    d_rows: Lines,
    /// The map's gradient in pairs of channels, with zeros on both sides.
    d_channels: Lines,
    /// Four tiles of sums.
    sums: Lines,
}

impl ConvTiles {
    pub(crate) fn new(layer: &ConvLayer) -> Self {
        let [height, width] = layer.map();
        let input = layer.height * layer.width * layer.in_channels / 2 * PAIRS;
        let rows = layer.height * 8 * image_pair_stride(layer.width * layer.in_channels);
        Self {
            weight: Lines::bytes(KERNEL * ROWS * 64),
            turned: Lines::bytes(KERNEL * column_pairs() * ROWS * 64),
            // A tile reads up to 16 rows and 64 bytes, of which fewer may count.
            channel_pairs: Lines::bytes(input + ROWS * PAIRS),
            image_pairs: Lines::bytes(rows + 2 * PAIRS),
            d_rows: Lines::bytes(ROWS * height / 2 * width * PAIRS),
            d_channels: Lines::bytes(height * padded_row(layer) + ROWS * PAIRS),
            sums: Lines::floats(4 * TILE),
        }
    }

    /// Packs a weight (K, C, R, S).
    pub(crate) fn pack(&mut self, layer: &ConvLayer, weight: &[f32]) {
        let (k, channels) = (KERNEL, layer.in_channels);
        let at = |o: usize, c: usize, r: usize, s: usize| {
            convert::bf16(weight[((o * channels + c) * k + r) * k + s])
        };
        let forward = self.weight.as_mut_words();
        let turned = self.turned.as_mut_words();
        for r in 0..k {
            for o in 0..ROWS {
                for s in 0..k {
                    for c in 0..channels {
                        forward[(r * ROWS + o) * 32 + s * channels + c] = at(o, c, r, s);
                    }
                }
            }
            for column in 0..2 * column_pairs() {
                let tile = (r * column_pairs() + column / 2) * ROWS * 32;
                for neighbour in 0..2 {
                    // Column x + 1 - k + column of the map reaches x + neighbour by this tap.
                    let Some(s) = (neighbour + k - 1).checked_sub(column).filter(|&s| s < k) else {
                        continue;
                    };
                    for c in 0..channels {
                        let row = tile + (neighbour * channels + c) * 32 + column % 2 * ROWS;
                        for o in 0..ROWS {
                            turned[row + o] = at(o, c, r, s);
                        }
                    }
                }
            }
        }
    }

    /// As [`conv_forward::forward`](crate::blocked::conv_forward::forward), for a layer that
    /// [`fits`].
    ///
    /// # Safety
    /// AMX must be available; the rest is as there.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(crate) unsafe fn forward(
        &mut self,
        layer: &ConvLayer,
        input: *const f32,
        bias: *const f32,
        output: Target,
        saved: Saved,
    ) {
        let half = layer.in_channels / 2;
        let row = layer.width * half * PAIRS;
        let depth = KERNEL * half;
        let sums = Shape {
            rows: ROWS,
            bytes: 64,
        };
        let left = Shape {
            rows: ROWS,
            bytes: 4 * depth,
        };
        let right = Shape {
            rows: depth,
            bytes: 64,
        };
        let [_, rows, columns] = layer.output();
        // SAFETY: the caller's; tiles lie in the input with its 16 more rows.
        unsafe {
            let pairs = self.channel_pairs.as_mut_ptr().cast::<u8>();
            convert::channel_pairs(
                layer.in_channels,
                layer.height,
                layer.width,
                input,
                pairs,
                row,
            );
            configure([sums, sums, sums, sums, left, left, right, right]);
            let window = self.sums.as_mut_ptr();
            for y in 0..rows {
                for x in 0..columns {
                    zero!("0", "1", "2", "3");
                    let mut corner = pairs.cast_const().add(2 * y * row + 2 * x * half * PAIRS);
                    let mut weight = self.weight.as_ptr().cast::<u16>();
                    for _ in 0..KERNEL {
                        load!("4", weight, 64_usize);
                        load!("6", corner, PAIRS);
                        multiply!("0", "4", "6");
                        load!("7", corner.add(half * PAIRS), PAIRS);
                        multiply!("1", "4", "7");
                        load!("6", corner.add(row), PAIRS);
                        multiply!("2", "4", "6");
                        load!("7", corner.add(row + half * PAIRS), PAIRS);
                        multiply!("3", "4", "7");
                        weight = weight.add(ROWS * 32);
                        corner = corner.add(row);
                    }
                    store!("0", window, 64_usize);
                    store!("1", window.add(TILE), 64_usize);
                    store!("2", window.add(2 * TILE), 64_usize);
                    store!("3", window.add(3 * TILE), 64_usize);
                    pool(layer, window, bias, output, saved, y, x);
                }
            }
        }
    }

    /// As [`conv_weight::gradient`](crate::blocked::conv_weight::gradient) from the gradient of the
    /// whole map, for a layer that [`fits`].
    ///
    /// # Safety
    /// AMX must be available; the rest is as there.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(crate) unsafe fn weight_gradient(
        &mut self,
        layer: &ConvLayer,
        input: *const f32,
        d_map: *const f32,
        gradient: *mut f32,
    ) {
        let [height, width] = layer.map();
        let (k, channels) = (KERNEL, layer.in_channels);
        let taps = k * channels;
        let stride = image_pair_stride(layer.width * channels);
        let bytes = [taps.min(16), taps.saturating_sub(16).max(1)].map(|taps| 4 * taps);
        let [sums, sums2] = bytes.map(|bytes| Shape { rows: ROWS, bytes });
        let left = Shape {
            rows: ROWS,
            bytes: 64,
        };
        // SAFETY: the caller's; tiles lie in the memory with its two more registers.
        unsafe {
            let from = self.image_pairs.as_mut_ptr().cast::<u8>();
            convert::image_pairs(channels, layer.height, layer.width, input, from);
            let d = self.d_rows.as_mut_ptr().cast::<u8>();
            convert::row_pairs(ROWS, height, width, d_map, d);
            configure([sums, sums2, sums, sums2, left, left, sums, sums2]);
            let d_stride = height / 2 * width * PAIRS;
            let tile = self.sums.as_mut_ptr();
            let mut r = 0;
            while r < k {
                // Two rows of the kernel share what is loaded of the gradient.
                let two = r + 1 < k;
                zero!("0", "1", "2", "3");
                for y in 0..height / 2 {
                    for x in 0..width {
                        load!("4", d.add((y * width + x) * PAIRS), d_stride);
                        let from = from.add((2 * y + r) * 8 * stride + x * channels * 4);
                        load!("6", from, stride);
                        multiply!("0", "4", "6");
                        load!("7", from.add(64), stride);
                        multiply!("1", "4", "7");
                        if two {
                            let from = from.add(8 * stride);
                            load!("6", from, stride);
                            multiply!("2", "4", "6");
                            load!("7", from.add(64), stride);
                            multiply!("3", "4", "7");
                        }
                    }
                }
                store!("0", tile, 64_usize);
                store!("1", tile.add(TILE), 64_usize);
                scatter(layer, tile, r, gradient);
                if two {
                    store!("2", tile, 64_usize);
                    store!("3", tile.add(TILE), 64_usize);
                    scatter(layer, tile, r + 1, gradient);
                }
                r += 2;
            }
            for o in 0..ROWS {
                let mut sum = Avx512::splat(0.0);
                for position in 0..height * width {
                    sum = sum.add(Avx512::load(
                        d_map.add((o * height * width + position) * LANES),
                    ));
                }
                let mut lanes = [0.0; LANES];
                sum.store(lanes.as_mut_ptr());
                *gradient.add(layer.weight_len() + o) = crate::simd::sum_lanes(lanes.as_ptr());
            }
        }
    }

    /// As [`conv_input::gradient`](crate::blocked::conv_input::gradient), for a layer that [`fits`].
    ///
    /// # Safety
    /// AMX must be available; the rest is as there.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(crate) unsafe fn input_gradient(
        &mut self,
        layer: &ConvLayer,
        d_map: *const f32,
        d_input: *mut f32,
    ) {
        let [height, width] = layer.map();
        let row = padded_row(layer);
        let column = ROWS / 2 * PAIRS;
        let pairs = column_pairs();
        let channels = layer.in_channels;
        let sums = Shape {
            rows: 2 * channels,
            bytes: 64,
        };
        let right = Shape {
            rows: ROWS,
            bytes: 64,
        };
        let input_map = layer.height * layer.width * LANES;
        // SAFETY: the caller's; the zeros on both sides hold what taps read beyond the map.
        unsafe {
            let d = self.d_channels.as_mut_ptr().cast::<u8>();
            let first = d.add(left() * column);
            convert::channel_pairs(ROWS, height, width, d_map, first, row);
            configure([sums, sums, sums, sums, sums, sums, right, right]);
            let tiles = self.sums.as_mut_ptr();
            for y in 0..layer.height {
                let reach = (y + 1).saturating_sub(height)..KERNEL.min(y + 1);
                let mut x = 0;
                while x < layer.width {
                    // The last eight may begin before the end of those before them.
                    x = x.min(layer.width - 8);
                    zero!("0", "1", "2", "3");
                    for r in reach.start..reach.end {
                        let weight = self.turned.as_ptr().cast::<u16>();
                        let mut weight = weight.add(r * pairs * ROWS * 32);
                        // Column x + 1 - k of the map, counted from the first zero.
                        let mut from = d.cast_const().add((y - r) * row + x * column);
                        for _ in 0..pairs {
                            load!("4", weight, 64_usize);
                            load!("6", from, PAIRS);
                            multiply!("0", "4", "6");
                            load!("7", from.add(2 * column), PAIRS);
                            multiply!("1", "4", "7");
                            load!("6", from.add(4 * column), PAIRS);
                            multiply!("2", "4", "6");
                            load!("7", from.add(6 * column), PAIRS);
                            multiply!("3", "4", "7");
                            weight = weight.add(ROWS * 32);
                            from = from.add(2 * column);
                        }
                    }
                    store!("0", tiles, 64_usize);
                    store!("1", tiles.add(TILE), 64_usize);
                    store!("2", tiles.add(2 * TILE), 64_usize);
                    store!("3", tiles.add(3 * TILE), 64_usize);
                    for tile in 0..8 {
                        let from = tiles.add(tile / 2 * TILE + tile % 2 * channels * LANES);
                        let to = d_input.add((y * layer.width + x + tile) * LANES);
                        for c in 0..channels {
                            Avx512::load(from.add(c * LANES)).store(to.add(c * input_map));
                        }
                    }
                    x += 8;
                }
            }
        }
    }
}

/// Bias, activation and average of a window of four tiles (4, K, 16).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn pool(
    layer: &ConvLayer,
    window: *const f32,
    bias: *const f32,
    output: Target,
    saved: Saved,
    y: usize,
    x: usize,
) {
    let [_, rows, columns] = layer.output();
    for channel in 0..ROWS {
        // SAFETY: the caller's.
        unsafe {
            let bias = Avx512::splat(*bias.add(channel));
            let element = (channel * rows + y) * columns + x;
            let mut masks = [0_u16; 4];
            let mut sum = Avx512::splat(0.0);
            for p in 0..4 {
                let value = Avx512::load(window.add(p * TILE + channel * LANES)).add(bias);
                let value = activate(Some(layer.activation), value);
                match saved {
                    Saved::Nothing => {}
                    Saved::Masks(_) => masks[p] = value.positive(),
                    Saved::Values(to) => value.store(to.add((element * 4 + p) * LANES)),
                }
                sum = sum.add(value);
            }
            if let Saved::Masks(to) = saved {
                to.add(element * 4)
                    .cast::<[u16; 4]>()
                    .write_unaligned(masks);
            }
            let at = channel * output.channel_stride + y * output.row_stride + x * LANES;
            sum.mul(Avx512::splat(0.25)).store(output.data.add(at));
        }
    }
}

/// Puts the sums of a row of the kernel, (K, S, C) in two tiles, where (K, C, R, S) has them.
unsafe fn scatter(layer: &ConvLayer, tiles: *const f32, r: usize, gradient: *mut f32) {
    let (k, channels) = (KERNEL, layer.in_channels);
    for o in 0..ROWS {
        for s in 0..k {
            for c in 0..channels {
                let tap = s * channels + c;
                let from = tap / 16 * TILE + o * 16 + tap % 16;
                // SAFETY: the caller vouches for two tiles and the layer's gradient.
                unsafe { *gradient.add(((o * channels + c) * k + r) * k + s) = *tiles.add(from) }
            }
        }
    }
}
