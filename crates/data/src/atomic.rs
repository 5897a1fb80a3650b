//! Files that appear whole under their name, or not at all.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result, file_ops};

/// Writes a file so that its name never stands for a part of it: a reader, a killed process and a
/// power cut find the old content or the new, nothing between.
///
/// The bytes go into `.name.<process id>.tmp` in the same folder, are forced to the disk, and are
/// then renamed; on Unix the folder is forced to the disk too, or the rename could be lost with
/// the power. Two processes may write the same file: the later one wins. Two threads of one process
/// may not.
///
/// # Errors
/// [`Error::Io`] with the operation that failed; the temporary file is gone then, and what was
/// there before is untouched unless the error is that of the last operation, `sync the folder of`.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |operation| {
        move |source| Error::Io {
            operation,
            path: path.to_owned(),
            source: with_need(source, bytes.len()),
        }
    };
    let temporary = temporary(path).map_err(failed("create"))?;
    // What a killed process of the same id left would stand in the way.
    file_ops::remove_file(&temporary).map_err(failed("replace the temporary file of"))?;
    let written = write_synced(&temporary, bytes)
        .map_err(|(operation, error)| failed(operation)(error))
        .and_then(|()| file_ops::rename(&temporary, path).map_err(failed("rename to")));
    if let Err(error) = written {
        // The first error is the one to report; where this one fails too, the folder is beyond us.
        let _ = file_ops::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(path).map_err(failed("sync the folder of"))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), (&'static str, io::Error)> {
    let file = file_ops::create_new(path).map_err(|error| ("create", error))?;
    file_ops::write_all(&file, path, bytes).map_err(|error| ("write", error))?;
    file_ops::sync(&file, path).map_err(|error| ("sync", error))
}

/// On a full disk, adds how much room the file would have needed.
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

/// Forces the folder of a file to the disk, or a rename in it could be lost with the power.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    file_ops::sync_folder(match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;

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
        for content in [b"first".as_slice(), b"", b"third, longer"] {
            write_atomic(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["weights"]);
    }

    #[test]
    fn a_killed_predecessors_leftover_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        fs::write(temporary(&path).unwrap(), "half of someth").unwrap();
        write_atomic(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()), ["weights"]);
    }

    #[test]
    fn failures_name_operation_and_path_and_leave_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent").join("file");
        let error = write_atomic(&absent, b"x").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{absent:?}: cannot create: ")),
            "{error}"
        );

        // A folder under the final name makes the rename fail, after the bytes are written.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        let error = write_atomic(&taken, b"x").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{taken:?}: cannot rename to: ")),
            "{error}"
        );
        assert_eq!(names(folder.path()), ["taken"]);

        let error = write_atomic(Path::new("/"), b"x").unwrap_err().to_string();
        assert!(error.contains("the path names no file"), "{error}");
    }

    #[test]
    fn a_name_without_folder_is_in_the_current_one() {
        assert_eq!(
            temporary(Path::new("name")).unwrap(),
            PathBuf::from(format!(".name.{}.tmp", std::process::id()))
        );
        sync_folder(Path::new("name")).unwrap();
    }

    // Other systems refuse such names.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_and_the_mode_that_std_gives() {
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\n"));
        write_atomic(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");

        let plain = folder.path().join("plain");
        fs::write(&plain, "x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(
            mode(&path),
            mode(&plain),
            "not private as tempfile's files are"
        );
    }
}
