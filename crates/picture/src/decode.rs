//! The bytes of a PNG, JPEG or BMP file become a picture.

use std::io::Cursor;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use lenet_files::{Format, Kind};

use crate::{Error, MAX_SIDE, Picture, Result, WORKING_SIDE, check_sides, unreadable};

/// How the names of picture files end, in lower case.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

/// The most bytes that a picture file may have.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes that the pixels of a picture may have as it is decoded: four for each of the
/// largest picture, whatever is stored in sixteen bits.
const MAX_DECODED: usize = 4 * MAX_SIDE * MAX_SIDE;

/// The most bytes that a decoder may allocate: the pixels, and the same again for its own needs.
const MAX_ALLOCATION: u64 = 2 * MAX_DECODED as u64;

/// Bytes for each pixel that the steps work on, of which there are at most the square of
/// [`WORKING_SIDE`].
const WORKING_BYTES: usize = 32;

impl Picture {
    /// Decodes a PNG, JPEG or BMP picture, recognised by its content. It is turned as its EXIF data says;
    /// an animation becomes its first frame.
    ///
    /// # Errors
    /// Not such a picture, a damaged one, one in the colours of print, one that is too large, or one
    /// for which there is too little memory; the size is judged by the header, before any pixel is
    /// decoded.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (mut decoder, decoded) = decoder(bytes)?;
        let (width, height) = decoder.dimensions();
        let pixels = width as usize * height as usize;
        // Four bytes a pixel stay where they are.
        let converted = if decoder.color_type() == ColorType::Rgba8 {
            0
        } else {
            4 * pixels
        };
        let working = WORKING_BYTES * pixels.min(WORKING_SIDE * WORKING_SIDE);
        let needed = decoded + converted + working;
        // The decoders end the process where they get no memory: a look whether there is some.
        let mut memory = Vec::<u8>::new();
        memory.try_reserve_exact(needed).map_err(|_| {
            let megabytes = needed.div_ceil(1_000_000);
            let message = format!(
                "too little memory for a picture of {width}x{height} pixels, which needs {megabytes} MB"
            );
            Error::new(Kind::Memory, message)
        })?;
        drop(memory);
        // Damaged EXIF data is no reason to refuse the picture.
        let orientation = decoder.orientation().ok();
        let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        if let Some(orientation) = orientation {
            image.apply_orientation(orientation);
        }
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixels = match image {
            // What `into_rgba8` makes of it, in a tenth of the time.
            DynamicImage::ImageLuma8(grey) => {
                let pixels = grey.iter().flat_map(|&grey| [grey, grey, grey, 255]);
                pixels.collect()
            }
            image => image.into_rgba8().into_raw(),
        };
        Picture::from_bytes(width, height, pixels)
    }
}

/// The bytes that the pixels of a picture have as it is decoded, by its header.
///
/// # Errors
/// Those of [`Picture::decode`] that the header shows.
pub fn decoded_bytes(bytes: &[u8]) -> Result<usize> {
    Ok(decoder(bytes)?.1)
}

fn decoder(bytes: &[u8]) -> Result<(impl ImageDecoder, usize)> {
    let too_large = |what: String| Error::new(Kind::PictureTooLarge, what);
    if bytes.len() > MAX_BYTES {
        let count = bytes.len();
        let message = format!("a picture of {count} bytes; at most {MAX_BYTES} are read");
        return Err(too_large(message));
    }
    let format = format(bytes)?;
    if format == ImageFormat::Jpeg {
        check_jpeg(bytes)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    check_sides(width as usize, height as usize)?;
    let decoded = decoder.total_bytes() as usize;
    if decoded > MAX_DECODED {
        let message = format!(
            "a picture of {width}x{height} pixels, which have {decoded} bytes; \
             at most {MAX_DECODED} are decoded"
        );
        return Err(too_large(message));
    }
    Ok((decoder, decoded))
}

/// Whether the file at a path is a picture that is decoded here: by the end of its name, whose
/// picture may be damaged, or by its first bytes.
pub fn is_picture(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| end == *known)
        || Format::of_file(path).is_some_and(|found| decoder_of(found).is_some())
}

/// Whether these are the first bytes of a picture that is decoded here.
pub fn begins_picture(bytes: &[u8]) -> bool {
    format(bytes).is_ok()
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
