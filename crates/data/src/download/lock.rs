//! One process at a time downloads into a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::session::Session;
use super::{LOCK_MESSAGE, POLL, Progress};
use crate::{Error, Result, file_ops};

/// The file that is locked. It stays: whoever removed it could leave two processes with a lock each.
const NAME: &str = ".lock";

/// Held until it is dropped, and by the system's own rules no longer than the process lives.
pub(super) struct Lock {
    _file: File,
    /// Whether another process had it.
    pub waited: bool,
}

pub(super) fn acquire(folder: &Path, session: &Session<'_>) -> Result<Lock> {
    let path = folder.join(NAME);
    let failed = |operation| {
        let path = path.clone();
        move |source| Error::Io {
            operation,
            path,
            source,
        }
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = file_ops::open(&options, &path).map_err(failed("create"))?;
    let (start, mut waited, mut told) = (Instant::now(), false, false);
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            // Some network file systems know no locks: then there is none.
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(failed("lock")(error));
            }
            _ => {
                return Ok(Lock {
                    _file: file,
                    waited,
                });
            }
        }
        waited = true;
        if !told && start.elapsed() >= LOCK_MESSAGE {
            session.report(Progress::Waiting { folder });
            told = true;
        }
        session.poll()?;
        thread::sleep(POLL);
    }
}
