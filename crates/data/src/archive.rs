//! One member of a zip archive, found by the archive's directory without reading the rest of it.
//!
//! Members are only looked up by their whole name and read into memory: no name in an archive ever
//! becomes a path. An archive may lie about a member; its digest decides.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use crate::{Error, Result};

/// Where a member's bytes are.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub range: Range<u64>,
    deflated: bool,
}

impl Member {
    /// Finds the member of this name.
    ///
    /// # Errors
    /// [`Kind::Io`](lenet_files::Kind::Io) if reading fails; [`Kind::Input`](lenet_files::Kind::Input)
    /// if it is not a zip archive, or has no such member, or one that is not read here.
    pub(crate) fn find(archive: impl Read + Seek, name: &str) -> Result<Self> {
        let failed = |error| match error {
            ZipError::Io(error) => {
                Error::new(lenet_files::Kind::Io, "cannot read").caused_by(error)
            }
            error => Error::input("zip archive").caused_by(error),
        };
        let refused = |reason| Error::input(format!("zip archive: {reason}"));
        let mut archive = ZipArchive::new(archive).map_err(failed)?;
        let index = archive
            .index_for_name(name)
            .ok_or_else(|| refused(format!("it has no member {name}")))?;
        let member = archive.by_index_raw(index).map_err(failed)?;
        let method = member.compression();
        let deflated = method == CompressionMethod::DEFLATE;
        if member.encrypted() || !(deflated || method == CompressionMethod::Stored) {
            return Err(refused(format!(
                "{name} is encrypted or compressed by a method that is not read here ({method})"
            )));
        }
        let start = member.data_start().unwrap_or_default();
        Ok(Self {
            range: start..start.saturating_add(member.compressed_size()),
            deflated,
        })
    }

    /// The member's content from its bytes in the archive, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Kind::Input`](lenet_files::Kind::Input) if they do not decompress, or to more.
    pub(crate) fn unpack(&self, stored: Vec<u8>, limit: usize) -> Result<Vec<u8>> {
        if !self.deflated {
            return Ok(stored);
        }
        let mut content = Vec::new();
        DeflateDecoder::new(stored.as_slice())
            .take(limit as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|error| Error::input("zip archive: the member is damaged").caused_by(error))?;
        if content.len() > limit {
            return Err(too_large(content.len() as u64, limit));
        }
        Ok(content)
    }
}

/// The content of one member of an archive on the disk, of at most `limit` bytes.
///
/// # Errors
/// Those of [`Member::find`] and [`Member::unpack`].
pub(crate) fn read_member(path: &Path, name: &str, limit: usize) -> Result<Vec<u8>> {
    let failed = |error| Error::io("read", path, error);
    let mut file = lenet_files::open(path)?;
    let member = Member::find(BufReader::new(&file), name).map_err(|error| error.at(path))?;
    let length = member.range.end - member.range.start;
    if length > limit as u64 {
        return Err(too_large(length, limit).at(path));
    }
    let mut stored = Vec::new();
    file.seek(SeekFrom::Start(member.range.start))
        .and_then(|_| file.take(length).read_to_end(&mut stored))
        .map_err(failed)?;
    member.unpack(stored, limit).map_err(|error| error.at(path))
}

fn too_large(found: u64, limit: usize) -> Error {
    Error::input(format!("{found} bytes, at most {limit} are read"))
}
