//! Downloads: mirrors are tried in order, and nothing gets its final name before its digest is
//! checked.
//!
//! What has come of a file lies beside it as `<name>.gz.part`, and the next try asks for the rest
//! alone (RFC 9110, section 14), also that of a later process. A lock in the folder keeps two
//! processes from fetching the same files.
//!
//! Deliberately absent: transparent decompression, and any trust in names, lengths or types that a
//! server states. Whatever a mirror sends, the registry's size bounds it and the registry's digest
//! decides.

mod archive;
#[cfg(feature = "hub")]
mod from_hub;
mod http;
mod lock;
mod pace;
mod partial;
mod progress;
mod redirect;
mod session;
mod transfer;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{DatasetSpec, Error, Result};

pub use progress::Progress;
use session::Session;

/// A .gz file may exceed the decompressed size by this many bytes: gzip adds 5 bytes to 32 KiB of
/// noise, and these files are no noise.
const SLACK: usize = 64 * 1024;

/// How often a mirror is asked that is busy or that breaks off.
const TRIES: u32 = 3;

/// A mirror that asks for a longer pause than this is left for the next one.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long another process's download is waited for before that is said.
const LOCK_MESSAGE: Duration = Duration::from_secs(2);

/// How long the stop flag may go unread.
const POLL: Duration = Duration::from_millis(20);

/// What to download from where, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// Base addresses to try in order instead of the registry's mirrors (and the hub).
    pub mirrors: Option<Vec<String>>,
    /// Fetch files again that are there and genuine.
    pub force: bool,
    /// Ask nobody: what is missing is an error.
    pub offline: bool,
    /// How many files are fetched at the same time.
    pub parallel: usize,
    /// How long to wait for a server.
    pub timeouts: Timeouts,
    /// The pause before a busy mirror is asked again, where it names none; it doubles each time.
    pub backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirrors: None,
            force: false,
            offline: false,
            parallel: 4,
            timeouts: Timeouts::default(),
            backoff: Duration::from_millis(500),
        }
    }
}

/// How long to wait for a server before the next mirror is tried.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a name to be found, and again for a connection (TLS included).
    pub connect: Duration,
    /// From the request until all headers of the answer are there.
    pub response: Duration,
    /// For the next byte; also the time over which the mean speed may not fall below 1 kB/s.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(15),
            stall: Duration::from_secs(30),
        }
    }
}

/// Downloads what is missing of a data set's four files into a folder, as `<name>.gz`; the folder
/// is made where it is missing. Returns the paths in the order of the registry.
///
/// A file that is there is verified and left alone where it is genuine. `stop` is asked every
/// 20 ms or 64 KiB, whichever comes first. Proxies come from the environment (`HTTPS_PROXY` and
/// its kin, `NO_PROXY`); this machine's own addresses never go through one. Where another process
/// downloads into the same folder, it is waited for.
///
/// # Errors
/// [`Error::Download`] where no mirror delivered a file, with each mirror's reason;
/// [`Error::Offline`] where it may ask none; [`Error::Interrupted`] where `stop` said so;
/// [`Error::NoRoom`] where the disk is too full; [`Error::Io`] and [`Error::File`] where the folder
/// or a file in it cannot be read or written. The files that were done before stay, and so does
/// what came of the others.
pub fn download(
    spec: &DatasetSpec,
    folder: &Path,
    options: &Options,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<PathBuf>> {
    let session = Session::new(spec, folder, options, progress, stop);
    session.poll()?;
    let paths = || spec.files.iter().map(|file| session.path(file)).collect();
    let mut missing = session.missing()?;
    if missing.is_empty() {
        return Ok(paths());
    }
    if options.offline {
        let names: Vec<String> = missing
            .iter()
            .map(|&(_, file)| format!("{}.gz", file.name))
            .collect();
        return Err(Error::Offline {
            dataset: spec.name,
            folder: folder.to_owned(),
            files: names.join(", "),
        });
    }
    fs::create_dir_all(folder).map_err(|source| Error::Io {
        operation: "create",
        path: folder.to_owned(),
        source,
    })?;
    let lock = lock::acquire(folder, &session)?;
    if lock.waited {
        // The other process may have fetched what was missing before.
        missing = session.missing()?;
    }
    session.fetch(&missing)?;
    Ok(paths())
}
