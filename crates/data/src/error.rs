//! What can go wrong between a file's bytes and a batch.

use std::io;
use std::path::PathBuf;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a data set, a download or a picture could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not what it should be.
    #[error("{path:?}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Bytes that did not come from a file are not what they should be.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// A file or folder could not be read or written.
    #[error("{path:?}: cannot {operation}: {source}")]
    Io {
        /// What was tried: `read`, `create` ...
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// No data set has this name.
    #[error(
        "there is no data set {name:?}; the names are {known}, and a path names data of your own"
    )]
    UnknownDataset {
        /// The name asked for.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },
    /// A folder that the user named lacks a file of the data set.
    #[error("{folder:?} holds no file {file} (nor {file}.gz) of the data set {dataset}")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The decompressed file's name.
        file: &'static str,
        /// The data set's name.
        dataset: &'static str,
    },
    /// The data set is on none of the places where it is looked for.
    #[error(
        "the data set {dataset} is not on this machine (looked in {looked}); \
         `lenet data download {dataset}` fetches it, or name its folder with --data-dir"
    )]
    NotFound {
        /// The data set's name.
        dataset: &'static str,
        /// The places that were looked in.
        looked: String,
    },
    /// No mirror delivered a file.
    #[error(
        "{file} of {dataset} could not be downloaded:{attempts}\n\
         without a network, put the file into a folder and name it with --data-dir"
    )]
    Download {
        /// The data set's name.
        dataset: &'static str,
        /// The file's name.
        file: String,
        /// One line a mirror, each with its address and the reason, each after a line break.
        attempts: String,
    },
    /// Files are missing, and nobody may be asked for them.
    #[error(
        "{folder:?} lacks {files} of {dataset}, and --offline forbids to fetch what is missing; \
         without it, `lenet data download {dataset}` does"
    )]
    Offline {
        /// The data set's name.
        dataset: &'static str,
        /// The folder.
        folder: PathBuf,
        /// The missing files' names, separated by commas.
        files: String,
    },
    /// The disk has less room than a file needs.
    #[error("{path:?}: {needed} bytes are to come, the disk has room for {free}")]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Bytes that are missing of it.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The Hugging Face hub did not deliver a data set.
    #[error("the Hugging Face hub's {repository}: {reason}")]
    Hub {
        /// The repository, `owner/name`.
        repository: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// A setting of the augmentation is out of its range.
    #[error("{name} {value}: must be {allowed}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// The range that it must be in.
        allowed: String,
    },
    /// The user asked to stop.
    #[error("stopped on request")]
    Interrupted,
    /// A file or picture could not be read.
    #[error(transparent)]
    Files(#[from] lenet_files::Error),
    /// A tensor could not be made.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// One variant for each way in which bytes can lie about what they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than the header of an IDX file has.
    #[error("{found} bytes, an IDX {kind} file needs at least {needed}")]
    HeaderTooShort {
        /// `image` or `label`.
        kind: &'static str,
        /// Bytes that there are.
        found: usize,
        /// Bytes of the header.
        needed: usize,
    },
    /// The first two bytes of an IDX file are zero; these are not.
    #[error("not an IDX file: it starts with {found:02x?}{hint}")]
    NotIdx {
        /// The first four bytes.
        found: [u8; 4],
        /// What the file looks like instead, as the end of the sentence; may be empty.
        hint: &'static str,
    },
    /// An IDX file of another element type.
    #[error(
        "IDX element type 0x{found:02x}, only 0x{expected:02x} ({}) is read",
        if *expected == 0x08 { "unsigned bytes" } else { "integers of 32 bits" }
    )]
    ElementType {
        /// The type byte.
        found: u8,
        /// The type byte of such files.
        expected: u8,
    },
    /// An IDX file with another number of dimensions.
    #[error("an IDX file of {found} dimensions, {kind} files have {expected}{hint}")]
    Dimensions {
        /// `image` or `label`.
        kind: &'static str,
        /// Dimensions that there are.
        found: u8,
        /// Dimensions that there should be.
        expected: u8,
        /// A guess at the cause, as the end of the sentence; may be empty.
        hint: &'static str,
    },
    /// The dimensions' product does not fit into this machine's memory addresses.
    #[error("the header claims {dimensions:?} elements, more than any file can hold")]
    Overflow {
        /// The dimensions as the header gives them.
        dimensions: Vec<u32>,
    },
    /// Fewer bytes than the header claims.
    #[error("the header claims {claimed} bytes in all, the file has {found}: {missing} are missing", missing = claimed - found)]
    TooShort {
        /// Bytes by the header, itself included.
        claimed: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// More bytes than the header claims.
    #[error("the header claims {claimed} bytes in all, the file has {found}: {extra} too many", extra = found - claimed)]
    TooLong {
        /// Bytes by the header, itself included.
        claimed: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// Images of another size.
    #[error("images of {rows}x{columns} pixels, this network takes 28x28")]
    ImageSize {
        /// Rows of an image.
        rows: u32,
        /// Columns of an image.
        columns: u32,
    },
    /// A data set of no images.
    #[error("0 images: there is nothing to train on or to evaluate")]
    NoImages,
    /// As many labels as images there must be.
    #[error("{images} images but {labels} labels")]
    CountMismatch {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A label outside of the classes.
    #[error(
        "label {label} at index {index}, the {classes} classes are {first} to {last}",
        last = *classes as i64 - 1 + first
    )]
    LabelOutOfRange {
        /// Index of the label in its file.
        index: usize,
        /// The label.
        label: i64,
        /// The label of the first class.
        first: i64,
        /// Number of classes.
        classes: usize,
    },
    /// A label file of several columns that is not QMNIST's.
    #[error(
        "label files of two dimensions have 8 columns of 32 bits, as QMNIST's; this one has {found}"
    )]
    LabelColumns {
        /// Number of columns.
        found: u32,
    },
    /// More classes than a byte has values, or none.
    #[error("{found} classes, the number must be between 1 and 256")]
    ClassCount {
        /// Number of class names.
        found: usize,
    },
    /// The compressed stream ends too early.
    #[error("the gzip stream is cut off")]
    GzipTruncated,
    /// The compressed stream or its checksum is damaged.
    #[error("the gzip stream is damaged: {reason}")]
    GzipDamaged {
        /// The decoder's reason.
        reason: String,
    },
    /// Bytes after the end of the compressed stream.
    #[error("{extra} bytes follow the end of the gzip stream")]
    GzipTrailing {
        /// Number of bytes.
        extra: usize,
    },
    /// The decompressed bytes are compressed again.
    #[error("a gzip stream inside a gzip stream: decompress the file once")]
    GzipNested,
    /// More decompressed bytes than may be.
    #[error("decompresses to more than {limit} bytes, the most that this file may hold")]
    GzipTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The embedded copy does not decompress: the program's own file is damaged.
    #[error("the embedded copy of {file} is damaged: {reason}")]
    Embedded {
        /// The file's name.
        file: &'static str,
        /// The decoder's reason.
        reason: String,
    },
    /// The bytes are not those that the registry knows.
    #[error(
        "the content is not that of the genuine file ({kind} {found}, expected {expected}); \
         `lenet data download --force` with the data set's name, and with the same --data-dir if one \
         was given, replaces it"
    )]
    Digest {
        /// Which digest of what.
        kind: &'static str,
        /// That of these bytes.
        found: String,
        /// That of the genuine file.
        expected: String,
    },
    /// A zip archive that cannot be read, or that lacks a file.
    #[error("zip archive: {reason}")]
    Zip {
        /// What is wrong, and with which member.
        reason: String,
    },
    /// A line of a CSV file that is not a label and 784 pixels.
    #[error("line {line}: {reason}")]
    Csv {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder that does not hold what was looked for in it.
    #[error("{reason}")]
    Layout {
        /// What is missing or ambiguous, and what would do.
        reason: String,
    },
    /// A folder, a pipe or a device instead of a file.
    #[error("not a regular file but {kind}")]
    NotAFile {
        /// What it is instead.
        kind: &'static str,
    },
    /// A file larger than any that is read here.
    #[error("{found} bytes, more than the {limit} that such a file may have")]
    FileTooLarge {
        /// Bytes of the file.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A parquet file that has another layout than the hub's data sets of pictures.
    #[error("not a parquet file of pictures and labels: {reason}")]
    Parquet {
        /// What is missing or wrong, and in which row.
        reason: String,
    },
}
