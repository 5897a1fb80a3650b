//! Where a data set is found on this machine, and how its files are read and verified.

mod genuine;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::registry::{DatasetSpec, MNIST};
use crate::{Error, FormatError, Result, Splits, own};
use genuine::missing;
pub(crate) use genuine::numbered;

/// The environment variable that names a folder of data sets.
pub const ENVIRONMENT: &str = "LENET_DATA";

/// Which data set is meant.
#[derive(Debug, Clone)]
pub enum Source {
    /// One that the registry has.
    Known(&'static DatasetSpec),
    /// The user's own, in a file or a folder.
    Own(PathBuf),
}

impl Source {
    /// What a name on the command line means: a data set of the registry, else a path. Whatever has
    /// a separator or lies on the disk is a path; a path that is written as text because it is no
    /// UTF-8 comes in the form that [`Source::name`] gives it.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`] where it is neither.
    pub fn parse(name: &OsStr) -> Result<Self> {
        let text = name.to_string_lossy();
        if let Some(spec) = DatasetSpec::find(&text) {
            return Ok(Self::Known(spec));
        }
        if let Some(path) = own::path_from_uri(&text) {
            return Ok(Self::Own(path));
        }
        let path = PathBuf::from(name);
        let is_path = path.components().count() > 1 || text.starts_with('.') || path.exists();
        if is_path && !name.is_empty() {
            return Ok(Self::Own(path));
        }
        Err(Error::UnknownDataset {
            name: text.into_owned(),
            known: DatasetSpec::names(),
        })
    }

    /// The name or path as text that [`Source::parse`] understands. A path that is no UTF-8 becomes
    /// a `file:` URI (RFC 8089), for configurations are text.
    pub fn name(&self) -> String {
        match self {
            Source::Known(spec) => spec.name.to_owned(),
            Source::Own(path) => match path.to_str() {
                Some(path) => path.to_owned(),
                None => own::uri(path),
            },
        }
    }

    /// The name in prose.
    pub fn title(&self) -> String {
        match self {
            Source::Known(spec) => spec.title.to_owned(),
            Source::Own(path) => own::title(path),
        }
    }

    /// Finds the data set and reads it whole. Files of the registry are held against its digests;
    /// own data that comes without a test split has a fifth of it held out, always the same.
    ///
    /// # Errors
    /// As [`load`]; for own data [`Error::File`] with the file that is wrong, or with the folder
    /// where something is missing in it.
    pub fn load(&self, search: &Search) -> Result<Loaded> {
        match self {
            Source::Known(spec) => load_known(spec, search),
            Source::Own(path) => own::load(path),
        }
    }
}

/// A data set in memory, and what is to be told about it.
#[derive(Debug)]
pub struct Loaded {
    /// The images.
    pub splits: Splits,
    /// Where they were.
    pub origin: Origin,
    /// SHA-256 of the content, as it goes into what is made of it: of each decompressed file by
    /// its name, or of each split of own data.
    pub sha256: BTreeMap<String, String>,
}

/// Where a data set was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a folder.
    Folder(PathBuf),
    /// In a file of own data.
    File(PathBuf),
    /// Inside the program.
    Embedded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Folder(path) | Origin::File(path) => write!(f, "{path:?}"),
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

/// Finds a data set without reading it: the first folder that holds all four files, by name, or the
/// archive with them.
///
/// # Errors
/// [`Error::MissingFile`] where a folder that the user named lacks a file, [`Error::NotFound`]
/// where no place has the data set.
pub fn locate(spec: &'static DatasetSpec, search: &Search) -> Result<Origin> {
    let folders = search.folders(spec);
    for folder in &folders {
        match missing(spec, folder) {
            None => return Ok(Origin::Folder(folder.clone())),
            Some(file) => tracing::debug!(?folder, file = file.name, "not here"),
        }
    }
    if let Some(data_dir) = &search.data_dir {
        let file = missing(spec, data_dir);
        return Err(Error::MissingFile {
            folder: data_dir.clone(),
            file: file.map_or("", |file| file.name),
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

/// Finds a data set of the registry and reads it whole. Files from disk are held against the
/// registry's digests.
///
/// # Errors
/// As [`locate`]; [`Error::Io`] where a file cannot be read; [`Error::File`] where it is not the
/// genuine file, with the first thing that is wrong with it.
pub fn load(spec: &'static DatasetSpec, search: &Search) -> Result<(Splits, Origin)> {
    let loaded = load_known(spec, search)?;
    Ok((loaded.splits, loaded.origin))
}

fn load_known(spec: &'static DatasetSpec, search: &Search) -> Result<Loaded> {
    let origin = locate(spec, search)?;
    let (splits, sha256) = match &origin {
        Origin::Folder(folder) => genuine::load(spec, folder)?,
        #[cfg(feature = "embedded-mnist")]
        Origin::Embedded => (
            crate::embedded::mnist()?,
            genuine::digests(spec, Default::default()),
        ),
        _ => unreachable!("`locate` finds folders, and what is embedded with the feature alone"),
    };
    tracing::debug!(dataset = spec.name, %origin, "data loaded");
    Ok(Loaded {
        splits,
        origin,
        sha256,
    })
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
