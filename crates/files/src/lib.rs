//! Reading with a bound, writing atomically, and one error type: what every crate of lenet that
//! touches the file system shares. It knows formats by their first bytes only.
//!
//! ```
//! let folder = std::env::temp_dir();
//! let path = folder.join("lenet-files-doc.txt");
//! lenet_files::write_atomic(&path, b"whole, or not there")?;
//! assert_eq!(lenet_files::read(&path, 1 << 20)?, b"whole, or not there");
//!
//! let error = lenet_files::read(&folder, 1 << 20).unwrap_err();
//! assert_eq!(error.kind(), lenet_files::Kind::Input);
//! # std::fs::remove_file(&path).ok();
//! # Ok::<(), lenet_files::Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod format;
pub mod outputs;
mod printable;
mod read;
mod threads;
mod write;

pub use error::{Error, Kind, Result};
pub use format::{Format, Tally};
pub use printable::{hex, printable};
pub use read::{open, open_as, read, read_text};
pub use threads::{check_threads, no_threads};
pub use write::{check_output, name_of_leftover, sync_folder_of, write_atomic};
