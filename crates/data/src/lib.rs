//! MNIST and data sets like it: bytes become a [`Dataset`], a [`Dataset`] becomes [`Batch`]es.
//!
//! Data travels one way, and each step has one type:
//!
//! | step | type | made by |
//! |---|---|---|
//! | a file's bytes, digest checked | `Vec<u8>` | [`Source::load`] |
//! | n images u8, n labels u8, class names | [`Dataset`] | [`idx`], [`Dataset::split`] |
//! | a permutation, a pure function of (seed, epoch, n) | `Vec<u32>` | [`order`] |
//! | an altered image, a pure function of (seed, epoch, index) | 784 bytes | [`Augmentation::apply`] |
//! | images (B, 1, 28, 28) f32, labels (B) u32 | [`Batch`] | [`batches`] |
//!
//! The crate knows nothing of models or training. It has no global state and prints nothing; it
//! reports through [`tracing`] and through [`lenet_files::Error`].
//!
//! ```
//! # #[cfg(feature = "embedded-mnist")] {
//! use lenet_data::{batches, embedded, order};
//! use lenet_picture::Normalization;
//!
//! let (train, validation) = embedded::mnist()?.train.split(5_000, 42);
//! assert_eq!((train.len(), validation.len()), (55_000, 5_000));
//!
//! let first = batches(&train, order(42, 1, train.len()), 128, Normalization::default())
//!     .next()
//!     .expect("the set is not empty")?;
//! assert_eq!(first.images.dims(), [128, 1, 28, 28]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
// In modules that read bytes from outside, an index out of range must be an error message.
#[deny(clippy::indexing_slicing)]
mod archive;
mod augment;
mod batch;
mod dataset;
mod digest;
#[cfg(feature = "download")]
pub mod download;
mod duplicates;
#[cfg(feature = "embedded-mnist")]
pub mod embedded;
#[deny(clippy::indexing_slicing)]
pub mod gzip;
#[cfg(feature = "hub")]
pub mod hub;
#[deny(clippy::indexing_slicing)]
pub mod idx;
mod order;
#[deny(clippy::indexing_slicing)]
mod own;
pub mod registry;
mod source;

pub use augment::Augmentation;
pub use batch::{Batch, batches};
pub use dataset::{Dataset, Splits};
pub use digest::{md5, sha256};
pub use duplicates::near_duplicates;
use lenet_files::{Error, Result};
pub use order::{balanced_order, order};
pub use registry::{DatasetSpec, FileSpec};
pub use source::{ENVIRONMENT, Loaded, Origin, Reading, Search, Source, locate};
