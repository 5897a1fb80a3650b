//! An image into the input of the first layer.

use super::{Kernel, input_planes};
use crate::blocked::pack::Pixels;
use crate::geometry::ConvLayer;

/// Writes an image (C, H, W) into the padded input of a convolution.
///
/// # Safety
/// The image must have the layer's size, the input be made for the layer and the kernel.
pub(super) unsafe fn write(pixels: Pixels<'_>, layer: &ConvLayer, kernel: Kernel, input: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        match pixels {
            Pixels::Bytes(bytes, table) => {
                write_rows(bytes, Table(table), layer, kernel, input);
            }
            Pixels::Floats(floats) => write_rows(floats, Same, layer, kernel, input),
        }
    }
}

/// What number a pixel stands for.
trait Value<T>: Copy {
    fn value(self, pixel: T) -> f32;
}

#[derive(Clone, Copy)]
struct Table<'a>(&'a [f32; 256]);

impl Value<u8> for Table<'_> {
    #[inline(always)]
    fn value(self, pixel: u8) -> f32 {
        self.0[usize::from(pixel)]
    }
}

#[derive(Clone, Copy)]
struct Same;

impl Value<f32> for Same {
    #[inline(always)]
    fn value(self, pixel: f32) -> f32 {
        pixel
    }
}

#[inline(always)]
unsafe fn write_rows<T: Copy, V: Value<T>>(
    pixels: &[T],
    value: V,
    layer: &ConvLayer,
    kernel: Kernel,
    input: *mut f32,
) {
    let [height, _] = layer.padded();
    for (row, pixels) in pixels.chunks_exact(layer.width.max(1)).enumerate() {
        let (channel, y) = (row / layer.height, row % layer.height);
        // SAFETY: the caller vouches for the input, and each pixel has a place there.
        unsafe {
            match kernel {
                Kernel::Columns { half, .. } => {
                    let to = input.add((channel * height + y + layer.padding) * 2 * half);
                    // The first pixel's column is even or odd, as the padding is.
                    let first = layer.padding / 2;
                    let [mut even, mut odd] = match layer.padding % 2 {
                        0 => [to.add(first), to.add(half + first)],
                        _ => [to.add(half + first), to.add(first + 1)],
                    };
                    let (pairs, last) = pixels.as_chunks::<2>();
                    for &[a, b] in pairs {
                        *even = value.value(a);
                        *odd = value.value(b);
                        [even, odd] = [even.add(1), odd.add(1)];
                    }
                    if let [last] = last {
                        *even = value.value(*last);
                    }
                }
                Kernel::Channels { .. } => {
                    let planes = input_planes(layer);
                    let to = planes.origin + channel * planes.channel + y * planes.row;
                    for (x, &pixel) in pixels.iter().enumerate() {
                        *input.add(to + x) = value.value(pixel);
                    }
                }
            }
        }
    }
}
