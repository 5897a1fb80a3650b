//! Which data set a name means, where it is on this machine, and its images in memory.

mod known;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::choose_native_strategy;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::registry::{self, DatasetSpec};
use crate::{Error, Result, Splits, own};
use lenet_picture::Preparation;

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
    /// What a name on the command line means: a data set of the registry, else a path. Anything with
    /// a separator, and anything that exists, is a path; [`Source::name`] writes a path that is not
    /// UTF-8 as a URI.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if it is neither.
    pub fn parse(name: &OsStr) -> Result<Self> {
        let text = name.to_string_lossy();
        if let Some(spec) = DatasetSpec::find(&text) {
            return Ok(Self::Known(spec));
        }
        if let Some(path) = path_from_uri(&text) {
            return Ok(Self::Own(path));
        }
        let path = PathBuf::from(name);
        let is_path = path.components().count() > 1 || text.starts_with('.') || path.exists();
        if is_path && !name.is_empty() {
            return Ok(Self::Own(path));
        }
        let names: Vec<&str> = registry::ALL.iter().map(|spec| spec.name).collect();
        Err(Error::usage(format!(
            "there is no data set {text:?}; the names are {}, and a path names data of your own",
            names.join(", ")
        )))
    }

    /// The name or path as text that [`Source::parse`] understands. A path that is not UTF-8 becomes
    /// a `file:` URI (RFC 8089), because configurations are text.
    pub fn name(&self) -> String {
        match self {
            Source::Known(spec) => spec.name.to_owned(),
            Source::Own(path) => path.to_str().map_or_else(|| uri(path), str::to_owned),
        }
    }

    /// The name in prose.
    pub fn title(&self) -> String {
        match self {
            Source::Known(spec) => spec.title.to_owned(),
            Source::Own(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                lenet_files::printable(name.to_string_lossy(), &[])
            }
        }
    }

    /// Finds the data set and reads it whole. Files of the registry's sets are verified by their
    /// digests; if own data comes without a test split, a fifth of it is held out, always the same.
    ///
    /// # Errors
    /// Those of [`locate`]; [`Kind::Io`](lenet_files::Kind::Io) if a file cannot be read;
    /// [`Kind::Input`](lenet_files::Kind::Input) with the file or folder that is wrong.
    pub fn load(&self, search: &Search, reading: Reading) -> Result<Loaded> {
        match self {
            Source::Known(_) if reading.transposed.is_some() => Err(Error::usage(
                "--transposed and --no-transposed are for data of one's own: the images of the sets \
                 known by name are upright",
            )),
            Source::Known(spec) => {
                let mut loaded = load_known(spec, search)?;
                if let Some(pictures) = reading.pictures {
                    loaded.splits.preparation = pictures;
                }
                Ok(loaded)
            }
            Source::Own(path) => {
                let (splits, sha256) = own::load(path, reading)?;
                Ok(Loaded {
                    splits,
                    origin: Origin::Path(path.clone()),
                    sha256,
                })
            }
        }
    }
}

/// How own data is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// How pictures become images; without it, their looks decide.
    pub pictures: Option<Preparation>,
    /// Whether a picture that cannot be read is an error; otherwise it is skipped with a warning.
    pub strict: bool,
    /// Whether images of IDX and CSV files lie on their side and are turned; without it, those of
    /// EMNIST's own files do.
    pub transposed: Option<bool>,
}

/// A data set in memory, and what identifies it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The images.
    pub splits: Splits,
    /// Where they were.
    pub origin: Origin,
    /// SHA-256 of the content: of each decompressed file by its name, or of each split of own data.
    pub sha256: BTreeMap<String, String>,
}

