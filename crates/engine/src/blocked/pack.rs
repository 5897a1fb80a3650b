//! In and out of the blocked layout.

use crate::simd::{LANES, Simd, dispatch};

/// One image as its owner has it.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Bytes, each of which stands for a number of the table.
    Bytes(&'a [u8], &'a [f32; 256]),
    /// The numbers themselves.
    Floats(&'a [f32]),
}

impl Pixels<'_> {
    /// Asks for the memory ahead of its use: images come from anywhere in a set that no cache holds.
    pub fn prefetch(self) {
        let (first, bytes) = match self {
            Pixels::Bytes(bytes, _) => (bytes.as_ptr(), bytes.len()),
            Pixels::Floats(floats) => (floats.as_ptr().cast(), size_of_val(floats)),
        };
        #[cfg(target_arch = "x86_64")]
        for offset in (0..bytes + LANES * 4 - 1).step_by(LANES * 4) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: the instruction takes any address, and every x86-64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset).cast()) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (first, bytes);
    }

    /// How many pixels there are.
    pub fn len(&self) -> usize {
        match self {
            Pixels::Bytes(bytes, _) => bytes.len(),
            Pixels::Floats(floats) => floats.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An image's place in a padded block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) padding: usize,
}

/// Writes images (C, H, W) into the lanes of a padded block (C, H + 2P, W + 2P, 16), and zeros into
/// the lanes that have none.
///
/// Row by row and not image by image: the lines that a row of 16 images becomes stay in the
/// first-level cache until all 16 are written.
///
/// # Panics
/// If an image has another number of pixels.
///
/// # Safety
/// The block must have the place's size.
pub(crate) unsafe fn write_images(images: &[Pixels<'_>], place: &Place, block: *mut f32) {
    for pixels in images {
        assert_eq!(pixels.len(), place.channels * place.height * place.width);
    }
    let [height, width] = [place.height, place.width].map(|size| size + 2 * place.padding);
    for channel in 0..place.channels {
        for y in 0..place.height {
            let row = (channel * place.height + y) * place.width;
            let to = (channel * height + y + place.padding) * width + place.padding;
            for lane in 0..LANES {
                // SAFETY: the caller vouches for the block, whose row this is.
                unsafe {
                    let to = block.add(to * LANES + lane);
                    match images.get(lane) {
                        Some(Pixels::Bytes(bytes, table)) => {
                            for (x, &byte) in bytes[row..row + place.width].iter().enumerate() {
                                *to.add(x * LANES) = table[usize::from(byte)];
                            }
                        }
                        Some(Pixels::Floats(floats)) => {
                            for (x, &value) in floats[row..row + place.width].iter().enumerate() {
                                *to.add(x * LANES) = value;
                            }
                        }
                        None => {
                            for x in 0..place.width {
                                *to.add(x * LANES) = 0.0;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Reads the images of a block (C, H, W, 16) without padding back into their own order, one behind
/// the other.
///
/// # Safety
/// The block must hold so many features.
pub(crate) unsafe fn read_images(block: *const f32, features: usize, images: &mut [f32]) {
    for (lane, image) in images.chunks_exact_mut(features.max(1)).enumerate() {
        for (feature, value) in image.iter_mut().enumerate() {
            // SAFETY: the caller's.
            *value = unsafe { *block.add(feature * LANES + lane) };
        }
    }
}

dispatch! {
    /// Transposes the features of a block (features, 16) to an image a row, each row `stride` floats
    /// long; what a row has beyond its features is not defined.
    ///
    /// # Safety
    /// The block must have room up to a multiple of 16 features, the rows too.
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
        // SAFETY: the caller's.
        unsafe { V::transpose(block.add(first * LANES), LANES, rows.add(first), stride) }
    }
}
