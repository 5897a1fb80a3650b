//! The folder of a run: created once, never overwritten, locked while it is worked in.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use lenet_data::{file_ops, read_file, write_atomic};
use lenet_model::{LeNet5, Metadata, Weights};

use crate::checkpoint::{self, Identity, OtherTraining};
use crate::progress::Progress;
use crate::{Config, Error, Result, results};

/// How many checkpoints are kept: should the newest be damaged, there is the one before.
const CHECKPOINTS_KEPT: usize = 2;

/// The most bytes of a checkpoint: that of LeNet-5 with 256 classes has 1.4 MB.
const MAX_CHECKPOINT_BYTES: usize = 64 * 1024 * 1024;

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
        Self::created(create_numbered_folder(parent, name)?)
    }

    /// Creates this folder.
    ///
    /// # Errors
    /// [`Error::RunExists`] where there is something of that name; [`Error::Io`] where the folder
    /// cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent()
            && !parent.as_os_str().is_empty()
        {
            file_ops::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        match file_ops::create_dir(path) {
            Ok(()) => Self::created(path.to_owned()),
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

    /// Forces the folder's own name to the disk: what is in a folder that is lost is lost too.
    fn created(path: PathBuf) -> Result<Self> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        file_ops::sync_folder(parent).map_err(io_error("sync", parent))?;
        Self::lock(path)
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let lock_path = path.join("LOCK");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let lock = file_ops::open(&options, &lock_path).map_err(io_error("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    holder => holder.to_owned(),
                };
                return Err(Error::Busy { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
        }
        // For whoever finds the folder locked. The lock itself is the kernel's, and ends with us.
        let on_host = host_name().map_or(String::new(), |name| format!(" on {name}"));
        let us = format!("process {}{on_host}\n", std::process::id());
        let _ = file_ops::set_len(&lock, &lock_path, 0);
        let _ = file_ops::write_all(&lock, &lock_path, us.as_bytes());
        // What a killed process was writing is of no use to anybody; no other process is here.
        for folder in [path.clone(), path.join("checkpoint")] {
            remove_temporary_files(&folder);
        }
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

    /// Removes one of its files, if it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        file_ops::remove_file(&path).map_err(io_error("remove", &path))
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
    /// As [`Config::read`].
    pub fn read_config(folder: &Path) -> Result<Config> {
        let path = folder.join("config.toml");
        Config::read(&path)
    }

    /// Writes where the training stands: `model.safetensors` with the parameters of the best epoch,
    /// or the present ones before the first epoch is over; `results.csv`; and a checkpoint, of which
    /// the newest two are kept.
    ///
    /// The checkpoint comes last: whatever interrupts this, one that exists was preceded by all that
    /// it stands for.
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
        let best = progress.best.as_ref();
        // The best epoch's parameters are in the file already, unless it is the one just over.
        if best.is_none_or(|best| best.epoch == progress.epochs_done && progress.step == 0) {
            self.write_weights(model, progress, metadata)?;
        }
        self.write_results(progress)?;
        let folder = self.file("checkpoint");
        if !folder.is_dir() {
            file_ops::create_dir(&folder).map_err(io_error("create", &folder))?;
            file_ops::sync_folder(&self.path).map_err(io_error("sync", &self.path))?;
        }
        let name = format!("checkpoint/step-{:010}.safetensors", progress.steps_done);
        self.write(&name, &checkpoint::encode(model, progress, identity)?)?;
        for old in self.checkpoints()?.into_iter().skip(CHECKPOINTS_KEPT) {
            file_ops::remove_file(&old).map_err(io_error("remove", &old))?;
        }
        Ok(())
    }

    /// Writes `results.csv`: its heading, and a row for each epoch that is over.
    ///
    /// # Errors
    /// As [`RunFolder::write`].
    pub fn write_results(&self, progress: &Progress) -> Result<()> {
        self.write("results.csv", &results::table(&progress.history))
    }

    /// Writes `model.safetensors`: the parameters of the best epoch, or the model's own where no
    /// epoch is over.
    ///
    /// # Errors
    /// As [`RunFolder::write`].
    pub fn write_weights(
        &self,
        model: &LeNet5,
        progress: &Progress,
        metadata: &Metadata,
    ) -> Result<()> {
        let model = match &progress.best {
            None => model.clone(),
            Some(best) => {
                let names = model.parameters().iter().map(|(name, _)| name);
                let named: BTreeMap<&str, &Tensor> = names.zip(&best.parameters).collect();
                LeNet5::from_tensors(model.architecture(), |name| {
                    named.get(name).copied().cloned()
                })?
            }
        };
        let metadata = metadata.clone();
        self.write(
            "model.safetensors",
            &Weights { model, metadata }.to_bytes()?,
        )
    }

    /// Sets the model and the progress to the newest checkpoint that is whole; damaged ones are
    /// warned of and passed over. A run that was interrupted before its first checkpoint begins anew.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there are some but none can be used; [`Error::OtherTraining`]
    /// where the newest belongs to another configuration or other data, which is to be refused.
    pub fn resume(
        &self,
        model: &LeNet5,
        identity: &Identity,
        other: OtherTraining,
    ) -> Result<Progress> {
        let paths = self.checkpoints()?;
        if paths.is_empty() {
            tracing::info!("there is no checkpoint yet: the training begins anew");
            return Ok(Progress::default());
        }
        let mut reasons = String::new();
        for path in paths {
            let read = read_file(&path, MAX_CHECKPOINT_BYTES).map_err(Error::from);
            match read.and_then(|bytes| checkpoint::decode(&bytes, model, identity, other)) {
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

/// Removes what [`write_atomic`] and the report leave where their process is killed: files
/// that end in `.tmp`. Nothing is lost where that fails.
fn remove_temporary_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            let _ = file_ops::remove_file(&path);
        }
    }
}

/// This machine's name, where it can be told without unsafe code.
pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned())
}

/// Creates the next free one of `parent/name-1`, `parent/name-2` ..., and gives its path.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be created.
pub fn create_numbered_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    file_ops::create_dir_all(parent).map_err(io_error("create", parent))?;
    let mut number = 1 + highest_number(parent, name);
    loop {
        let path = parent.join(format!("{name}-{number}"));
        // To create is to claim: of runs that start at once, one gets each number.
        match file_ops::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io_error("create", &path)(error)),
        }
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
