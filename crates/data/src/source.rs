//! Where a data set is found on this machine, and how its files are read and verified.

use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::registry::{DatasetSpec, FileSpec, MNIST};
use crate::{Dataset, Error, FormatError, Result, Splits, gzip, idx};

/// The environment variable that names a folder of data sets.
pub const ENVIRONMENT: &str = "LENET_DATA";

/// A stored file may exceed its genuine size by this many bytes before it is not read at all: room
/// for what compression adds to noise, and for an error message that counts what is too many.
const SLACK: usize = 64 * 1024;

/// Where a data set was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a folder.
    Folder(PathBuf),
    /// Inside the program.
    Embedded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Folder(path) => write!(f, "{path:?}"),
            Origin::Embedded => write!(f, "embedded in the program"),
        }
    }
}

/// The places in which data sets are looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A folder that the user named: the data set must be there, nothing else is tried.
    pub data_dir: Option<PathBuf>,
    /// A folder of data sets, tried first; [`Search::new`] takes it from [`ENVIRONMENT`].
    pub environment: Option<PathBuf>,
    /// The user's cache folder of data sets, tried next.
    pub cache: Option<PathBuf>,
}

impl Search {
    /// The usual places: `data_dir` where it is given; else the folder in `LENET_DATA`, the user's
    /// cache folder, a system package's folder, and for MNIST the program itself.
    pub fn new(data_dir: Option<PathBuf>) -> Self {
        Self {
            data_dir,
            environment: std::env::var_os(ENVIRONMENT)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from),
            cache: dirs::cache_dir().map(|cache| cache.join("lenet")),
        }
    }

    /// The folder that a download of this data set goes to: its own one below `data_dir`, else below
    /// `LENET_DATA`, else below the user's cache folder. Files of different sets have the same names.
    pub fn download_folder(&self, spec: &DatasetSpec) -> Option<PathBuf> {
        let below = |parent: &PathBuf| parent.join(spec.name);
        let parents = [&self.data_dir, &self.environment, &self.cache];
        parents.into_iter().flatten().next().map(below)
    }

    /// The folders to try, most wanted first.
    fn folders(&self, spec: &DatasetSpec) -> Vec<PathBuf> {
        // The data set's own folder first, for that is where downloads go.
        let own = |parent: &PathBuf| [parent.join(spec.name), parent.clone()];
        if let Some(data_dir) = &self.data_dir {
            return own(data_dir).to_vec();
        }
        let environment = self.environment.iter().flat_map(own);
        let cache = self.cache.iter().map(|cache| cache.join(spec.name));
        let system = spec.system_folder.iter().map(PathBuf::from);
        environment.chain(cache).chain(system).collect()
    }
}

/// Finds a data set without reading it: the first folder that holds all four files, by name.
///
/// # Errors
/// [`Error::MissingFile`] where a folder that the user named lacks a file, [`Error::NotFound`]
/// where no place has the data set.
pub fn locate(spec: &'static DatasetSpec, search: &Search) -> Result<Origin> {
    let folders = search.folders(spec);
    let missing = |folder: &Path| {
        let mut files = spec.files.iter();
        files.find(|file| stored(folder, file).is_none())
    };
    for folder in &folders {
        match missing(folder) {
            None => return Ok(Origin::Folder(folder.clone())),
            Some(file) => tracing::debug!(?folder, file = file.name, "not here"),
        }
    }
    if let Some(data_dir) = &search.data_dir {
        return Err(Error::MissingFile {
            folder: data_dir.clone(),
            file: missing(data_dir).map_or("", |file| file.name),
            dataset: spec.name,
        });
    }
    if cfg!(feature = "embedded-mnist") && spec.name == MNIST.name {
        return Ok(Origin::Embedded);
    }
    let looked: Vec<String> = folders.iter().map(|folder| format!("{folder:?}")).collect();
    Err(Error::NotFound {
        dataset: spec.name,
        looked: looked.join(", "),
    })
}

