//! The data sets that the program knows by name: one entry a set, nothing about them elsewhere.

use std::collections::BTreeMap;

#[cfg(feature = "files")]
use crate::{FormatError, Sha256};

/// A data set of four IDX files: training and test images with their labels.
#[derive(Debug)]
pub struct DatasetSpec {
    /// The name on the command line, and the folder's name in the cache.
    pub name: &'static str,
    /// The name in prose.
    pub title: &'static str,
    /// The classes, in the order of their labels.
    pub class_names: &'static [&'static str],
    /// The four files.
    pub files: [FileSpec; 4],
    /// Base addresses to download from, in the order in which they are tried; a file's address is
    /// the base, a slash, and the file's name with `.gz`.
    pub mirrors: &'static [&'static str],
    /// The Hugging Face hub's repository, a source behind the feature `hub`.
    pub hub: &'static str,
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
    /// SHA-256 of the decompressed file, in lower-case hexadecimal: the .gz differ from mirror to
    /// mirror.
    pub sha256: &'static str,
}

#[cfg(feature = "files")]
impl FileSpec {
    /// Whether decompressed bytes are those of the genuine file, by their SHA-256.
    ///
    /// # Errors
    /// [`FormatError::Digest`] with both digests where they are not.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), FormatError> {
        let found = Sha256::of(bytes);
        if found.is(self.sha256) {
            return Ok(());
        }
        Err(FormatError::Digest {
            found: found.to_string(),
            expected: self.sha256.to_owned(),
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

    /// The SHA-256 of each decompressed file by its name, as it goes into what is made of them.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let digest = |file: &FileSpec| (file.name.to_owned(), file.sha256.to_owned());
        self.files.iter().map(digest).collect()
    }
}

/// Every data set that the program knows.
pub const ALL: &[&DatasetSpec] = &[&MNIST, &FASHION_MNIST];

/// The MNIST database of handwritten digits.
pub const MNIST: DatasetSpec = DatasetSpec {
    name: "mnist",
    title: "MNIST handwritten digits",
    class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    // Digests of the decompressed files as the mirrors below serve them.
    files: [
        FileSpec {
            role: Role::TrainImages,
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        FileSpec {
            role: Role::TrainLabels,
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        FileSpec {
            role: Role::TestImages,
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        FileSpec {
            role: Role::TestLabels,
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
    mirrors: &[
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
    ],
    hub: "ylecun/mnist",
    system_folder: None,
    licence: "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    citation: "LeCun, Bottou, Bengio and Haffner 1998, https://doi.org/10.1109/5.726791",
};

/// Zalando's pictures of clothes, made to replace MNIST with a harder set of the same form.
pub const FASHION_MNIST: DatasetSpec = DatasetSpec {
    name: "fashion-mnist",
    title: "Fashion-MNIST clothes",
    class_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    files: [
        FileSpec {
            role: Role::TrainImages,
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        FileSpec {
            role: Role::TrainLabels,
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        FileSpec {
            role: Role::TestImages,
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        FileSpec {
            role: Role::TestLabels,
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
    hub: "zalando-datasets/fashion_mnist",
    system_folder: Some("/usr/share/datasets/fashion-mnist"),
    licence: "MIT, Zalando SE",
    citation: "Xiao, Rasul and Vollgraf 2017, https://arxiv.org/abs/1708.07747",
};
