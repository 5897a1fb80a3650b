//! In and out of the blocked layout.

use crate::Pixels;
use crate::layers::ConvLayer;
use crate::simd::{LANES, Simd, dispatch};

/// Writes images (C, H, W) into the lanes of a layer's padded input (C, H + 2P, W + 2P, 16), and zeros
/// into the lanes that have none.
///
/// Row by row and not image by image: the lines that a row of 16 images becomes stay in the
/// first-level cache until all 16 are written.
///
/// # Panics
/// If an image has another number of pixels.
///
/// # Safety
/// `input` must have space for the layer's padded input.
pub(crate) unsafe fn write_images(images: &[Pixels<'_>], layer: &ConvLayer, input: *mut f32) {
    let ConvLayer {
        in_channels,
        height,
        width,
        padding,
        ..
    } = *layer;
    for pixels in images {
        assert_eq!(pixels.count(), in_channels * height * width);
    }
    let [padded_height, padded_width] = layer.padded();
    for channel in 0..in_channels {
        for y in 0..height {
            let row = (channel * height + y) * width;
            let to = (channel * padded_height + y + padding) * padded_width + padding;
            for lane in 0..LANES {
                // SAFETY: the row's W columns lie in the padded input, the lane is below 16.
                unsafe {
                    let to = input.add(to * LANES + lane);
                    match images.get(lane) {
                        Some(Pixels::Bytes(bytes, table)) => {
                            for (x, &byte) in bytes[row..row + width].iter().enumerate() {
                                *to.add(x * LANES) = table[usize::from(byte)];
                            }
                        }
                        Some(Pixels::Floats(floats)) => {
                            for (x, &value) in floats[row..row + width].iter().enumerate() {
                                *to.add(x * LANES) = value;
                            }
                        }
                        None => {
                            for x in 0..width {
                                *to.add(x * LANES) = 0.0;
                            }
                        }
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Transposes the features of a block (features, 16) to one row an image, each row `stride`
    /// floats long; what a row has beyond its features is not defined.
    ///
    /// # Safety
    /// The block and each row must have space up to a multiple of 16 features.
    pub(crate) fn to_rows(
        features: usize,
        block: *const f32,
        rows: *mut f32,
        stride: usize,
    ) => to_rows_generic
}

#[inline(always)]
unsafe fn to_rows_generic<V: Simd>(
    features: usize,
    block: *const f32,
    rows: *mut f32,
    stride: usize,
) {
    for first in (0..features).step_by(LANES) {
        // SAFETY: 16 features from this one on lie in the block and the rows, which have space up to
        // a multiple of 16.
        unsafe { V::transpose(block.add(first * LANES), LANES, rows.add(first), stride) }
    }
}