/// Finds a data set and reads it whole. Files from disk are held against the registry's SHA-256.
///
/// # Errors
/// As [`locate`]; [`Error::Io`] where a file cannot be read; [`Error::File`] where it is not the
/// genuine file, with the first thing that is wrong with it.
pub fn load(spec: &'static DatasetSpec, search: &Search) -> Result<(Splits, Origin)> {
    let origin = locate(spec, search)?;
    let splits = match &origin {
        Origin::Folder(folder) => load_folder(spec, folder)?,
        #[cfg(feature = "embedded-mnist")]
        Origin::Embedded => crate::embedded::mnist()?,
        #[cfg(not(feature = "embedded-mnist"))]
        Origin::Embedded => unreachable!("`locate` finds nothing embedded without the feature"),
    };
    tracing::debug!(dataset = spec.name, %origin, "data loaded");
    Ok((splits, origin))
}

fn load_folder(spec: &DatasetSpec, folder: &Path) -> Result<Splits> {
    let [train_images, train_labels, test_images, test_labels] = &spec.files;
    let split = |images: &FileSpec, labels: &FileSpec| {
        let images = read_genuine(folder, images, |bytes| idx::images(bytes).map(drop))?;
        let labels = read_genuine(folder, labels, |bytes| idx::labels(bytes).map(drop))?;
        let dataset = Dataset::from_idx(images.bytes, labels.bytes, spec.class_names);
        let in_labels = |source| Error::File {
            path: labels.path.clone(),
            source,
        };
        let dataset = dataset.map_err(in_labels)?;
        // Last of all: every other error says more than that the digest differs.
        for (path, forged) in [(images.path, images.forged), (labels.path, labels.forged)] {
            if let Some(source) = forged {
                return Err(Error::File { path, source });
            }
        }
        Ok(dataset)
    };
    Ok(Splits {
        train: split(train_images, train_labels)?,
        test: split(test_images, test_labels)?,
    })
}

/// A file's decompressed bytes, well-formed, and how their digest differs from the genuine one.
struct Read {
    path: PathBuf,
    bytes: Vec<u8>,
    forged: Option<FormatError>,
}

fn read_genuine(
    folder: &Path,
    spec: &FileSpec,
    parse: impl Fn(&[u8]) -> Result<(), FormatError>,
) -> Result<Read> {
    let path = stored(folder, spec).unwrap_or_else(|| folder.join(spec.name));
    let in_file = |source| Error::File {
        path: path.clone(),
        source,
    };
    let mut bytes = read_file(&path, spec.bytes + SLACK)?;
    if gzip::is_gzip(&bytes) {
        bytes = gzip::decode(&bytes, spec.bytes).map_err(in_file)?;
    }
    parse(&bytes).map_err(in_file)?;
    let forged = spec.verify(&bytes).err();
    Ok(Read {
        path,
        bytes,
        forged,
    })
}

/// The path under which a folder stores a file, compressed or raw. Where there are both, the
/// compressed one counts: it is the one that a download replaces.
fn stored(folder: &Path, file: &FileSpec) -> Option<PathBuf> {
    let names = [format!("{}.gz", file.name), file.name.to_owned()];
    names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists())
}

/// Reads a regular file of at most `limit` bytes. Whatever happens to the file meanwhile, the bytes
/// are copied, never mapped: a file that shrinks gives an error of its format, not a signal.
///
/// # Errors
/// [`Error::Io`] where it cannot be read; [`Error::File`] where it is a folder, a pipe or a device,
/// or larger.
pub fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let failed = |source| Error::Io {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    let in_file = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    // Asked before opening: to open a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() {
            "a folder"
        } else {
            "a pipe or a device"
        };
        return Err(in_file(FormatError::NotAFile { kind }));
    }
    let too_large = |found: u64| {
        in_file(FormatError::FileTooLarge {
            found,
            limit: limit as u64,
        })
    };
    if metadata.len() > limit as u64 {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path)
        .map_err(failed)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
