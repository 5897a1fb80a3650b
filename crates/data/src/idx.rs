//! The IDX format of the MNIST files, parsed from a slice.
//!
//! Two zero bytes, a type byte (0x08: unsigned bytes), the number of dimensions, each dimension as
//! a big-endian u32, then the elements in row-major order. The format is described at
//! <http://yann.lecun.com/exdb/mnist/>.
//!
//! A header that lies costs an error, not memory.

use std::cmp::Ordering;

use crate::{Error, Result};
use lenet_files::Format;
use lenet_picture::IMAGE_SIDE;

/// Bytes before the first pixel of an image file.
pub const IMAGES_HEADER: usize = 16;

/// Bytes before the first label of a label file.
pub const LABELS_HEADER: usize = 8;

/// The pixels of an IDX image file: n x 784 bytes, 0 is the background, row after row.
///
/// # Errors
/// An error that names the one thing in which the bytes differ from an image file of 28x28 pixels.
pub fn images(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let ([_count, rows, columns], _) = parse(&bytes, "image", BYTE)?;
    if [rows, columns] != [IMAGE_SIDE as u32; 2] {
        return Err(Error::input(format!(
            "images of {rows}x{columns} pixels, this network takes 28x28"
        )));
    }
    bytes.drain(..IMAGES_HEADER);
    Ok(bytes)
}

/// The labels of an IDX label file, not yet held against any classes.
///
/// They are one byte each, or, as <https://github.com/facebookresearch/qmnist> has them, the first
/// of eight integers of 32 bits.
///
/// # Errors
/// An error that names the one thing in which the bytes differ from a label file.
pub fn labels(bytes: &[u8]) -> Result<Vec<i32>> {
    if !bytes.starts_with(&[0, 0, INTEGER.code, 2]) {
        let ([_count], labels) = parse(bytes, "label", BYTE)?;
        return Ok(labels.iter().map(|&label| label.into()).collect());
    }
    let ([_count, columns], elements) = parse(bytes, "label", INTEGER)?;
    if columns != 8 {
        return Err(Error::input(format!(
            "label files of two dimensions have 8 columns of 32 bits, as QMNIST's; this one has \
             {columns}"
        )));
    }
    let (rows, _) = elements.as_chunks::<32>();
    Ok(rows
        .iter()
        .map(|&[a, b, c, d, ..]| i32::from_be_bytes([a, b, c, d]))
        .collect())
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
const INTEGER: Element = Element {
    code: 0x0c,
    bytes: 4,
};

/// Reads a header of `N` dimensions and demands exactly as many elements after it.
fn parse<'a, const N: usize>(
    bytes: &'a [u8],
    kind: &str,
    wanted: Element,
) -> Result<([u32; N], &'a [u8])> {
    let (found, header) = (bytes.len(), 4 + 4 * N);
    let too_short = || {
        Error::input(format!(
            "{found} bytes, an IDX {kind} file needs at least {header}"
        ))
    };
    let (magic, mut rest) = bytes.split_first_chunk::<4>().ok_or_else(too_short)?;
    let &[zero_0, zero_1, element, dimensions] = magic;
    if [zero_0, zero_1] != [0, 0] {
        let found = match Format::of(bytes) {
            Some(format) => format!(" but {format}"),
            None => format!(": it starts with {magic:02x?}"),
        };
        return Err(Error::input(format!("not an IDX file{found}")));
    }
    if element != wanted.code {
        return Err(Error::input(format!(
            "IDX element type 0x{element:02x}, only 0x{:02x} is read",
            wanted.code
        )));
    }
    if usize::from(dimensions) != N {
        let hint = match (kind, dimensions) {
            ("image", 1) => ": this is a label file",
            ("label", 3) => ": this is an image file",
            _ => "",
        };
        return Err(Error::input(format!(
            "an IDX file of {dimensions} dimensions, {kind} files have {N}{hint}"
        )));
    }
    let mut sizes = [0_u32; N];
    for size in &mut sizes {
        let (word, after) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
        (*size, rest) = (u32::from_be_bytes(*word), after);
    }
    let claimed = claimed(bytes).ok_or_else(|| {
        Error::input(format!(
            "the header claims {sizes:?} elements, more than any file can hold"
        ))
    })?;
    let difference = match found.cmp(&claimed) {
        Ordering::Less => format!("{} are missing", claimed - found),
        Ordering::Greater => format!("{} too many", found - claimed),
        Ordering::Equal => return Ok((sizes, rest)),
    };
    Err(Error::input(format!(
        "the header claims {claimed} bytes in all, the file has {found}: {difference}"
    )))
}

/// How many bytes a file has by its header; none if that is not one, or claims more than any file can
/// hold.
pub(crate) fn claimed(start: &[u8]) -> Option<usize> {
    let (&[0, 0, code, dimensions], rest) = start.split_first_chunk()? else {
        return None;
    };
    let element = [BYTE, INTEGER]
        .into_iter()
        .find(|element| element.code == code)?;
    let (sizes, _) = rest.get(..4 * usize::from(dimensions))?.as_chunks::<4>();
    let mut sizes = sizes.iter().map(|&size| u32::from_be_bytes(size) as usize);
    let bytes = sizes.try_fold(element.bytes, usize::checked_mul)?;
    bytes.checked_add(4 + 4 * usize::from(dimensions))
}
