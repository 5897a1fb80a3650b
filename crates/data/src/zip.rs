//! One member at a time out of a zip archive, by its directory (PKWARE's APPNOTE.TXT 6.3.10).
//!
//! Only members that are asked for by their whole name are looked at, and they are read into memory:
//! no name in an archive ever becomes a path. Deliberately absent: zip64, encryption, archives of
//! several parts, and every method but "stored" and "deflated".

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::{Error, FormatError, Result};

/// The last record has 22 bytes and a comment of at most 65,535.
pub(crate) const TAIL: u64 = 22 + 0xffff;

/// The most bytes that a directory may have: 10,000 members of 100 bytes.
const MAX_DIRECTORY: u64 = 1 << 20;

/// Bytes of a member's own header, before its name.
pub(crate) const LOCAL_HEADER: usize = 30;

/// A member by the archive's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where its own header is.
    pub header: u64,
    /// Bytes as stored.
    pub stored: u64,
    /// Bytes when unpacked.
    pub unpacked: u64,
    crc: u32,
    deflated: bool,
}

fn zip(reason: impl Into<String>) -> FormatError {
    FormatError::Zip {
        reason: reason.into(),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*word))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word))
}

/// Where an archive of `length` bytes that ends in `tail` has its directory.
///
/// # Errors
/// There is none, or one that is not read here.
pub(crate) fn directory(tail: &[u8], length: u64) -> Result<Range<u64>, FormatError> {
    let not_one = || zip("not a zip archive: it has no directory at its end");
    let starts = (0..tail.len().saturating_sub(21)).rev();
    let mut records = starts.filter(|&at| {
        let record = tail.get(at..).unwrap_or_default();
        record.starts_with(b"PK\x05\x06")
            && u16_at(record, 20).is_some_and(|comment| record.len() == 22 + usize::from(comment))
    });
    let at = records.next().ok_or_else(not_one)?;
    let record = tail.get(at..).ok_or_else(not_one)?;
    let word = |at| u16_at(record, at).ok_or_else(not_one);
    let long = |at| u32_at(record, at).ok_or_else(not_one);
    if [word(4)?, word(6)?] != [0, 0] || word(8)? != word(10)? {
        return Err(zip("it is one part of several"));
    }
    let (size, start) = (long(12)?, long(16)?);
    if [size, start].contains(&u32::MAX) || word(10)? == u16::MAX {
        return Err(zip("zip64 archives are not read"));
    }
    let (start, end) = (u64::from(start), u64::from(start) + u64::from(size));
    if u64::from(size) > MAX_DIRECTORY {
        return Err(zip(format!("a directory of {size} bytes, more than any")));
    }
    if end > length.saturating_sub((tail.len() - at) as u64) {
        return Err(zip("the directory reaches beyond its end: it is cut off"));
    }
    Ok(start..end)
}

/// The member of this name.
///
/// # Errors
/// There is none or more than one, or it cannot be read here.
pub(crate) fn find(directory: &[u8], name: &str) -> Result<Member, FormatError> {
    let damaged = || zip("the directory is damaged");
    let mut rest = directory;
    let mut found = None;
    while !rest.is_empty() {
        if !rest.starts_with(b"PK\x01\x02") {
            return Err(damaged());
        }
        let word = |at| u16_at(rest, at).ok_or_else(damaged);
        let long = |at| u32_at(rest, at).ok_or_else(damaged);
        let lengths = [word(28)?, word(30)?, word(32)?].map(usize::from);
        let [name_length, extra, comment] = lengths;
        let its_name = rest.get(46..46 + name_length).ok_or_else(damaged)?;
        if its_name == name.as_bytes() {
            if found.is_some() {
                return Err(zip(format!("it has two members {name}")));
            }
            let (flags, method) = (word(8)?, word(10)?);
            // The upper half of the attributes is the mode, where the archive was made on Unix.
            let is_link = word(4)? >> 8 == 3 && long(38)? >> 28 == 0o12;
            if flags & 1 != 0 {
                return Err(zip(format!("{name} is encrypted")));
            }
            if is_link {
                return Err(zip(format!("{name} is a symbolic link")));
            }
            if ![0, 8].contains(&method) {
                return Err(zip(format!("{name} is compressed by method {method}")));
            }
            let [stored, unpacked, header] = [long(20)?, long(24)?, long(42)?];
            if [stored, unpacked, header].contains(&u32::MAX) {
                return Err(zip("zip64 archives are not read"));
            }
            found = Some(Member {
                header: header.into(),
                stored: stored.into(),
                unpacked: unpacked.into(),
                crc: long(16)?,
                deflated: method == 8,
            });
        }
        rest = rest
            .get(46 + name_length + extra + comment..)
            .ok_or_else(damaged)?;
    }
    found.ok_or_else(|| zip(format!("it has no member {name}")))
}

