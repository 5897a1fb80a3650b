//! A system that starts no further thread.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::{Error, Kind, Result};

/// The error of a system that starts no further thread.
pub fn no_threads(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the system starts no further thread: raise the limit of processes (`ulimit -u`, \
                   or that of the container), or of memory";
    Error::new(Kind::Io, message).caused_by(source)
}

/// Starts this many threads at once, and ends them: some libraries panic if they cannot start theirs.
///
/// # Errors
/// [`no_threads`].
pub fn check_threads(count: usize) -> Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let threads = (0..count).map(|_| {
        let gate = Arc::clone(&gate);
        thread::Builder::new().spawn(move || drop(gate.lock()))
    });
    let threads: io::Result<Vec<_>> = threads.collect();
    drop(closed);
    for thread in threads.map_err(no_threads)? {
        // It does nothing that could panic.
        let _ = thread.join();
    }
    Ok(())
}
