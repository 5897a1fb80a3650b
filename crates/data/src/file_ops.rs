//! The file operations of everything that must survive a fault: the atomic writer, a run's folder
//! and its event log. A build with debug assertions can be told to fail or to die at any one of
//! them, which is how the tests reach the moments between two operations.
//!
//! The environment variable [`FAULT`] holds one of
//!
//! | value | at the N-th operation |
//! |---|---|
//! | `kill:N` | the process is killed; of a write, half has happened |
//! | `fail:N` | it fails as on a full disk; of a write, half has happened |
//! | `stall:N` | it waits until standard input ends; of a write, half has happened before, and standard error says `stalled` |
//! | `list:FILE` | nothing happens: a line for each operation is appended to the file |
//!
//! Release builds never read it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The environment variable that builds with debug assertions read.
pub const FAULT: &str = "LENET_FAULT";

/// Creates a file that is not there yet.
///
/// # Errors
/// The operating system's own, as of every function here.
pub fn create_new(path: &Path) -> io::Result<File> {
    before("create", path)?;
    // `create_new` never writes through a link that someone else put there.
    File::options().write(true).create_new(true).open(path)
}

/// Opens a file with these options, which may create it.
///
/// # Errors
/// The operating system's own.
pub fn open(options: &fs::OpenOptions, path: &Path) -> io::Result<File> {
    before("open", path)?;
    options.open(path)
}

/// Writes all bytes to a file of this name.
///
/// # Errors
/// The operating system's own.
pub fn write_all(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    #[cfg(debug_assertions)]
    injected::before_write(file, path, bytes)?;
    let _ = path;
    file.write_all(bytes)
}

/// Sets the length of a file of this name.
///
/// # Errors
/// The operating system's own.
pub fn set_len(file: &File, path: &Path, length: u64) -> io::Result<()> {
    before("truncate", path)?;
    file.set_len(length)
}

/// Forces a file of this name to the disk.
///
/// # Errors
/// The operating system's own.
pub fn sync(file: &File, path: &Path) -> io::Result<()> {
    before("sync", path)?;
    file.sync_all()
}

/// Forces the names in a folder to the disk.
///
/// # Errors
/// The operating system's own.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        // Elsewhere a folder cannot be opened as a file.
        return Ok(());
    }
    before("sync folder", folder)?;
    File::open(folder)?.sync_all()
}

/// Gives a file another name, in place of a file that has it.
///
/// # Errors
/// The operating system's own.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    before("rename", to)?;
    fs::rename(from, to)
}

/// Removes a file; none of that name is success.
///
/// # Errors
/// The operating system's own.
pub fn remove_file(path: &Path) -> io::Result<()> {
    before("remove", path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates a folder that is not there yet.
///
/// # Errors
/// The operating system's own.
pub fn create_dir(path: &Path) -> io::Result<()> {
    before("create folder", path)?;
    fs::create_dir(path)
}

/// Creates a folder and those above it, where they are missing.
///
/// # Errors
/// The operating system's own.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    before("create folder", path)?;
    fs::create_dir_all(path)
}

#[cfg(debug_assertions)]
use injected::before;

/// In a release build there is nothing before an operation.
#[cfg(not(debug_assertions))]
fn before(_name: &'static str, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
mod injected {
    use std::ffi::OsString;
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::path::Path;
    use std::process::Command;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    enum Fault {
        None,
        Kill(u64),
        Fail(u64),
        Stall(u64),
        List(OsString),
    }

    static FAULT: LazyLock<Fault> = LazyLock::new(|| {
        let Some(value) = std::env::var_os(super::FAULT) else {
            return Fault::None;
        };
        let value = value.to_string_lossy();
        let (kind, rest) = value.split_once(':').unwrap_or((&value, ""));
        match (kind, rest.parse()) {
            ("list", _) => Fault::List(rest.into()),
            ("kill", Ok(at)) => Fault::Kill(at),
            ("fail", Ok(at)) => Fault::Fail(at),
            ("stall", Ok(at)) => Fault::Stall(at),
            // A test that misspells its fault must not pass by meeting none.
            _ => panic!("{}={value:?} is no fault", super::FAULT),
        }
    });

    static OPERATIONS: AtomicU64 = AtomicU64::new(0);

    pub fn before(name: &'static str, path: &Path) -> io::Result<()> {
        let ignore_half = || {};
        meet(name, path, ignore_half)
    }

    pub fn before_write(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let write_half = || {
            let (half, _) = bytes.split_at(bytes.len() / 2);
            let _ = file.write_all(half);
        };
        meet("write", path, write_half)
    }

    fn meet(name: &'static str, path: &Path, half: impl FnOnce()) -> io::Result<()> {
        if matches!(*FAULT, Fault::None) {
            return Ok(());
        }
        let number = 1 + OPERATIONS.fetch_add(1, Ordering::Relaxed);
        match &*FAULT {
            Fault::List(to) => list(to, number, name, path),
            Fault::Kill(at) if *at == number => {
                half();
                kill()
            }
            Fault::Fail(at) if *at == number => {
                half();
                Err(io::ErrorKind::StorageFull.into())
            }
            Fault::Stall(at) if *at == number => {
                half();
                eprintln!("stalled");
                io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn list(to: &OsString, number: u64, name: &str, path: &Path) -> io::Result<()> {
        let mut list = File::options().append(true).create(true).open(to)?;
        writeln!(list, "{number}\t{name}\t{}", path.display())
    }

    /// As `kill -9` does, where there is such a program: nothing of ours runs any more.
    fn kill() -> ! {
        let own = std::process::id().to_string();
        let _ = Command::new("kill").args(["-s", "KILL", &own]).status();
        std::process::abort()
    }
}
