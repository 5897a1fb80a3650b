//! The copy of MNIST inside the program (feature `embedded-mnist`).
//!
//! Authors, licence and the way the files were made are in `embedded/README.md` of this crate.

use crate::registry::{FileSpec, MNIST};
use crate::{Dataset, FormatError, Splits};

/// The four files of [`MNIST`] in the registry's order, compressed with Zstandard.
const FILES: [&[u8]; 4] = [
    include_bytes!("../embedded/train-images-idx3-ubyte.zst"),
    include_bytes!("../embedded/train-labels-idx1-ubyte.zst"),
    include_bytes!("../embedded/t10k-images-idx3-ubyte.zst"),
    include_bytes!("../embedded/t10k-labels-idx1-ubyte.zst"),
];

/// MNIST: 60,000 images to train on and 10,000 to test with, decompressed from the program itself.
///
/// # Errors
/// [`FormatError::Embedded`] where the program's own file is damaged.
pub fn mnist() -> Result<Splits, FormatError> {
    let [train_images, train_labels, test_images, test_labels] = files()?;
    Ok(Splits {
        train: Dataset::from_idx(train_images, train_labels, MNIST.class_names)?,
        test: Dataset::from_idx(test_images, test_labels, MNIST.class_names)?,
    })
}

/// The test split of MNIST alone, which is decompressed in a sixth of the time of [`mnist`].
///
/// # Errors
/// As [`mnist`].
pub fn mnist_test() -> Result<Dataset, FormatError> {
    let [_, _, images, labels] = specs();
    Dataset::from_idx(decompress(images)?, decompress(labels)?, MNIST.class_names)
}

/// The decompressed IDX files, in the registry's order.
///
/// # Errors
/// As [`mnist`].
pub fn files() -> Result<[Vec<u8>; 4], FormatError> {
    let [a, b, c, d] = specs();
    Ok([
        decompress(a)?,
        decompress(b)?,
        decompress(c)?,
        decompress(d)?,
    ])
}

type Compressed = (&'static FileSpec, &'static [u8]);

fn specs() -> [Compressed; 4] {
    let [a, b, c, d] = &MNIST.files;
    let [za, zb, zc, zd] = FILES;
    [(a, za), (b, zb), (c, zc), (d, zd)]
}

fn decompress((spec, compressed): Compressed) -> Result<Vec<u8>, FormatError> {
    // In one piece, so that the decoder needs no window of its own beside the output.
    zstd::bulk::decompress(compressed, spec.bytes).map_err(|error| FormatError::Embedded {
        file: spec.name,
        reason: error.to_string(),
    })
}
