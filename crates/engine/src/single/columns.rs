//! Convolution, bias, activation and average pooling of one image, with columns as lanes.
//!
//! A row of the input is split into its even and its odd columns. Then the left columns of all
//! windows of a row lie one behind the other, the right columns too, for each tap, and pooling adds
//! registers: a tile is a row of windows by up to six output channels, and its sums are the window's
//! four positions of each channel.

use super::{Operands, Parts, Planes};
use crate::Isa;
use crate::blocked::conv_forward::activate;
use crate::geometry::ConvLayer;
use crate::simd::{LANES, Simd, dispatch};

/// Packs a weight (K, C, R, S) for the tiles.
pub(super) fn pack(layer: &ConvLayer, isa: Isa, weight: &[f32], packed: &mut [f32]) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    let most = most(isa.is_wide());
    let mut to = packed.iter_mut();
    for (first, count) in Parts::new(layer.out_channels, most) {
        for tap in 0..taps {
            for (channel, to) in (first..first + count).zip(&mut to) {
                *to = weight[channel * taps + tap];
            }
        }
    }
}

/// Output channels of a tile.
#[inline(always)]
fn most(wide: bool) -> usize {
    if wide { 6 } else { 2 }
}

dispatch! {
    /// The pooled output (K, H', W') from the padded input (C, H + 2P, 2, `half`), whose rows are
    /// split.
    ///
    /// # Safety
    /// The operands must hold the layer's numbers, the weight from [`pack`], and have room for whole
    /// registers at the end of each row.
    pub(super) fn forward(
        layer: &ConvLayer,
        half: usize,
        operands: Operands,
        to: Planes,
    ) => forward_generic
}

#[inline(always)]
unsafe fn forward_generic<V: Simd>(layer: &ConvLayer, half: usize, operands: Operands, to: Planes) {
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    for (first, count) in Parts::new(layer.out_channels, most(V::WIDE)) {
        // SAFETY: the tile's weights and biases lie behind those of the tiles before it, its
        // channels of the output too.
        unsafe {
            let tile = Tile {
                layer,
                half,
                input: operands.input,
                packed: operands.weight.add(first * taps),
                bias: operands.bias.add(first),
                to: operands.to.add(to.origin + first * to.channel),
                planes: to,
            };
            match count {
                6 if V::WIDE => tile.rows::<V, 6>(),
                5 if V::WIDE => tile.rows::<V, 5>(),
                4 if V::WIDE => tile.rows::<V, 4>(),
                3 if V::WIDE => tile.rows::<V, 3>(),
                2 => tile.rows::<V, 2>(),
                _ => tile.rows::<V, 1>(),
            }
        }
    }
}

/// Some output channels.
#[derive(Clone, Copy)]
struct Tile<'a> {
    layer: &'a ConvLayer,
    half: usize,
    input: *const f32,
    packed: *const f32,
    bias: *const f32,
    /// Where the tile's first channel begins.
    to: *mut f32,
    planes: Planes,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn rows<V: Simd, const B: usize>(self) {
        let [_, rows, columns] = self.layer.output();
        for y in 0..rows {
            let mut x = 0;
            while x < columns {
                let left = columns - x;
                let kept = match left < LANES {
                    true => (1 << left) - 1,
                    false => u16::MAX,
                };
                // SAFETY: rows of windows lie in the padded input, and the caller vouches for whole
                // registers at the end of each.
                unsafe {
                    let corner = self.input.add(4 * y * self.half + x);
                    let sums = self.sums::<V, B>(corner);
                    for b in 0..B {
                        let mut sum = activate(self.layer.activation, sums[b][0]);
                        for p in 1..4 {
                            sum = sum.add(activate(self.layer.activation, sums[b][p]));
                        }
                        // What lies behind the last column is the next layer's padding.
                        let average = sum.mul(V::splat(0.25)).select(kept);
                        average.store(
                            self.to
                                .add(b * self.planes.channel + y * self.planes.row + x),
                        );
                    }
                }
                x += V::WIDTH;
            }
        }
    }

    /// Bias and all taps of the windows from this one on, for each channel: left and right of the
    /// upper row, then of the lower.
    #[inline(always)]
    unsafe fn sums<V: Simd, const B: usize>(&self, corner: *const f32) -> [[V; 4]; B] {
        let kernel = self.layer.kernel;
        let row = 2 * self.half;
        let channel = self.layer.padded()[0] * row;
        // SAFETY: the caller vouches that the windows lie in the input.
        unsafe {
            let mut sums = [[V::splat(0.0); 4]; B];
            for b in 0..B {
                sums[b] = [V::splat(*self.bias.add(b)); 4];
            }
            let mut weight = self.packed;
            for c in 0..self.layer.in_channels {
                for r in 0..kernel {
                    let upper = corner.add(c * channel + r * row);
                    let lower = upper.add(row);
                    let mut left = [V::load(upper), V::load(lower)];
                    for s in 1..=kernel {
                        // What is right of this tap is left of the next.
                        let column = (s % 2) * self.half + s / 2;
                        let right = [V::load(upper.add(column)), V::load(lower.add(column))];
                        for b in 0..B {
                            let w = V::splat(*weight.add(b));
                            sums[b][0] = sums[b][0].fma(left[0], w);
                            sums[b][1] = sums[b][1].fma(right[0], w);
                            sums[b][2] = sums[b][2].fma(left[1], w);
                            sums[b][3] = sums[b][3].fma(right[1], w);
                        }
                        weight = weight.add(B);
                        left = right;
                    }
                }
            }
            sums
        }
    }
}
