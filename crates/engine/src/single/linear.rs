//! A fully connected layer of one image, with output features as lanes.
//!
//! A feature of the input is broadcast and multiplied with its weights for up to eight registers of
//! outputs, which are read once each, one behind the other. Where there are fewer registers, several
//! features have sums of their own, so that the multipliers do not wait for one another.

use super::{Operands, Parts, pack as pack_matrix};
use crate::Isa;
use crate::blocked::conv_forward::activate;
use crate::geometry::LinearLayer;
use crate::simd::{Simd, dispatch};

/// Registers of outputs that are computed at once.
const REGISTERS: usize = 8;

/// Where the features of the input lie: so many runs of `len` floats, `stride` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub(super) runs: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
    /// Whether a run holds the channels of a position; else features lie in the layer's order.
    pub(super) channels_last: bool,
}

impl Features {
    /// So many features one behind the other.
    pub(super) fn dense(len: usize) -> Self {
        Self {
            runs: 1,
            len,
            stride: len,
            channels_last: false,
        }
    }

    /// Floats that they take.
    pub(super) fn floats(&self) -> usize {
        self.runs * self.stride
    }

    /// Where a feature of the layer lies.
    pub(super) fn place(&self, feature: usize) -> usize {
        let (run, index) = match self.channels_last {
            true => (feature % self.runs, feature / self.runs),
            false => (feature / self.len, feature % self.len),
        };
        run * self.stride + index
    }

    /// Which feature of the layer is the `index`th of these.
    fn feature(&self, index: usize) -> usize {
        match self.channels_last {
            true => index % self.len * self.runs + index / self.len,
            false => index,
        }
    }
}

/// Floats of a packed weight.
pub(super) fn packed_len(layer: &LinearLayer, isa: Isa) -> usize {
    layer.in_features * layer.out_features.next_multiple_of(isa.width())
}

/// Packs a weight (O, I) for the registers, in the order in which the features lie.
pub(super) fn pack(
    layer: &LinearLayer,
    isa: Isa,
    features: &Features,
    weight: &[f32],
    packed: &mut [f32],
) {
    let [outputs, inputs] = layer.weight();
    let number = |output, index| weight[output * inputs + features.feature(index)];
    pack_matrix([outputs, inputs], REGISTERS, isa, number, packed);
}

dispatch! {
    /// The outputs from the features.
    ///
    /// # Safety
    /// The operands must hold the layer's numbers, the weight from [`pack`], and bias and output
    /// have room for whole registers.
    pub(super) fn forward(
        layer: &LinearLayer,
        features: Features,
        operands: Operands,
    ) => forward_generic
}

#[inline(always)]
unsafe fn forward_generic<V: Simd>(layer: &LinearLayer, features: Features, operands: Operands) {
    for (first, count) in Parts::new(layer.out_features.div_ceil(V::WIDTH), REGISTERS) {
        let first = first * V::WIDTH;
        // SAFETY: weights, biases and outputs of these registers lie behind those before them.
        unsafe {
            let part = Part {
                layer,
                features,
                operands: Operands {
                    input: operands.input,
                    weight: operands.weight.add(first * layer.in_features),
                    bias: operands.bias.add(first),
                    to: operands.to.add(first),
                },
            };
            match count {
                8 => part.outputs::<V, 8, 1>(),
                7 => part.outputs::<V, 7, 1>(),
                6 => part.outputs::<V, 6, 1>(),
                5 => part.outputs::<V, 5, 2>(),
                4 => part.outputs::<V, 4, 2>(),
                3 => part.outputs::<V, 3, 3>(),
                2 => part.outputs::<V, 2, 4>(),
                _ => part.outputs::<V, 1, 8>(),
            }
        }
    }
}

/// Some registers of outputs.
#[derive(Clone, Copy)]
struct Part<'a> {
    layer: &'a LinearLayer,
    features: Features,
    operands: Operands,
}

impl Part<'_> {
    /// B registers of outputs, from U features at once.
    #[inline(always)]
    unsafe fn outputs<V: Simd, const B: usize, const U: usize>(self) {
        // SAFETY: the caller vouches for the operands.
        unsafe {
            let mut sums = [[V::splat(0.0); B]; U];
            for b in 0..B {
                sums[0][b] = V::load(self.operands.bias.add(b * V::WIDTH));
            }
            let mut weight = self.operands.weight;
            for run in 0..self.features.runs {
                let x = self.operands.input.add(run * self.features.stride);
                let mut i = 0;
                while i + U <= self.features.len {
                    for u in 0..U {
                        let value = V::splat(*x.add(i + u));
                        for b in 0..B {
                            let w = V::load(weight.add((u * B + b) * V::WIDTH));
                            sums[u][b] = sums[u][b].fma(value, w);
                        }
                    }
                    weight = weight.add(U * B * V::WIDTH);
                    i += U;
                }
                while i < self.features.len {
                    let value = V::splat(*x.add(i));
                    for b in 0..B {
                        let w = V::load(weight.add(b * V::WIDTH));
                        sums[0][b] = sums[0][b].fma(value, w);
                    }
                    weight = weight.add(B * V::WIDTH);
                    i += 1;
                }
            }
            for b in 0..B {
                let mut sum = sums[0][b];
                for u in 1..U {
                    sum = sum.add(sums[u][b]);
                }
                let value = activate(self.layer.activation, sum);
                value.store(self.operands.to.add(b * V::WIDTH));
            }
        }
    }
}
