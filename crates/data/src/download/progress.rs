//! What a download reports while it runs.

use std::path::Path;
use std::time::Duration;

/// What happens during a download; `file` is the file's name in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The file is there and genuine: nothing to do.
    Present {
        /// The file.
        file: &'a str,
    },
    /// A file is there but is not the genuine one: it is fetched again. Worth a warning.
    Damaged {
        /// The file.
        file: &'a str,
        /// What is wrong with it.
        reason: &'a str,
    },
    /// Another process downloads into the same folder: it is waited for.
    Waiting {
        /// The folder.
        folder: &'a Path,
    },
    /// The beginning of the file is here from before: the rest alone is fetched. Told before
    /// [`Progress::Started`].
    Resumed {
        /// The file.
        file: &'a str,
        /// Bytes that are here.
        bytes: u64,
    },
    /// A mirror begins to send the file.
    Started {
        /// The file.
        file: &'a str,
        /// The file's address on this mirror.
        address: &'a str,
        /// Bytes in all, where the server says so.
        bytes: Option<u64>,
    },
    /// More of the file has come.
    Received {
        /// The file.
        file: &'a str,
        /// Bytes so far.
        bytes: u64,
    },
    /// The same mirror is asked again after a pause.
    Retry {
        /// The file.
        file: &'a str,
        /// The file's address on this mirror.
        address: &'a str,
        /// Why this try failed.
        reason: &'a str,
        /// The pause.
        pause: Duration,
    },
    /// This mirror is given up for this file. Worth a warning.
    Failed {
        /// The file.
        file: &'a str,
        /// The file's address on this mirror.
        address: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// The file is verified and in its place.
    Done {
        /// The file.
        file: &'a str,
        /// Its compressed bytes.
        bytes: u64,
    },
}