impl Member {
    /// Where the member's bytes are, by its own header, in an archive of `length` bytes.
    ///
    /// # Errors
    /// There is no header, or the bytes would reach beyond the archive.
    pub(crate) fn data(&self, header: &[u8], length: u64) -> Result<Range<u64>, FormatError> {
        let damaged = || zip("a member is not where the directory has it");
        if !header.starts_with(b"PK\x03\x04") {
            return Err(damaged());
        }
        let name = u16_at(header, 26).ok_or_else(damaged)?;
        let extra = u16_at(header, 28).ok_or_else(damaged)?;
        let start = self.header + LOCAL_HEADER as u64 + u64::from(name) + u64::from(extra);
        let end = start + self.stored;
        if end > length {
            return Err(damaged());
        }
        Ok(start..end)
    }

    /// Refuses a member of more bytes than `limit`, stored or unpacked.
    ///
    /// # Errors
    /// By how much it is too large.
    pub(crate) fn check(&self, limit: usize) -> Result<(), FormatError> {
        let found = self.stored.max(self.unpacked);
        if found > limit as u64 {
            return Err(FormatError::FileTooLarge {
                found,
                limit: limit as u64,
            });
        }
        Ok(())
    }

    /// The member's content from its bytes in the archive.
    ///
    /// # Errors
    /// It does not unpack, has another length than the directory says, or another checksum.
    pub(crate) fn unpack(&self, stored: Vec<u8>) -> Result<Vec<u8>, FormatError> {
        let content = match self.deflated {
            false => stored,
            true => {
                let mut content = Vec::new();
                // One byte more than it should be tells one that is too long.
                let decoder = DeflateDecoder::new(stored.as_slice());
                let mut decoder = decoder.take(self.unpacked + 1);
                let read = decoder.read_to_end(&mut content);
                read.map_err(|error| zip(format!("a member is damaged: {error}")))?;
                content
            }
        };
        if content.len() as u64 != self.unpacked {
            return Err(zip(format!(
                "a member has not the {} bytes that the directory says",
                self.unpacked
            )));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != self.crc {
            return Err(zip("a member is damaged: its checksum is another"));
        }
        Ok(content)
    }
}

/// The content of one member of an archive on the disk, of at most `limit` bytes.
///
/// # Errors
/// [`Error::Io`] where the archive cannot be read; [`Error::File`] with what is wrong with it.
pub(crate) fn read_member(path: &Path, name: &str, limit: usize) -> Result<Vec<u8>> {
    let failed = |source| Error::Io {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    let in_file = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    // Asked before opening: to open a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let kind = "a folder, a pipe or a device";
        return Err(in_file(FormatError::NotAFile { kind }));
    }
    let length = metadata.len();
    let mut file = File::open(path).map_err(failed)?;
    let mut read = |range: Range<u64>| {
        let size = range.end - range.start;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let taken = (&mut file).take(size).read_to_end(&mut bytes);
        taken.map_err(failed)?;
        if bytes.len() as u64 != size {
            return Err(in_file(zip("it is cut off")));
        }
        Ok(bytes)
    };
    let tail = read(length.saturating_sub(TAIL)..length)?;
    let directory = read(directory(&tail, length).map_err(in_file)?)?;
    let member = find(&directory, name).map_err(in_file)?;
    member.check(limit).map_err(in_file)?;
    let header_end = member.header + LOCAL_HEADER as u64;
    let header = read(member.header..header_end.min(length).max(member.header))?;
    let data = read(member.data(&header, length).map_err(in_file)?)?;
    member.unpack(data).map_err(in_file)
}
