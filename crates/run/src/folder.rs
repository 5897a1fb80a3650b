//! The folder of a run: created once, never overwritten, locked while a process works in it.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lenet_files::{
    Error, Kind, Result, name_of_leftover, open_as, read_text, sync_folder_of, write_atomic,
};

use crate::json::read_json;
use crate::{Environment, Epoch, Inspection, Summary, host_name, results_csv};

/// The names of the files in a run folder.
pub mod name {
    /// The effective configuration.
    pub const CONFIG: &str = "config.toml";
    /// A row for each epoch.
    pub const RESULTS: &str = "results.csv";
    /// The figures of a finished run; the run is finished once it exists.
    pub const SUMMARY: &str = "summary.json";
    /// Every event, one JSON object a line.
    pub const EVENTS: &str = "events.jsonl";
    /// The weights of the best epoch.
    pub const WEIGHTS: &str = "model.safetensors";
    /// What the page shows beyond the figures.
    pub const INSPECTION: &str = "inspection.json";
    /// What computed the run, where and on what.
    pub const ENVIRONMENT: &str = "environment.json";
    /// The folder of the checkpoints.
    pub const CHECKPOINTS: &str = "checkpoint";
    /// Held by the process that works in the folder; it contains its process id and host.
    pub use lenet_files::outputs::LOCK;
    /// The learning curves.
    pub const CURVES_SVG: &str = "curves.svg";
    /// The learning curves as pixels.
    pub const CURVES_PNG: &str = "curves.png";
    /// The confusion matrix.
    pub const CONFUSION_SVG: &str = "confusion_matrix.svg";
    /// The confusion matrix as pixels.
    pub const CONFUSION_PNG: &str = "confusion_matrix.png";
    /// The page, written last.
    pub const PAGE: &str = "report.html";
    /// All of them but the folder: in a run folder, files of these names are lenet's own.
    pub(super) const ALL: [&str; 13] = [
        CONFIG,
        RESULTS,
        SUMMARY,
        EVENTS,
        WEIGHTS,
        INSPECTION,
        ENVIRONMENT,
        LOCK,
        CURVES_SVG,
        CURVES_PNG,
        CONFUSION_SVG,
        CONFUSION_PNG,
        PAGE,
    ];
}

/// How many checkpoints are kept: if the newest is damaged, there is the one before.
const CHECKPOINTS_KEPT: usize = 2;

/// The folder of a run, locked until the value is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: File,
    /// The steps of the checkpoints that this process wrote, or read and found whole. Others are
    /// not counted, and never removed.
    whole: Mutex<BTreeSet<u64>>,
}

/// What is kept of a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    All,
    /// `model.safetensors`, and what [`Keep::Result`] keeps.
    Model,
    /// The configuration, the table of epochs, the summary and the environment.
    Result,
}

/// What a run begins with, or is resumed with.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The text of `config.toml`.
    pub config: &'a str,
    /// What computes it.
    pub environment: &'a Environment,
    /// The epochs that the checkpoint holds.
    pub history: &'a [Epoch],
    /// The bytes of `model.safetensors`, if the checkpoint holds weights of a best epoch.
    pub weights: Option<&'a [u8]>,
}

impl RunFolder {
    /// Creates the next free one of `parent/name-1`, `parent/name-2` ...
    ///
    /// # Errors
    /// [`Kind::Io`] if the folder cannot be created.
    pub fn create_numbered(parent: &Path, name: &str) -> Result<Self> {
        Self::created(create_numbered_folder(parent, name)?)
    }

