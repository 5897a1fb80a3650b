//! The data sets that the program knows by name: `registry.toml` has one entry for each, and nothing
//! about them is written anywhere else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::{Dataset, Error, Result, gzip, idx, md5, sha256};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, Preparation};

const TABLE: &str = include_str!("registry.toml");

/// Every data set that the program knows, in the order of `registry.toml`.
pub static ALL: LazyLock<Vec<DatasetSpec>> = LazyLock::new(|| {
    let table: Result<BTreeMap<&str, Vec<DatasetSpec>>, _> = toml::from_str(TABLE);
    match table {
        Ok(mut table) => table.remove("dataset").unwrap_or_default(),
        Err(error) => panic!("registry.toml, which is part of the program: {error}"),
    }
});

/// The names of [`ALL`], without parsing the table: the command line asks at every start.
pub fn names() -> impl Iterator<Item = &'static str> {
    let entries = TABLE.split("\n[[dataset]]\nname = \"").skip(1);
    entries.filter_map(|entry| Some(entry.split_once('"')?.0))
}

/// A data set of four IDX files: training and test images with their labels.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The name on the command line, and the folder's name in the cache.
    pub name: &'static str,
    /// The name in prose.
    pub title: &'static str,
    /// The classes, in the order of their labels.
    #[serde(borrow)]
    pub class_names: Vec<&'static str>,
    /// Number of images to train on, and to test with.
    pub counts: [usize; 2],
    /// The label of the first class in the files: 0 or 1.
    #[serde(default)]
    pub first_label: u8,
    /// Whether the files hold the images column after column; loading turns them upright.
    #[serde(default)]
    pub transposed: bool,
    /// How other pictures become images like these.
    #[serde(default)]
    pub pictures: Preparation,
    /// Base addresses to download from, in the order in which they are tried.
    #[serde(borrow)]
    pub mirrors: Vec<&'static str>,
    /// The zip archive in which the mirrors have the files.
    pub archive: Option<Archive>,
    /// The Hugging Face hub's repository, which the feature `hub` asks after the mirrors.
    pub hub: Option<&'static str>,
    /// Where torchvision puts the files below its root.
    pub torchvision_folder: Option<&'static str>,
    /// A folder in which a system package installs the files.
    pub system_folder: Option<&'static str>,
    /// The licence of the data, in a few words.
    pub licence: &'static str,
    /// Where the data set is described.
    pub citation: &'static str,
    /// Training images, training labels, test images, test labels.
    pub files: [FileSpec; 4],
}

/// One IDX file of a data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// The decompressed file's name.
    pub name: &'static str,
    /// Bytes of the decompressed file.
    pub bytes: usize,
    /// What is known of the genuine file's content.
    pub digest: Known,
}

/// The digest by which a file is known, in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// SHA-256 of the decompressed file, whatever compressed it.
    Sha256(&'static str),
    /// SHA-256 of the one official .gz file.
    GzipSha256(&'static str),
    /// MD5 of the one official .gz file: it detects accidents, not forgeries.
    GzipMd5(&'static str),
}

/// A zip archive that holds the files of several data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The archive's file name.
    pub name: &'static str,
    /// The folder inside it that holds the .gz files.
    pub folder: &'static str,
}

/// MNIST's entry.
pub fn mnist() -> &'static DatasetSpec {
    &ALL[0]
}

impl DatasetSpec {
    /// The entry of a data set by its name on the command line.
    pub fn find(name: &str) -> Option<&'static DatasetSpec> {
        ALL.iter().find(|spec| spec.name == name)
    }

    /// A set from the decompressed bytes of an image file and of its label file.
    ///
    /// # Errors
    /// Those of [`idx::images`], [`idx::labels`] and [`Dataset::new`].
    pub(crate) fn dataset(&self, images: Vec<u8>, labels: &[u8]) -> Result<Dataset> {
        let mut pixels = idx::images(images)?;
        if self.transposed {
            transpose(&mut pixels);
        }
        let (labels, first) = (idx::labels(labels)?, self.first_label.into());
        Dataset::numbered(pixels, labels, first, self.class_names.iter().copied())
    }
}

impl Archive {
    /// The name that a file has inside the archive.
    pub fn member(&self, file: &FileSpec) -> String {
        format!("{}/{}", self.folder, file.gz())
    }
}

impl FileSpec {
    /// The compressed file's name.
    pub fn gz(&self) -> String {
        format!("{}.gz", self.name)
    }

    /// The content of a stored file, compressed or not, if it is the genuine one.
    ///
    /// # Errors
    /// Those of [`FileSpec::check`].
    pub fn open(&self, stored: Vec<u8>) -> Result<Vec<u8>> {
        Ok(self.check(&stored)?.unwrap_or(stored))
    }

    /// Checks that a stored file, compressed or not, is the genuine one, and returns its content if it
    /// was compressed.
    ///
    /// If only the digest of the .gz is known and the file is stored decompressed, the length alone
    /// is checked, and a warning says so.
    ///
    /// # Errors
    /// [`Kind::Input`](lenet_files::Kind::Input): it does not decompress, is not an IDX file, or has
    /// another length or digest.
    pub fn check(&self, stored: &[u8]) -> Result<Option<Vec<u8>>> {
        let unpacked = gzip::is_gzip(stored)
            .then(|| gzip::decode(stored, self.bytes))
            .transpose()?;
        let content = unpacked.as_deref().unwrap_or(stored);
        if let Err(error) = self.verify(stored, content) {
            // What is wrong with its form says more than a digest.
            if self.name.contains("images") {
                idx::images(content.to_vec())?;
            } else {
                idx::labels(content)?;
            }
            return Err(error);
        }
        Ok(unpacked)
    }

    fn verify(&self, stored: &[u8], content: &[u8]) -> Result<()> {
        if content.len() != self.bytes {
            return Err(Error::input(format!(
                "{} bytes when decompressed, the genuine file has {}",
                content.len(),
                self.bytes
            )));
        }
        let (kind, found, expected) = match self.digest {
            Known::Sha256(expected) => ("SHA-256", sha256(content), expected),
            _ if !gzip::is_gzip(stored) => {
                tracing::warn!(
                    "{}: no digest of the decompressed file is known, only its length is checked",
                    self.name
                );
                return Ok(());
            }
            Known::GzipSha256(expected) => {
                let found = sha256(stored);
                ("SHA-256 of the .gz", found, expected)
            }
            Known::GzipMd5(expected) => ("MD5 of the .gz", md5(stored), expected),
        };
        if found == expected {
            return Ok(());
        }
        Err(Error::input(format!(
            "the content is not that of the genuine file ({kind} {found}, expected {expected})"
        )))
    }
}

/// Swaps rows and columns of each image.
pub(crate) fn transpose(pixels: &mut [u8]) {
    for image in pixels.as_chunks_mut::<IMAGE_PIXELS>().0 {
        for y in 0..IMAGE_SIDE {
            for x in 0..y {
                image.swap(y * IMAGE_SIDE + x, x * IMAGE_SIDE + y);
            }
        }
    }
}
