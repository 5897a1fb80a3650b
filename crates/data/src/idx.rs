//! The IDX format of the MNIST files, parsed from a slice.
//!
//! Two zero bytes, a type byte (0x08: unsigned bytes), the number of dimensions, each dimension as
//! a big-endian u32, then the elements in row-major order. The format is described at
//! <http://yann.lecun.com/exdb/mnist/>.
//!
//! Nothing here allocates: a header that lies costs an error, not memory.

use crate::FormatError;
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

/// Bytes before the first pixel of an image file.
pub const IMAGES_HEADER: usize = 16;

/// Bytes before the first label of a label file.
pub const LABELS_HEADER: usize = 8;

/// The pixels of an IDX image file: n x 784 bytes, 0 is the background, row after row.
///
/// # Errors
/// A [`FormatError`] that names the one thing in which the bytes differ from an image file of
/// 28x28 pixels: too short for a header, not IDX, element type, dimensions, size of the images,
/// overflow, too short, too long.
pub fn images(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let ([count, rows, columns], pixels) = parse::<3>(bytes, "image", BYTE)?;
    if [rows, columns] != [IMAGE_SIDE as u32; 2] {
        return Err(FormatError::ImageSize { rows, columns });
    }
    debug_assert_eq!(pixels.len(), count as usize * IMAGE_PIXELS);
    Ok(pixels)
}

/// The labels of an IDX label file, one byte each, not yet held against any classes.
///
/// # Errors
/// As [`images`].
pub fn labels(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let ([_count], labels) = parse::<1>(bytes, "label", BYTE)?;
    Ok(labels)
}

/// The first of the eight columns of a QMNIST label file, which is the class, as
/// <https://github.com/facebookresearch/qmnist> describes the file. Not yet held against any
/// classes.
///
/// # Errors
/// As [`images`], and where there are other than eight columns.
pub fn qmnist_labels(bytes: &[u8]) -> Result<Vec<i64>, FormatError> {
    let ([_count, columns], elements) = parse::<2>(bytes, "label", INT)?;
    if columns != 8 {
        return Err(FormatError::LabelColumns { found: columns });
    }
    let (rows, _) = elements.as_chunks::<32>();
    let class = |row: &[u8; 32]| {
        let word = row.first_chunk::<4>().copied().unwrap_or_default();
        i64::from(i32::from_be_bytes(word))
    };
    Ok(rows.iter().map(class).collect())
}

/// Whether bytes have the first four of an IDX file of two dimensions of integers, as QMNIST's
/// labels.
pub fn is_qmnist_labels(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, INT.code, 2])
}

/// What a file's elements are.
#[derive(Clone, Copy)]
struct Element {
    /// The type byte.
    code: u8,
    bytes: usize,
}

const BYTE: Element = Element {
    code: 0x08,
    bytes: 1,
};
const INT: Element = Element {
    code: 0x0c,
    bytes: 4,
};

/// Reads a header of `N` dimensions and demands exactly as many elements after it.
fn parse<'a, const N: usize>(
    bytes: &'a [u8],
    kind: &'static str,
    wanted: Element,
) -> Result<([u32; N], &'a [u8]), FormatError> {
    let header = 4 + 4 * N;
    let too_short = FormatError::HeaderTooShort {
        kind,
        found: bytes.len(),
        needed: header,
    };
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(too_short);
    };
    let &[zero_0, zero_1, element, dimensions] = magic;
    if [zero_0, zero_1] != [0, 0] {
        return Err(FormatError::NotIdx {
            found: *magic,
            hint: guess(bytes),
        });
    }
    if element != wanted.code {
        return Err(FormatError::ElementType {
            found: element,
            expected: wanted.code,
        });
    }
    if usize::from(dimensions) != N {
        let hint = match (kind, dimensions) {
            ("image", 1) => ": this is a label file",
            ("label", 3) => ": this is an image file",
            _ => "",
        };
        return Err(FormatError::Dimensions {
            kind,
            found: dimensions,
            expected: N as u8,
            hint,
        });
    }
    let mut sizes = [0_u32; N];
    let mut rest = rest;
    for size in &mut sizes {
        let Some((word, after)) = rest.split_first_chunk::<4>() else {
            return Err(too_short);
        };
        *size = u32::from_be_bytes(*word);
        rest = after;
    }
    let claimed = sizes
        .iter()
        .try_fold(wanted.bytes, |product, &size| {
            product.checked_mul(size as usize)
        })
        .and_then(|elements| elements.checked_add(header))
        .ok_or_else(|| FormatError::Overflow {
            dimensions: sizes.to_vec(),
        })?;
    let found = bytes.len();
    match found.cmp(&claimed) {
        std::cmp::Ordering::Less => Err(FormatError::TooShort { claimed, found }),
        std::cmp::Ordering::Greater => Err(FormatError::TooLong { claimed, found }),
        std::cmp::Ordering::Equal => Ok((sizes, rest)),
    }
}

/// What bytes that are no IDX file look like, as the end of a sentence.
fn guess(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    let text = start.trim_ascii_start().to_ascii_lowercase();
    match start {
        [0x89, b'P', b'N', b'G', ..] => ", as a PNG picture does",
        [0xff, 0xd8, 0xff, ..] => ", as a JPEG picture does",
        [b'P', b'K', 3, 4, ..] => ", as a zip archive does: unpack it first",
        [0x1f, 0x8b, ..] => ", as a gzip stream does",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ", as a Zstandard stream does: decompress it first",
        [1 | 3, 8, 0, 0, ..] => ", as an IDX file in the wrong byte order would",
        _ if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") => {
            ": it is a web page, perhaps a server's error message"
        }
        _ => "",
    }
}
