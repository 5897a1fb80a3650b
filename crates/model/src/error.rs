//! What can go wrong with a model.

use std::path::PathBuf;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be made, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weights file that cannot be used.
    #[error("{path:?}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A file that could not be read.
    #[error("{path:?}: cannot read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// More or fewer classes than the last layer may have.
    #[error("{found} classes, the number must be between 1 and 256")]
    ClassCount {
        /// Number of classes.
        found: usize,
    },
    /// A kind of file that is not read as a model.
    #[error("{kind} files are not read: {hint}")]
    Kind {
        /// The kind, as `PyTorch pickle`.
        kind: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// A folder, a pipe or a device instead of a file.
    #[error("not a regular file")]
    NotAFile,
    /// A file larger than any LeNet-5.
    #[error("{found} bytes, a LeNet-5 has at most {limit}")]
    TooLarge {
        /// Bytes of the file.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The bytes are not in the safetensors format.
    #[error("not a safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The metadata is not what this program writes.
    #[error("the metadata of the weights cannot be read: {0}")]
    Metadata(#[from] serde_json::Error),
    /// The metadata stands under another key than this program writes.
    #[error("the metadata of the weights is damaged: its key is not \"lenet\"")]
    MetadataKey,
    /// The metadata means what was written, but is written otherwise, as `1E-8` for `1e-8`.
    #[error("the metadata of the weights is damaged: its text is not as it was written")]
    MetadataText,
    /// The file was written by a later release.
    #[error(
        "written in format {found} by a later release of lenet; this one reads up to {supported}"
    )]
    Version {
        /// The file's format.
        found: u32,
        /// The newest format that is read.
        supported: u32,
    },
    /// The file holds another network.
    #[error("holds the network {found:?}, not lenet5")]
    Network {
        /// The network by the metadata.
        found: String,
    },
    /// The file lacks a tensor.
    #[error("there is no tensor {name}")]
    MissingTensor {
        /// The tensor.
        name: &'static str,
    },
    /// The file has a tensor that the network does not.
    #[error("the tensor {name} does not belong to LeNet-5")]
    ExtraTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape.
    #[error("the tensor {name} has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape by the architecture.
        expected: Vec<usize>,
        /// The shape that there is.
        found: Vec<usize>,
    },
    /// A tensor of another element type.
    #[error("the tensor {name} holds {found} numbers, expected F32")]
    DType {
        /// The tensor.
        name: String,
        /// The element type that there is.
        found: String,
    },
    /// A tensor with a value that is no number.
    #[error("the tensor {name} holds the value {value} at index {index}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Index of the first such value.
        index: usize,
        /// The value: NaN or an infinity.
        value: f32,
    },
    /// The tensors are not those that were written.
    #[error("the tensors are damaged: SHA-256 {found}, the file says {expected}")]
    Digest {
        /// Digest of the tensors as they are.
        found: String,
        /// Digest in the metadata.
        expected: String,
    },
    /// A snapshot of another number of parameters.
    #[error("a snapshot of {found} parameters for a network of {expected}")]
    Snapshot {
        /// Parameters of the network.
        expected: usize,
        /// Tensors of the snapshot.
        found: usize,
    },
    /// The names of the classes are not as many as the outputs.
    #[error("{names} class names for {classes} outputs")]
    ClassNames {
        /// Number of names.
        names: usize,
        /// Number of outputs.
        classes: usize,
    },
    /// A scaling of the input that makes no numbers.
    #[error("the input scaling (mean {mean}, std {std}) is not finite or divides by 0")]
    Scaling {
        /// Mean by the metadata.
        mean: f32,
        /// Standard deviation by the metadata.
        std: f32,
    },
    /// A scaling of the input that integers of 8 bits cannot follow.
    #[error(
        "int8 needs an input scaling with a mean from 0 to 1 and a std above 0, not mean {mean}, \
         std {std}"
    )]
    QuantizedScaling {
        /// Mean by the metadata.
        mean: f32,
        /// Standard deviation by the metadata.
        std: f32,
    },
    /// An operation's own error.
    #[error(transparent)]
    Kernels(#[from] lenet_engine::Error),
    /// candle's own error.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