/// Where a data set was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a folder, or in a file of own data.
    Path(PathBuf),
    /// Inside the program.
    Embedded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Path(path) => write!(f, "{path:?}"),
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
    /// The usual places: `data_dir` if it is given; else the folder in `LENET_DATA`, the user's
    /// cache folder, a system package's folder, and for MNIST the program itself.
    pub fn new(data_dir: Option<PathBuf>) -> Self {
        let environment = std::env::var_os(ENVIRONMENT).filter(|value| !value.is_empty());
        let folders = choose_native_strategy().ok();
        Self {
            data_dir,
            environment: environment.map(PathBuf::from),
            cache: folders.map(|folders| folders.cache_dir().join("lenet")),
        }
    }

    /// Checks that the folder which the user named is not a file.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if it is.
    pub fn check(&self) -> Result<()> {
        let (name, folder) = match (&self.data_dir, &self.environment) {
            (Some(folder), _) => ("--data-dir", folder),
            (None, Some(folder)) => (ENVIRONMENT, folder),
            (None, None) => return Ok(()),
        };
        if folder.exists() && !folder.is_dir() {
            let message = format!("{name} names the folder of data sets, and this is a file");
            return Err(Error::usage(message).at(folder));
        }
        Ok(())
    }

    /// The folder to download this data set to: its own one below `data_dir`, else below
    /// `LENET_DATA`, else below the user's cache folder. Files of different sets have equal names.
    pub fn download_folder(&self, spec: &DatasetSpec) -> Option<PathBuf> {
        let parents = [&self.data_dir, &self.environment, &self.cache];
        let parent = parents.into_iter().flatten().next()?;
        Some(parent.join(spec.name))
    }

    /// The folders to try, in order.
    fn folders(&self, spec: &DatasetSpec) -> Vec<PathBuf> {
        // The data set's own folder first, because downloads go there.
        let both = |parent: &PathBuf| {
            let folders = [Some(spec.name), Some(""), spec.torchvision_folder];
            let folders = folders
                .into_iter()
                .flatten()
                .map(|folder| parent.join(folder));
            folders.collect::<Vec<_>>()
        };
        if let Some(data_dir) = &self.data_dir {
            return both(data_dir);
        }
        let environment = self.environment.iter().flat_map(both);
        let cache = self.cache.iter().map(|cache| cache.join(spec.name));
        let system = spec.system_folder.iter().map(PathBuf::from);
        environment.chain(cache).chain(system).collect()
    }
}

/// Finds a data set without reading it: the first folder that has all four files, by name, or the
/// archive with them.
///
/// # Errors
/// Those of [`Search::check`]; [`Kind::Input`](lenet_files::Kind::Input) if a folder that the user
/// named lacks a file, or if no place has the data set.
pub fn locate(spec: &DatasetSpec, search: &Search) -> Result<Origin> {
    search.check()?;
    let (folders, name) = (search.folders(spec), spec.name);
    if let Some(folder) = folders
        .iter()
        .find(|folder| known::missing(spec, folder) == 0)
    {
        return Ok(Origin::Path(folder.clone()));
    }
    if let Some(data_dir) = &search.data_dir {
        let missing = folders
            .iter()
            .map(|folder| known::missing(spec, folder))
            .min();
        return Err(Error::input(format!(
            "{name} is incomplete: {} of its 4 files are missing in {data_dir:?}. Run `lenet data \
             download {name}` with the same --data-dir",
            missing.unwrap_or_default()
        )));
    }
    if cfg!(feature = "embedded-mnist") && name == registry::mnist().name {
        return Ok(Origin::Embedded);
    }
    Err(Error::input(format!(
        "{name} is not on this machine (looked in {folders:?}). Run `lenet data download {name}`, or \
         name its folder with --data-dir"
    )))
}

fn load_known(spec: &DatasetSpec, search: &Search) -> Result<Loaded> {
    let origin = locate(spec, search)?;
    let (splits, sha256) = match &origin {
        Origin::Path(folder) => known::load(spec, folder)?,
        #[cfg(feature = "embedded-mnist")]
        Origin::Embedded => {
            let digest =
                |file: &registry::FileSpec| (file.name.to_owned(), known::sha256_of(file, &[]));
            let splits = crate::embedded::mnist()?;
            (splits, spec.files.iter().map(digest).collect())
        }
        #[cfg(not(feature = "embedded-mnist"))]
        Origin::Embedded => unreachable!("`locate` finds it only with the feature"),
    };
    tracing::debug!(dataset = spec.name, %origin, "data loaded");
    Ok(Loaded {
        splits,
        origin,
        sha256,
    })
}

/// What a path begins with that was written as text although it is not UTF-8.
const SCHEME: &str = "file:";

/// What stands for itself in such a text.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// A path as text, each byte that is not a plain letter as `%` and two digits.
fn uri(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    format!("{SCHEME}{}", percent_encode(bytes, PLAIN))
}

/// The path that [`uri`] made the text of.
fn path_from_uri(text: &str) -> Option<PathBuf> {
    path_of(percent_decode_str(text.strip_prefix(SCHEME)?).collect())
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// Other systems' paths are not bytes.
#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}
