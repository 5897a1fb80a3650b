//! The bytes of a PNG, JPEG or BMP file become a picture.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use lenet_files::Kind;

use crate::{Error, MAX_SIDE, Picture, Result, check_sides, unreadable};

/// How the names of picture files end, in lower case.
pub const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

/// The most bytes that a picture file may have.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes that a decoder may allocate: four of sixteen bits for each pixel of the largest
/// picture, and the same again for its own needs.
const MAX_ALLOCATION: u64 = 2 * 8 * (MAX_SIDE * MAX_SIDE) as u64;

impl Picture {
    /// Decodes a PNG, JPEG or BMP picture, recognised by its content. It is turned as its EXIF data says;
    /// an animation becomes its first frame.
    ///
    /// # Errors
    /// Not such a picture, a damaged one, one in the colours of print, or one that is too large; the
    /// size is judged by the header, before any pixel is decoded.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_BYTES {
            let count = bytes.len();
            let message = format!("a picture of {count} bytes; at most {MAX_BYTES} are read");
            return Err(Error::new(Kind::PictureTooLarge, message));
        }
        let format = format(bytes)?;
        if format == ImageFormat::Jpeg {
            check_jpeg(bytes)?;
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_ALLOCATION);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(unreadable)?;
        let (width, height) = decoder.dimensions();
        check_sides(width as usize, height as usize)?;
        // Damaged EXIF data is no reason to refuse the picture.
        let orientation = decoder.orientation().ok();
        let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        if let Some(orientation) = orientation {
            image.apply_orientation(orientation);
        }
        let image = image.into_rgba8();
        let (width, height) = image.dimensions();
        let (pixels, _) = image.as_raw().as_chunks::<4>();
        Picture::new(width as usize, height as usize, pixels.to_vec())
    }
}

/// PNG, JPEG or BMP by the first bytes.
///
/// # Errors
/// Another format, by its name if it is a common one.
fn format(bytes: &[u8]) -> Result<ImageFormat> {
    const KNOWN: &[(usize, &[u8], &str)] = &[
        (0, b"GIF8", "a GIF picture"),
        (8, b"WEBP", "a WebP picture"),
        (0, b"II*\0", "a TIFF picture"),
        (0, b"MM\0*", "a TIFF picture"),
        (0, b"\0\0\x01\0", "an icon"),
        (4, b"ftyp", "a HEIC or AVIF picture"),
        (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
        (0, b"\xff\x0a", "a JPEG XL picture"),
        (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
        (0, b"8BPS", "a Photoshop document"),
        (0, b"%PDF", "a PDF document"),
        (0, b"%!PS", "a PostScript document"),
        (0, b"P5", "a PGM picture"),
        (0, b"P6", "a PPM picture"),
        (0, b"\x1f\x8b", "a gzip file"),
        (0, b"PK\x03\x04", "a zip archive"),
    ];
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(ImageFormat::Png);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Ok(ImageFormat::Jpeg);
    }
    if bytes.starts_with(b"BM") {
        return Ok(ImageFormat::Bmp);
    }
    let starts = |&&(at, magic, _): &&(usize, &[u8], &str)| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
    };
    let found = match KNOWN.iter().find(starts) {
        Some((_, _, name)) => name,
        None if bytes.is_empty() => "an empty file",
        None => markup(bytes).unwrap_or("a file of no known format"),
    };
    Err(format_error(found))
}

fn format_error(found: &str) -> Error {
    let message = format!("{found}; only PNG, JPEG and BMP pictures are read");
    Error::new(Kind::PictureFormat, message)
}

/// What a text that starts with a tag is.
fn markup(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with('<') {
        return None;
    }
    let found = if start.contains("<svg") {
        "an SVG drawing"
    } else if start.contains("<html") || start.contains("<!doctype html") {
        "a web page"
    } else {
        "an XML document"
    };
    Some(found)
}

/// Refuses files of which the decoder would make a wrong picture: CMYK, which some programs store
/// inverted and some do not, and a file that ends before its picture does, which the decoder fills
/// up with grey.
fn check_jpeg(bytes: &[u8]) -> Result<()> {
    let cut_off = || unreadable("the JPEG file is cut off");
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // A marker is FF and a byte; any number of FF may stand before it.
        let (&[0xff, marker], after) = rest.split_first_chunk().ok_or_else(cut_off)? else {
            return Err(unreadable("the JPEG file is damaged: a marker is missing"));
        };
        if marker == 0xff {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (length, _) = after.split_first_chunk().ok_or_else(cut_off)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let segment = after.get(..length).ok_or_else(cut_off)?;
        match marker {
            // A frame, of whichever coding: length, bits, height, width, components.
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) && segment.get(7) == Some(&4) => {
                return Err(format_error("a JPEG picture in CMYK, the colours of print"));
            }
            // In the coded pixels, FF is followed by 0 or by the number of a restart: what looks
            // like the end is the end.
            0xda => {
                let ends = after.windows(2).any(|pair| pair == [0xff, 0xd9]);
                return ends.then_some(()).ok_or_else(cut_off);
            }
            _ => {}
        }
        rest = after.get(length.max(2)..).unwrap_or_default();
    }
}
