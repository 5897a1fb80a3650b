//! The bytes of a PNG, JPEG or BMP file become a picture.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use lenet_files::{Format, Kind};

use crate::{Error, MAX_SIDE, Picture, Result, check_sides, unreadable};

/// How the names of picture files end, in lower case.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

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

/// Whether the file at a path is a picture that is decoded here: by the end of its name, whose
/// picture may be damaged, or by its first bytes.
pub fn is_picture(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| end == *known)
        || Format::of_file(path).is_some_and(|found| decoder_of(found).is_some())
}

fn decoder_of(format: Format) -> Option<ImageFormat> {
    match format {
        Format::PNG => Some(ImageFormat::Png),
        Format::JPEG => Some(ImageFormat::Jpeg),
        Format::BMP => Some(ImageFormat::Bmp),
        _ => None,
    }
}

/// PNG, JPEG or BMP by the first bytes.
///
/// # Errors
/// Another format, by its name if it is a common one.
fn format(bytes: &[u8]) -> Result<ImageFormat> {
    match Format::of(bytes) {
        Some(format) => decoder_of(format).ok_or_else(|| format_error(&format.to_string())),
        None => Err(format_error("a file of no known format")),
    }
}

fn format_error(found: &str) -> Error {
    let message = format!("{found}; only PNG, JPEG and BMP pictures are read");
    Error::new(Kind::PictureFormat, message)
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
