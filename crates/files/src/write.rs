//! Files that appear whole under their name, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::read::check_regular;
use crate::{Error, Result};

/// Writes a file so that its name never stands for a part of it: a reader, a killed process and a
/// power cut find the old content or the new, nothing between.
///
/// The bytes go into `.name.<process id>.tmp` in the same folder, are forced to the disk, and are
/// then renamed; on Unix the folder is forced to the disk too, or the rename could be lost with
/// the power. Two processes may write the same file: the later one wins. Two threads of one process
/// may not.
///
/// # Errors
/// [`Kind::Usage`](crate::Kind::Usage) if something else than a regular file has the name: it is
/// never replaced. [`Kind::Io`](crate::Kind::Io) with the operation that failed; the temporary file
/// is gone then, and what was there before is untouched unless the last operation failed, `sync the
/// folder of`.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    check_output(path, true)?;
    let failed =
        |operation| move |source| Error::io(operation, path, with_need(source, bytes.len()));
    let temporary = temporary(path).map_err(failed("create"))?;
    let written = write_synced(&temporary, bytes)
        .map_err(|(operation, error)| failed(operation)(error))
        .and_then(|()| fs::rename(&temporary, path).map_err(failed("rename to")));
    if let Err(error) = written {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(path).map_err(failed("sync the folder of"))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), (&'static str, io::Error)> {
    // A killed process with the same id may have left one, and `create_new` never writes through a
    // link that someone else put there.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(("replace", error)),
        _ => {}
    }
    let mut file = File::create_new(path).map_err(|error| ("create", error))?;
    file.write_all(bytes).map_err(|error| ("write", error))?;
    file.sync_all().map_err(|error| ("sync", error))
}

/// On a full disk, adds how much space the file would have needed.
fn with_need(error: io::Error, bytes: usize) -> io::Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => io::Error::new(
            error.kind(),
            format!("{error}; the file needs {} KiB", bytes.div_ceil(1024)),
        ),
        _ => error,
    }
}

/// `.name.<pid>.tmp` beside the file; names need not be UTF-8.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// The name that a file was to get, from that of the temporary file which a killed [`write_atomic`]
/// left.
pub fn name_of_leftover(temporary: &str) -> Option<&str> {
    let stem = temporary.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (name, process) = stem.rsplit_once('.')?;
    process.parse::<u32>().is_ok().then_some(name)
}

/// Forces the folder of a file to the disk, or a rename in it could be lost with the power.
///
/// # Errors
/// The operating system's own.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    // Only on Unix can a folder be opened like a file.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Checks that an output may be written there: a file that exists needs `force`, and what is no
/// regular file is never replaced.
///
/// # Errors
/// [`Kind::Usage`](crate::Kind::Usage) if it may not.
pub fn check_output(path: &Path, force: bool) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    check_regular(&found)
        .map_err(|kind| Error::usage(format!("{path:?} is {kind}, and is never replaced")))?;
    if !force {
        return Err(Error::usage(format!(
            "{path:?} already exists; pass --force to overwrite it"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::Kind;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        // What a killed process left does not stand in the way.
        fs::write(temporary(&path).unwrap(), "half of someth").unwrap();
        for content in [b"first".as_slice(), b"", b"third, longer"] {
            write_atomic(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["weights"]);
    }

    #[test]
    fn failures_name_operation_and_path_and_leave_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent").join("file");
        let error = write_atomic(&absent, b"x").unwrap_err().to_string();
        let start = format!("{absent:?}: cannot create: ");
        assert!(error.starts_with(&start), "{error}");

        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_name_without_folder_is_in_the_current_one() {
        let expected = PathBuf::from(format!(".name.{}.tmp", std::process::id()));
        assert_eq!(temporary(Path::new("name")).unwrap(), expected);
        sync_folder_of(Path::new("name")).unwrap();
    }

    #[test]
    fn existing_files_need_force_and_what_is_no_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        check_output(&path, false).unwrap();
        fs::write(&path, "x").unwrap();
        let error = check_output(&path, false).unwrap_err().to_string();
        let expected = format!("{path:?} already exists; pass --force to overwrite it");
        assert_eq!(error, expected);
        check_output(&path, true).unwrap();

        let mut others = vec![folder.path().to_owned()];
        #[cfg(unix)]
        for (target, name) in [("/dev/null", "device"), ("page.html", "link")] {
            others.push(folder.path().join(name));
            std::os::unix::fs::symlink(target, others.last().unwrap()).unwrap();
        }
        for other in others {
            assert_eq!(write_atomic(&other, b"y").unwrap_err().kind(), Kind::Usage);
            check_output(&other, false).unwrap_err();
        }
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn leftovers_are_known_by_their_names() {
        let left = temporary(Path::new("results.csv")).unwrap();
        let left = left.to_str().unwrap();
        assert_eq!(name_of_leftover(left), Some("results.csv"));
        for own in ["results.csv.1.tmp", ".results.csv.tmp", ".results.csv.1"] {
            assert_eq!(name_of_leftover(own), None);
        }
    }
}
