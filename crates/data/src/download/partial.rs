//! What has come of a file so far, in memory and beside its place on the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::{sync_folder, write_atomic};
use crate::source::read_file;
use crate::{Error, Result, file_ops};

/// The beginning of a file; each byte of it lies on the disk too, for a later process to go on.
pub(super) struct Partial {
    /// None where it is kept in memory alone.
    path: Option<PathBuf>,
    file: Option<File>,
    bytes: Vec<u8>,
    /// The address that sent the last bytes, and by which mark it tells that its file is the same.
    source: Option<(String, Option<String>)>,
}

impl Partial {
    /// For what is too small to keep.
    pub(super) fn in_memory() -> Self {
        Self {
            path: None,
            file: None,
            bytes: Vec::new(),
            source: None,
        }
    }

    /// What an earlier try left for the file at `path`, of at most `cap` bytes.
    pub(super) fn open(path: &Path, cap: usize) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = path.with_file_name(name);
        let bytes = match read_file(&path, cap) {
            Ok(bytes) => bytes,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            // Too large, or nothing that can be read: it is replaced.
            Err(Error::File { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: Some(path),
            bytes,
            ..Self::in_memory()
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where a file's own mark was sent by this address, that mark.
    pub(super) fn validator(&self, address: &str) -> Option<&str> {
        match &self.source {
            Some((source, validator)) if source == address => validator.as_deref(),
            _ => None,
        }
    }

    /// Whether any of it was sent by another address in this process.
    pub(super) fn came_from_other(&self, address: &str) -> bool {
        self.source
            .as_ref()
            .is_some_and(|(source, _)| source != address)
    }

    /// The bytes that come next are sent by this address.
    pub(super) fn sent_by(&mut self, address: &str, validator: Option<String>) {
        self.source = Some((address.to_owned(), validator));
    }

    /// Whether it goes to the disk.
    pub(super) fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Sees to it that the disk has room for so many bytes more: half a file helps nobody, and fills
    /// the disk for others.
    pub(super) fn make_room(&self, needed: u64) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        // Where the system does not tell, writing will.
        match fs4::available_space(folder) {
            Ok(free) if free < needed => Err(Error::NoRoom {
                path: path.clone(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(path) = &self.path {
            let failed = |operation| {
                move |source| Error::Io {
                    operation,
                    path: path.clone(),
                    source,
                }
            };
            let file = match self.file.take() {
                Some(file) => file,
                None => {
                    let mut options = OpenOptions::new();
                    match self.bytes.is_empty() {
                        true => options.write(true).create(true).truncate(true),
                        false => options.append(true),
                    };
                    file_ops::open(&options, path).map_err(failed("create"))?
                }
            };
            file_ops::write_all(&file, path, bytes).map_err(failed("write"))?;
            self.file = Some(file);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Forgets all of it.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.bytes.clear();
        self.source = None;
        self.file = None;
        let Some(path) = &self.path else {
            return Ok(());
        };
        file_ops::remove_file(path).map_err(|source| Error::Io {
            operation: "remove",
            path: path.clone(),
            source,
        })
    }

    /// Puts the file in its place, which never stands for a part of it; gives its size. The content
    /// is what has come, or what was unpacked from that.
    pub(super) fn place(&mut self, to: &Path, content: Option<Vec<u8>>) -> Result<u64> {
        if let Some(content) = content {
            write_atomic(to, &content)?;
            self.clear()?;
            return Ok(content.len() as u64);
        }
        let failed = |operation| {
            move |source| Error::Io {
                operation,
                path: to.to_owned(),
                source,
            }
        };
        let Some(part) = &self.path else {
            return Ok(0);
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                file_ops::open(options.append(true), part).map_err(failed("open"))?
            }
        };
        file_ops::sync(&file, part).map_err(failed("sync"))?;
        drop(file);
        file_ops::rename(part, to).map_err(failed("rename to"))?;
        sync_folder(to).map_err(failed("sync the folder of"))?;
        Ok(self.bytes.len() as u64)
    }
}
