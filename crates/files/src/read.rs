//! Opening regular files, and reading whole ones with a bound on their size.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::{Error, Result};

/// Opens a regular file to read it.
///
/// # Errors
/// Those of [`open_as`].
pub fn open(path: &Path) -> Result<File> {
    open_as("read", path, File::options().read(true))
}

/// Opens a regular file for an operation (`read`, `create` ...), or creates it if the options say so.
///
/// The path is looked at before it is opened: opening a pipe would wait for its other end, and a
/// device may never end.
///
/// # Errors
/// [`Kind::Io`](crate::Kind::Io) if the file cannot be opened;
/// [`Kind::Input`](crate::Kind::Input) if it is not a regular file.
pub fn open_as(operation: &str, path: &Path, options: &OpenOptions) -> Result<File> {
    let failed = |source| Error::io(operation, path, source);
    match fs::metadata(path) {
        Ok(metadata) => check_regular(&metadata).map_err(|error| Error::input(error).at(path))?,
        // The options may create it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    options.open(path).map_err(failed)
}

/// What is wrong with anything but a regular file.
pub(crate) fn check_regular(metadata: &Metadata) -> Result<(), String> {
    let kind = if metadata.is_file() {
        return Ok(());
    } else if metadata.is_dir() {
        "a folder"
    } else if metadata.is_symlink() {
        "a link"
    } else {
        "a pipe or a device"
    };
    Err(format!("{kind}, not a regular file"))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of [`open`]; [`Kind::Input`](crate::Kind::Input) if it is larger than the limit.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let failed = |source| Error::io("read", path, source);
    let too_large =
        |found: u64| Error::input(format!("{found} bytes, at most {limit} are read")).at(path);
    let file = open(path)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > limit as u64 {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // The file may have grown since.
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `limit` bytes of UTF-8.
///
/// # Errors
/// Those of [`read`]; [`Kind::Input`](crate::Kind::Input) if it is not UTF-8.
pub fn read_text(path: &Path, limit: usize) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(format!("not UTF-8 text: byte {at}")).at(path)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn reads_regular_files_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("four");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read(&path, 3).unwrap_err().kind(), Kind::Input);
        assert_eq!(read(folder.path(), 4).unwrap_err().kind(), Kind::Input);
        let absent = read(&folder.path().join("absent"), 4).unwrap_err();
        assert_eq!(absent.kind(), Kind::Io);

        fs::write(&path, b"ab\xff").unwrap();
        let error = read_text(&path, 4).unwrap_err().to_string();
        assert_eq!(error, format!("{path:?}: not UTF-8 text: byte 2"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_refused_before_they_are_opened() {
        let error = read(Path::new("/dev/zero"), 4).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
    }
}
