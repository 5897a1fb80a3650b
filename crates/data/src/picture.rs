//! A picture file of 28x28 pixels as the network takes it: white on black, one byte a pixel.

use std::io::Cursor;
use std::path::Path;

use image::{ImageDecoder as _, ImageReader};

use crate::source::read_file;
use crate::{Error, FormatError, IMAGE_PIXELS, IMAGE_SIDE, Result};

/// The most bytes that a picture file may have. A picture of 28x28 pixels takes some hundreds; the
/// rest is room for what cameras and editors add.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Reads a PNG or JPEG file of 28x28 pixels as grey, row after row, 0 is black.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no picture of that kind
/// and size.
pub fn read(path: &Path) -> Result<[u8; IMAGE_PIXELS]> {
    let bytes = read_file(path, MAX_BYTES)?;
    decode(&bytes).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// Decodes a PNG or JPEG picture of 28x28 pixels; the content tells which of them it is. What is
/// transparent becomes black, the background of MNIST.
///
/// # Errors
/// Not such a picture, a damaged one, or one of another size; the size is judged by the header,
/// before any pixel is decoded.
pub fn decode(bytes: &[u8]) -> Result<[u8; IMAGE_PIXELS], FormatError> {
    let broken = |error: image::ImageError| FormatError::Picture {
        reason: error.to_string(),
    };
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| broken(error.into()))?;
    if reader.format().is_none() {
        return Err(FormatError::Picture {
            reason: "neither PNG nor JPEG".to_owned(),
        });
    }
    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if [width, height] != [IMAGE_SIDE as u32; 2] {
        return Err(FormatError::PictureSize { width, height });
    }
    let picture = image::DynamicImage::from_decoder(decoder).map_err(broken)?;
    let mut pixels = [0; IMAGE_PIXELS];
    for (pixel, source) in std::iter::zip(&mut pixels, picture.to_luma_alpha8().pixels()) {
        let [luma, alpha] = source.0;
        *pixel = (u16::from(luma) * u16::from(alpha) / 255) as u8;
    }
    Ok(pixels)
}

/// Black becomes white and white black.
pub fn invert(pixels: &mut [u8; IMAGE_PIXELS]) {
    for pixel in pixels {
        *pixel = 255 - *pixel;
    }
}

/// Whether the border is rather white than black, as in a picture of ink on paper, which has to be
/// inverted first.
pub fn looks_dark_on_light(pixels: &[u8; IMAGE_PIXELS]) -> bool {
    let (rows, _) = pixels.as_chunks::<IMAGE_SIDE>();
    let mut sum = 0_u32;
    let mut count = 0_u32;
    for (y, row) in rows.iter().enumerate() {
        for (x, &pixel) in row.iter().enumerate() {
            if [0, IMAGE_SIDE - 1].contains(&x) || [0, IMAGE_SIDE - 1].contains(&y) {
                sum += u32::from(pixel);
                count += 1;
            }
        }
    }
    sum > count * 127
}
