//! Small pictures within the page: PNG files as data URIs.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::Error;
use crate::canvas::{Colour, escape};

/// A picture of `width` columns as an `img` tag. The page's style shows its pixels as squares.
pub(super) fn image(colours: &[Colour], width: usize, description: &str) -> Result<String, Error> {
    let height = colours.len() / width.max(1);
    let is_grey = colours.iter().all(|colour| colour.is_grey());
    let bytes: Vec<u8> = match is_grey {
        true => colours.iter().map(|colour| colour.0).collect(),
        false => colours
            .iter()
            .flat_map(|colour| [colour.0, colour.1, colour.2])
            .collect(),
    };
    let kind = match is_grey {
        true => ExtendedColorType::L8,
        false => ExtendedColorType::Rgb8,
    };
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::NoFilter);
    encoder
        .write_image(&bytes, width as u32, height as u32, kind)
        .map_err(|error| Error::Draw {
            title: description.to_owned(),
            message: error.to_string(),
        })?;
    Ok(format!(
        "<img src=\"data:image/png;base64,{}\" width=\"{width}\" height=\"{height}\" alt=\"{}\"/>",
        base64(&png),
        escape(description)
    ))
}

/// The standard encoding of RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit > group.len() {
                text.push('=');
                continue;
            }
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(char::from(DIGITS[value as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_specification() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
