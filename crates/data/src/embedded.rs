//! The copy of MNIST inside the program (feature `embedded-mnist`).
//!
//! Authors, licence and how the files were made are in `embedded/README.md` of this crate.

use crate::{Dataset, Error, Result, Splits, registry};

/// MNIST's four files in the registry's order, compressed with Zstandard.
const FILES: [&[u8]; 4] = [
    include_bytes!("../embedded/train-images-idx3-ubyte.zst"),
    include_bytes!("../embedded/train-labels-idx1-ubyte.zst"),
    include_bytes!("../embedded/t10k-images-idx3-ubyte.zst"),
    include_bytes!("../embedded/t10k-labels-idx1-ubyte.zst"),
];

/// MNIST: 60,000 images to train on and 10,000 to test with, decompressed from the program itself.
///
/// # Errors
/// [`Kind::Internal`](lenet_files::Kind::Internal) if the program's own file is damaged.
pub fn mnist() -> Result<Splits> {
    Ok(Splits {
        train: split(0)?,
        test: mnist_test()?,
        validation: None,
        preparation: registry::mnist().pictures,
    })
}

/// The test split of MNIST alone, which is decompressed in a sixth of the time of [`mnist`].
///
/// # Errors
/// Those of [`mnist`].
pub fn mnist_test() -> Result<Dataset> {
    split(2)
}

/// The decompressed IDX files, in the registry's order.
///
/// # Errors
/// Those of [`mnist`].
pub fn files() -> Result<Vec<Vec<u8>>> {
    (0..FILES.len()).map(decompress).collect()
}

/// The split whose images are this file and whose labels are the next.
fn split(images: usize) -> Result<Dataset> {
    registry::mnist().dataset(decompress(images)?, &decompress(images + 1)?)
}

fn decompress(index: usize) -> Result<Vec<u8>> {
    let file = &registry::mnist().files[index];
    // In one piece, so that the decoder needs no window of its own beside the output.
    zstd::bulk::decompress(FILES[index], file.bytes).map_err(|error| {
        Error::internal(format!("the embedded copy of {} is damaged", file.name)).caused_by(error)
    })
}