    /// Creates this folder, or takes one that [is unused](is_unused).
    ///
    /// # Errors
    /// [`Kind::Usage`] if something else of that name exists; [`Kind::Busy`] if another process
    /// begins a run in it; [`Kind::Io`] if the folder cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        match fs::create_dir(path) {
            Ok(()) => Self::created(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let taken = || {
                    let message =
                        "already exists; runs are never overwritten: choose another --output";
                    Error::usage(message).at(path)
                };
                if !is_unused(path) {
                    return Err(taken());
                }
                let folder = Self::lock(path.to_owned())?;
                // Another process may have used it and ended before this one had the lock.
                is_unused(path).then_some(folder).ok_or_else(taken)
            }
            Err(error) => Err(io_error("create", path)(error)),
        }
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// [`Kind::Io`] if there is none; [`Kind::Busy`] if another process works in it.
    pub fn open(path: &Path) -> Result<Self> {
        let config = path.join(name::CONFIG);
        fs::metadata(&config).map_err(io_error("read", &config))?;
        Self::lock(path.to_owned())
    }

    /// Forces the folder's own name to the disk: the files in a lost folder would be lost too.
    fn created(path: PathBuf) -> Result<Self> {
        sync_folder_of(&path).map_err(io_error("sync the folder of", &path))?;
        Self::lock(path)
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let lock_path = path.join(name::LOCK);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true);
        let mut lock = open_as("create", &lock_path, options)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_text(&lock_path, 1024).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => "another process",
                    holder => holder,
                };
                let message = format!("in use by another run ({holder})");
                return Err(Error::new(Kind::Busy, message).at(&path));
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
        }
        // For the message above. The lock itself is the kernel's, and ends with this process.
        let on_host = host_name().map_or(String::new(), |name| format!(" on {name}"));
        let _ = lock.set_len(0);
        let _ = writeln!(lock, "process {}{on_host}", std::process::id());
        // What a killed process was writing is of no use, and no other process is here.
        for folder in [path.clone(), path.join(name::CHECKPOINTS)] {
            remove_leftovers(&folder);
        }
        Ok(Self {
            path,
            lock,
            whole: Mutex::default(),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Begins the run, or resumes it from its checkpoint.
    ///
    /// What only a finished run has is removed first: with the new configuration beside it, a run
    /// killed in between would count as finished. What a killed run wrote after its last checkpoint
    /// is replaced by what the checkpoint holds.
    ///
    /// # Errors
    /// [`Kind::Io`]; what was written before stays.
    pub fn begin(&self, beginning: &Beginning<'_>) -> Result<()> {
        for name in [name::SUMMARY, name::INSPECTION, name::PAGE] {
            self.remove(name)?;
        }
        self.write(name::CONFIG, beginning.config.as_bytes())?;
        self.write_environment(beginning.environment)?;
        self.write(name::RESULTS, &results_csv(beginning.history))?;
        match beginning.weights {
            Some(weights) => self.write(name::WEIGHTS, weights),
            None => Ok(()),
        }
    }

    /// Saves how far the training is after this many steps: the weights, if they changed, the table,
    /// and a checkpoint. Of those that this process wrote or [found whole](Self::note_whole), the
    /// newest two are kept.
    ///
    /// The checkpoint comes last, so that one that exists was preceded by everything that it stands
    /// for.
    ///
    /// # Errors
    /// [`Kind::Io`]; what was written before stays.
    pub fn save(
        &self,
        history: &[Epoch],
        weights: Option<&[u8]>,
        steps: u64,
        checkpoint: &[u8],
    ) -> Result<()> {
        if let Some(weights) = weights {
            self.write(name::WEIGHTS, weights)?;
        }
        self.write(name::RESULTS, &results_csv(history))?;
        let folder = self.file(name::CHECKPOINTS);
        if !folder.is_dir() {
            fs::create_dir(&folder).map_err(io_error("create", &folder))?;
            sync_folder_of(&folder).map_err(io_error("sync the folder of", &folder))?;
        }
        self.write(&checkpoint_path(steps), checkpoint)?;
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.insert(steps);
        while whole.len() > CHECKPOINTS_KEPT
            && let Some(oldest) = whole.pop_first()
        {
            self.remove(&checkpoint_path(oldest))?;
        }
        Ok(())
    }

    /// Finishes the run with the weights as they are to be used. The summary is the last of the files
    /// that cannot be made again: with it the run counts as finished. An inspection that cannot be
    /// written is warned of, because only the page needs it.
    ///
    /// # Errors
    /// [`Kind::Io`] if the summary cannot be written.
    pub fn finish(&self, weights: &[u8], summary: &Summary, inspection: &Inspection) -> Result<()> {
        self.write(name::WEIGHTS, weights)?;
        let written = self.write_json(name::INSPECTION, serde_json::to_vec(inspection));
        if let Err(error) = written {
            tracing::warn!("no {} for this run: {error}", name::INSPECTION);
        }
        self.write_json(name::SUMMARY, serde_json::to_vec_pretty(summary))
    }

    /// Removes what is not to be kept of a finished run; files that are not lenet's own stay, and
    /// checkpoints that this process neither wrote nor [found whole](Self::note_whole).
    ///
    /// # Errors
    /// [`Kind::Io`] if a file cannot be removed.
    pub fn keep(&self, keep: Keep) -> Result<()> {
        let kept: &[&str] = match keep {
            Keep::All => return Ok(()),
            Keep::Model => &[name::WEIGHTS],
            Keep::Result => &[],
        };
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        for &steps in &*whole {
            self.remove(&checkpoint_path(steps))?;
        }
        // Not if the user has put something there.
        let _ = fs::remove_dir(self.file(name::CHECKPOINTS));
        let result = [
            name::CONFIG,
            name::RESULTS,
            name::SUMMARY,
            name::ENVIRONMENT,
            name::LOCK,
        ];
        for name in name::ALL {
            if !result.contains(&name) && !kept.contains(&name) {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    /// The checkpoints by the steps of their names, newest first. Files of other names are not the
    /// run's.
    ///
    /// # Errors
    /// [`Kind::Io`] if their folder cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        checkpoints(&self.path)
    }

    /// Notes that the checkpoint of these steps is whole: it is removed when there are newer ones.
    pub fn note_whole(&self, steps: u64) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.insert(steps);
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::Busy`] if the folder is no longer this run's.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check()?;
        write_atomic(&self.file(name), bytes)
    }

    /// Checks that the name of the folder still leads to what this process has locked. The folder may
    /// have been moved and another run begun under its name, or its LOCK removed: to write by the name
    /// would mix two runs.
    fn check(&self) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let inode = |found: &fs::Metadata| (found.dev(), found.ino());
            let held = self.lock.metadata().map_err(io_error("read", &self.path))?;
            let named = fs::metadata(self.file(name::LOCK)).ok();
            // If the folder is removed, which takes its LOCK too, writing to it says so.
            let is_removed = || held.nlink() == 0 && self.disappears();
            if named.as_ref().map(inode) != Some(inode(&held)) && !is_removed() {
                let message = "no longer the folder that this run locked: it was moved, or its LOCK \
                               removed. Nothing more is written to it";
                return Err(Error::new(Kind::Busy, message).at(&self.path));
            }
        }
        Ok(())
    }

    /// Whether the folder, whose LOCK is gone, is about to go too.
    #[cfg(unix)]
    fn disappears(&self) -> bool {
        (0..25).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            !self.path.is_dir()
        })
    }

    fn write_json(&self, name: &str, json: serde_json::Result<Vec<u8>>) -> Result<()> {
        let mut bytes = json.map_err(|error| {
            Error::internal("cannot be written as JSON")
                .at(&self.file(name))
                .caused_by(error)
        })?;
        bytes.push(b'\n');
        self.write(name, &bytes)
    }

    /// If the run is resumed, the record of its beginning stays and this one is added to its list. A
    /// record that is damaged does not stop a run, and is replaced.
    fn write_environment(&self, own: &Environment) -> Result<()> {
        let record = match read_json::<Environment>(&self.file(name::ENVIRONMENT)) {
            Ok(mut first) => {
                first.resumed.push(own.clone());
                first
            }
            Err(_) => own.clone(),
        };
        self.write_json(name::ENVIRONMENT, serde_json::to_vec_pretty(&record))
    }

    /// Removes one of its files, if it exists.
    fn remove(&self, name: &str) -> Result<()> {
        self.check()?;
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// How far the run in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing of one is there but perhaps its folder.
    New,
    /// It can be resumed.
    Begun,
    /// It has its result.
    Finished,
}

impl State {
    /// How far it is now.
    pub fn of(folder: &Path) -> Self {
        if is_finished(folder) {
            Self::Finished
        } else if folder.join(name::CONFIG).exists() {
            Self::Begun
        } else {
            Self::New
        }
    }

    /// Creates the folder, or opens it if there is a run in it.
    ///
    /// # Errors
    /// Those of [`RunFolder::create`] and [`RunFolder::open`].
    pub fn open(self, folder: &Path) -> Result<RunFolder> {
        match self {
            Self::New => RunFolder::create(folder),
            _ => RunFolder::open(folder),
        }
    }
}

/// Whether the run in a folder is finished.
pub fn is_finished(folder: &Path) -> bool {
    folder.join(name::SUMMARY).exists()
}

/// Creates the next free one of `parent/name-1`, `parent/name-2` ..., and returns its path.
///
/// # Errors
/// [`Kind::Io`] if the folder cannot be created.
pub fn create_numbered_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    let mut number = 1 + highest_number(parent, name);
    loop {
        let path = parent.join(format!("{name}-{number}"));
        // To create is to claim: of runs that start at the same time, each gets its own number.
        match fs::create_dir(&path) {
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

/// Whether a folder has at most what a run leaves that ends before its first file.
pub fn is_unused(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| entry.file_name() == name::LOCK || is_leftover(&entry))
        })
    })
}

/// Removes what [`write_atomic`] leaves of a run's files if its process is killed. Nothing is lost if
/// that fails.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_leftover(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_leftover(entry: &DirEntry) -> bool {
    let file_name = entry.file_name();
    let written = file_name.to_str().and_then(name_of_leftover);
    written.is_some_and(|name| name::ALL.contains(&name) || steps_of(name).is_some())
}

fn checkpoint_path(steps: u64) -> String {
    format!("{}/{}", name::CHECKPOINTS, checkpoint_name(steps))
}

fn checkpoint_name(steps: u64) -> String {
    format!("step-{steps:010}.safetensors")
}

/// The steps in the name of a checkpoint.
fn steps_of(name: &str) -> Option<u64> {
    let steps = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    let steps = steps.parse().ok()?;
    (name == checkpoint_name(steps)).then_some(steps)
}

fn io_error(operation: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::io(operation, path, source)
}

/// The checkpoints in the run folder at a path, the newest first, as [`RunFolder::checkpoints`].
///
/// # Errors
/// [`Kind::Io`] if their folder cannot be read.
pub fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let folder = folder.join(name::CHECKPOINTS);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &folder)(error)),
    };
    let mut checkpoints: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((steps_of(entry.file_name().to_str()?)?, entry.path()))
        })
        .collect();
    checkpoints.sort_unstable_by(|a, b| b.cmp(a));
    Ok(checkpoints)
}
