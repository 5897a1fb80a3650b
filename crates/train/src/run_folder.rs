//! The folder of a run: created once, never overwritten, locked while it is worked in.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use lenet_data::write_atomic;
use lenet_model::{LeNet5, Metadata, Weights};

use crate::checkpoint::{self, Identity};
use crate::progress::Progress;
use crate::{Config, Error, Result, results};

/// How many checkpoints are kept: should the newest be damaged, there is the one before.
const CHECKPOINTS_KEPT: usize = 2;

/// The folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Locked until the value is dropped, or the process ends in whatever way.
    _lock: File,
}

impl RunFolder {
    /// Creates the next free one of `parent/name-1`, `parent/name-2` ...
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be created.
    pub fn create_numbered(parent: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let mut number = 1 + highest_number(parent, name);
        loop {
            let path = parent.join(format!("{name}-{number}"));
            // To create is to claim: of runs that start at once, one gets each number.
            match fs::create_dir(&path) {
                Ok(()) => return Self::lock(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(io_error("create", &path)(error)),
            }
        }
    }

    /// Creates this folder.
    ///
    /// # Errors
    /// [`Error::RunExists`] where there is something of that name; [`Error::Io`] where the folder
    /// cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        match fs::create_dir(path) {
            Ok(()) => Self::lock(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::RunExists {
                path: path.to_owned(),
            }),
            Err(error) => Err(io_error("create", path)(error)),
        }
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none; [`Error::Busy`] where another process works in it.
    pub fn open(path: &Path) -> Result<Self> {
        let config = path.join("config.toml");
        fs::metadata(&config).map_err(io_error("read", &config))?;
        Self::lock(path.to_owned())
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let lock_path = path.join("LOCK");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io_error("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = holder.trim().to_owned();
                return Err(Error::Busy { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
        }
        // For whoever finds the folder locked. The lock itself is the kernel's, and ends with us.
        let _ = lock.set_len(0);
        let _ = writeln!(lock, "process {}", std::process::id());
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes one of its files, which is whole or not there.
    ///
    /// # Errors
    /// [`Error::Data`] with the path and the operation.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_atomic(&self.file(name), bytes)?)
    }

    /// Writes `config.toml`.
    ///
    /// # Errors
    /// As [`RunFolder::write`].
    pub fn write_config(&self, config: &Config) -> Result<()> {
        self.write("config.toml", config.to_toml()?.as_bytes())
    }

    /// Reads the `config.toml` of the run in a folder, which need not be open.
    ///
    /// # Errors
    /// [`Error::Io`], and as [`Config::from_toml`].
    pub fn read_config(folder: &Path) -> Result<Config> {
        let path = folder.join("config.toml");
        let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        Config::from_toml(&text)
    }

    /// Writes where the training stands: `results.csv`, a checkpoint, and `model.safetensors` with
    /// the parameters of the best epoch, or the present ones before the first epoch is over. Of the
    /// checkpoints the newest two are kept.
    ///
    /// # Errors
    /// As [`RunFolder::write`]; what was written before stays as it is.
    pub fn save(
        &self,
        model: &LeNet5,
        progress: &Progress,
        identity: &Identity,
        metadata: &Metadata,
    ) -> Result<()> {
        let folder = self.file("checkpoint");
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let name = format!("checkpoint/step-{:010}.safetensors", progress.steps_done);
        self.write(&name, &checkpoint::encode(model, progress, identity)?)?;
        self.write("results.csv", &results::table(&progress.history))?;
        let best = progress.best.as_ref();
        // The best epoch's parameters are in the file already, unless it is the one just over.
        if best.is_none_or(|best| best.epoch == progress.epochs_done && progress.step == 0) {
            let weights = Weights {
                model: model.clone(),
                metadata: metadata.clone(),
            };
            self.write("model.safetensors", &weights.to_bytes()?)?;
        }
        for old in self.checkpoints()?.into_iter().skip(CHECKPOINTS_KEPT) {
            fs::remove_file(&old).map_err(io_error("remove", &old))?;
        }
        Ok(())
    }

    /// Sets the model and the progress to the newest checkpoint that is whole; damaged ones are
    /// warned of and passed over.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where none can be used; [`Error::OtherTraining`] where the newest
    /// belongs to another configuration or other data.
    pub fn resume(&self, model: &LeNet5, identity: &Identity) -> Result<Progress> {
        let mut reasons = String::new();
        for path in self.checkpoints()? {
            let read = fs::read(&path).map_err(io_error("read", &path));
            match read.and_then(|bytes| checkpoint::decode(&bytes, model, identity)) {
                Ok(progress) => return Ok(progress),
                Err(error @ Error::OtherTraining { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(?path, %error, "checkpoint passed over");
                    reasons.push_str(&format!("\n  {path:?}: {error}"));
                }
            }
        }
        Err(Error::NoCheckpoint {
            path: self.path.clone(),
            reasons,
        })
    }

    /// The checkpoints, newest first.
    fn checkpoints(&self) -> Result<Vec<PathBuf>> {
        let folder = self.file("checkpoint");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("read", &folder)(error)),
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "safetensors")
            })
            .collect();
        // The names hold the number of steps with leading zeros.
        paths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(paths)
    }
}

/// The highest number among the folders `name-1`, `name-2` ... of a folder.
fn highest_number(parent: &Path, name: &str) -> u32 {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| {
        let file_name = entry.file_name();
        let number = file_name.to_str()?.strip_prefix(name)?.strip_prefix('-')?;
        number.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

fn io_error(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        operation,
        path: path.clone(),
        source,
    }
}
