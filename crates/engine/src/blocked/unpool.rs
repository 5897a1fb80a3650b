//! From the gradient of a layer's output to that of its map before activation and pooling.

use super::conv_forward::Saved;
use crate::geometry::ConvLayer;
use crate::reference::activation::Activation;
use crate::simd::{LANES, Simd, dispatch};

/// The gradient that arrives at a layer, and what its forward pass left for this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// By the layer's output, dense: (K, H', W', 16).
    pub(crate) d_output: *const f32,
    /// What [`forward`](super::conv_forward::forward) saved, with pooling.
    pub(crate) saved: Saved,
    /// The output itself, without pooling.
    pub(crate) output: super::conv_forward::Target,
}

dispatch! {
    /// Writes the rows `first..end` of the output (of windows, with pooling) as rows of the map:
    /// `to` is dense, (K, rows of the map, W of the map, 16). What lies in no window becomes 0.
    ///
    /// # Safety
    /// The incoming memory must be that of the layer's block; `to` must have room.
    pub(crate) fn unpool(
        layer: &ConvLayer,
        incoming: Incoming,
        first: usize,
        end: usize,
        to: *mut f32,
    ) => unpool_generic
}

/// The rows of the map that belong to these rows of the output. With pooling the last chunk takes
/// the odd row that lies in no window, too.
pub(crate) fn map_rows(layer: &ConvLayer, first: usize, end: usize) -> usize {
    let [map_height, _] = layer.map();
    let [_, rows, _] = layer.output();
    match layer.pool {
        true if end == rows => map_height - 2 * first,
        true => 2 * (end - first),
        false => end - first,
    }
}

#[inline(always)]
unsafe fn unpool_generic<V: Simd>(
    layer: &ConvLayer,
    incoming: Incoming,
    first: usize,
    end: usize,
    to: *mut f32,
) {
    let [_, map_width] = layer.map();
    let map_rows = map_rows(layer, first, end);
    let [channels, rows, columns] = layer.output();
    let row = map_width * LANES;
    // SAFETY: the caller vouches for the layer's memory.
    unsafe {
        if layer.pool && !(map_width.is_multiple_of(2) && map_rows.is_multiple_of(2)) {
            std::ptr::write_bytes(to, 0, channels * map_rows * row);
        }
        for part in 0..LANES / V::WIDTH {
            let lane = part * V::WIDTH;
            for channel in 0..channels {
                let map = to.add(channel * map_rows * row + lane);
                for y in first..end {
                    for x in 0..columns {
                        let element = (channel * rows + y) * columns + x;
                        let d = V::load(incoming.d_output.add(element * LANES + lane));
                        if layer.pool {
                            let quarter = d.mul(V::splat(0.25));
                            let corner = map.add(2 * (y - first) * row + 2 * x * LANES);
                            let windows = channels * rows * columns;
                            let masks = match incoming.saved {
                                Saved::Masks(masks) => masks
                                    .add((part * windows + element) * 4)
                                    .cast::<[u16; 4]>()
                                    .read_unaligned(),
                                _ => [u16::MAX; 4],
                            };
                            for p in 0..4 {
                                let d = match (layer.activation, incoming.saved) {
                                    (Activation::Relu, _) => quarter.select(masks[p]),
                                    (Activation::Tanh, Saved::Values(values)) => {
                                        let at = (element * 4 + p) * LANES + lane;
                                        let y = V::load(values.add(at));
                                        quarter.mul(tanh_slope(y))
                                    }
                                    _ => quarter,
                                };
                                d.store(corner.add(p / 2 * row + p % 2 * LANES));
                            }
                        } else {
                            let own = incoming.output;
                            let at = channel * own.channel_stride + y * own.row_stride + x * LANES;
                            let d = chain(layer.activation, V::load(own.data.add(at + lane)), d);
                            d.store(map.add((y - first) * row + x * LANES));
                        }
                    }
                }
            }
        }
    }
}

/// `f'(x) d` of an activation from its output `y = f(x)`.
#[inline(always)]
pub(crate) unsafe fn chain<V: Simd>(activation: Activation, y: V, d: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        match activation {
            Activation::Relu => d.select(y.positive()),
            Activation::Tanh => d.mul(tanh_slope(y)),
            Activation::Identity => d,
        }
    }
}

/// `1 - y²`.
#[inline(always)]
unsafe fn tanh_slope<V: Simd>(y: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { V::splat(1.0).sub(y.mul(y)) }
}
