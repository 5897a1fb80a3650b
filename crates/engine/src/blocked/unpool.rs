//! From the gradient of a layer's output to that of its map before activation and pooling.

use super::conv_forward::Saved;
use crate::layers::{Activation, ConvLayer};
use crate::simd::{LANES, Simd, dispatch};

/// The gradient that arrives at a layer, and what its forward pass saved for this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// By the layer's pooled output, dense: (K, H', W', 16).
    pub(crate) d_output: *const f32,
    /// What [`forward`](super::conv_forward::forward) saved.
    pub(crate) saved: Saved,
}

dispatch! {
    /// Writes the rows `first..end` of the output as twice as many rows of the map: `to` is dense,
    /// (K, rows of the map, W of the map, 16).
    ///
    /// # Safety
    /// `incoming` must hold as many floats as the layer's sizes say, and what the forward pass of a
    /// layer with this activation saves; `to` must have space for these rows.
    pub(crate) fn unpool(
        layer: &ConvLayer,
        incoming: Incoming,
        first: usize,
        end: usize,
        to: *mut f32,
    ) => unpool_generic
}

#[inline(always)]
unsafe fn unpool_generic<V: Simd>(
    layer: &ConvLayer,
    incoming: Incoming,
    first: usize,
    end: usize,
    to: *mut f32,
) {
    let [channels, rows, columns] = layer.output();
    let row = 2 * columns * LANES;
    let map = 2 * (end - first) * row;
    for part in 0..LANES / V::WIDTH {
        let lane = part * V::WIDTH;
        for channel in 0..channels {
            for y in first..end {
                for x in 0..columns {
                    let element = (channel * rows + y) * columns + x;
                    let corner = channel * map + 2 * (y - first) * row + 2 * x * LANES + lane;
                    // SAFETY: the element is one of the output, its window four positions of the
                    // rows that `to` has space for.
                    unsafe {
                        let d = V::load(incoming.d_output.add(element * LANES + lane));
                        let quarter = d.mul(V::splat(0.25));
                        let masks = match incoming.saved {
                            Saved::Masks(masks) => masks
                                .add((part * channels * rows * columns + element) * 4)
                                .cast::<[u16; 4]>()
                                .read_unaligned(),
                            _ => [u16::MAX; 4],
                        };
                        for p in 0..4 {
                            let d = match incoming.saved {
                                Saved::Values(values) => {
                                    let at = (element * 4 + p) * LANES + lane;
                                    quarter.mul(tanh_slope(V::load(values.add(at))))
                                }
                                _ => quarter.select(masks[p]),
                            };
                            d.store(to.add(corner + p / 2 * row + p % 2 * LANES));
                        }
                    }
                }
            }
        }
    }
}

/// `f'(x) d` of an activation, `d` without one, from its output `y = f(x)`.
///
/// # Safety
/// The instruction set of V must be enabled.
#[inline(always)]
pub(crate) unsafe fn chain<V: Simd>(activation: Option<Activation>, y: V, d: V) -> V {
    // SAFETY: V's instruction set is enabled.
    unsafe {
        match activation {
            Some(Activation::Relu) => d.select(y.positive()),
            Some(Activation::Tanh) => d.mul(tanh_slope(y)),
            None => d,
        }
    }
}

/// `1 - y²`.
#[inline(always)]
unsafe fn tanh_slope<V: Simd>(y: V) -> V {
    // SAFETY: V's instruction set is enabled.
    unsafe { V::splat(1.0).sub(y.mul(y)) }
}
