//! The data sets that the program knows by name: one entry a set, nothing about them elsewhere.

mod digits;
mod emnist;

pub use digits::{FASHION_MNIST, KMNIST, MNIST, QMNIST};
pub use emnist::{
    EMNIST_BALANCED, EMNIST_BYCLASS, EMNIST_BYMERGE, EMNIST_DIGITS, EMNIST_LETTERS, EMNIST_MNIST,
};

use crate::{FormatError, Md5, Sha256, gzip};

/// Every data set that the program knows.
pub const ALL: &[&DatasetSpec] = &[
    &MNIST,
    &FASHION_MNIST,
    &KMNIST,
    &QMNIST,
    &EMNIST_DIGITS,
    &EMNIST_LETTERS,
    &EMNIST_BALANCED,
    &EMNIST_BYCLASS,
    &EMNIST_BYMERGE,
    &EMNIST_MNIST,
];

/// A data set of four IDX files: training and test images with their labels.
#[derive(Debug)]
pub struct DatasetSpec {
    /// The name on the command line, and the folder's name in the cache.
    pub name: &'static str,
    /// The name in prose.
    pub title: &'static str,
    /// The classes, in the order of their labels.
    pub class_names: &'static [&'static str],
    /// Rows and columns of an image.
    pub image_size: [usize; 2],
    /// Number of images to train on, and to test with.
    pub counts: [usize; 2],
    /// The four files, in the order of [`Role`].
    pub files: [FileSpec; 4],
    /// How the files' images lie.
    pub orientation: Orientation,
    /// How the files number the classes.
    pub labels: Labels,
    /// Base addresses to download from, in the order in which they are tried; a file's address is
    /// the base, a slash, and the file's name with `.gz`, or where there is an archive the
    /// archive's name.
    pub mirrors: &'static [&'static str],
    /// The zip archive in which the mirrors have the files.
    pub archive: Option<Archive>,
    /// The Hugging Face hub's repository, a source behind the feature `hub`.
    pub hub: Option<&'static str>,
    /// A folder in which a system package installs the files.
    pub system_folder: Option<&'static str>,
    /// The licence of the data, in a few words.
    pub licence: &'static str,
    /// Where the data set is described.
    pub citation: &'static str,
}

/// One IDX file of a data set.
#[derive(Debug)]
pub struct FileSpec {
    /// What the file holds.
    pub role: Role,
    /// The decompressed file's name; compressed, it ends in `.gz`.
    pub name: &'static str,
    /// Bytes of the decompressed file.
    pub bytes: usize,
    /// What is known of the genuine file's content.
    pub digest: Known,
}

/// The digest by which a file is known, in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// SHA-256 of the decompressed file, whatever compressed it: the .gz differ from mirror to
    /// mirror.
    Sha256(&'static str),
    /// SHA-256 of the one official .gz file.
    GzipSha256(&'static str),
    /// MD5 of the one official .gz file: against accidents, not against forgers.
    GzipMd5(&'static str),
}

/// A zip archive that holds the files of several data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// The archive's file name.
    pub name: &'static str,
    /// The folder inside it that holds the files, compressed.
    pub folder: &'static str,
}

impl Archive {
    /// The name that a file has inside the archive.
    pub fn member(&self, file: &FileSpec) -> String {
        format!("{}/{}.gz", self.folder, file.name)
    }
}

/// How the images of a data set's files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// Row after row.
    Upright,
    /// Column after column; loading turns them upright.
    Transposed,
}

/// How the label files of a data set number its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// A byte each, 0 for the first class.
    FromZero,
    /// A byte each, 1 for the first class; loading subtracts 1.
    FromOne,
    /// Eight integers of 32 bits each, of which the first is the class, 0 for the first one.
    /// The others tell writer and form of the original in NIST's database.
    Qmnist,
}

impl FileSpec {
    /// Whether a stored file is the genuine one: `stored` as it lies on the disk, `content`
    /// decompressed. Where only the digest of the .gz is known, one that was decompressed cannot be
    /// told from another: then the length alone is judged, and `Ok(false)` says so.
    ///
    /// # Errors
    /// [`FormatError::Digest`] with both digests where it is not.
    pub fn verify(&self, stored: &[u8], content: &[u8]) -> Result<bool, FormatError> {
        let (kind, found, expected) = match self.digest {
            Known::Sha256(expected) => ("SHA-256", Sha256::of(content).to_string(), expected),
            _ if !gzip::is_gzip(stored) => return Ok(false),
            Known::GzipSha256(expected) => {
                let found = Sha256::of(stored).to_string();
                ("SHA-256 of the .gz", found, expected)
            }
            Known::GzipMd5(expected) => ("MD5 of the .gz", Md5::of(stored).to_string(), expected),
        };
        if found == expected {
            return Ok(true);
        }
        Err(FormatError::Digest {
            kind,
            found,
            expected: expected.to_owned(),
        })
    }
}

/// What one of the four files holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The images to train on.
    TrainImages,
    /// Their labels.
    TrainLabels,
    /// The images of the test split.
    TestImages,
    /// Their labels.
    TestLabels,
}

impl DatasetSpec {
    /// The entry of a data set by its name on the command line.
    pub fn find(name: &str) -> Option<&'static DatasetSpec> {
        ALL.iter().copied().find(|spec| spec.name == name)
    }

    /// The names on the command line, separated by commas.
    pub fn names() -> String {
        let names: Vec<&str> = ALL.iter().map(|spec| spec.name).collect();
        names.join(", ")
    }
}

/// Bytes of an IDX file of so many images of 28x28 pixels.
const fn images(count: usize) -> usize {
    crate::idx::IMAGES_HEADER + count * lenet_picture::IMAGE_PIXELS
}

/// Bytes of an IDX file of so many labels of a byte.
const fn labels(count: usize) -> usize {
    crate::idx::LABELS_HEADER + count
}

const fn file(role: Role, name: &'static str, bytes: usize, digest: Known) -> FileSpec {
    FileSpec {
        role,
        name,
        bytes,
        digest,
    }
}
