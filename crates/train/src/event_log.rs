//! `events.jsonl`: every event, one JSON object a line.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lenet_data::file_ops;
use serde::Serialize;

use crate::{Error, Event, Observer, Result};

/// Writes every event as a line of JSON.
///
/// A line that cannot be written is warned of once; the training goes on, for the log is not what
/// it is run for.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: Option<BufWriter<LogFile>>,
}

impl EventLog {
    /// Appends to the file of this name, which is created where it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] where it can not be opened.
    pub fn append_to(path: &Path) -> Result<Self> {
        let file = open_at_line_start(path).map_err(|source| Error::Io {
            operation: "create",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(BufWriter::new(LogFile {
                path: path.to_owned(),
                file,
            })),
        })
    }

    /// Writes any record as a line, and everything before it to the file.
    pub fn write(&mut self, record: &impl Serialize) {
        self.buffer(record);
        if let Some(file) = &mut self.file {
            let flushed = file.flush();
            self.warn_of(flushed);
        }
    }

    fn buffer(&mut self, record: &impl Serialize) {
        let Some(file) = &mut self.file else {
            return;
        };
        let written = serde_json::to_writer(&mut *file, record)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"));
        self.warn_of(written);
    }

    fn warn_of(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(path = ?self.path, %error, "the event log ends here");
            self.file = None;
        }
    }
}

/// The file, whose writes tests can make fail.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
}

impl io::Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        file_ops::write_all(&self.file, &self.path, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a file to append to, without the part of a line that a killed process may have left.
fn open_at_line_start(path: &Path) -> io::Result<File> {
    let whole = match fs::read(path) {
        Ok(bytes) => bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let file = file_ops::open(File::options().append(true).create(true), path)?;
    file_ops::set_len(&file, path, whole as u64)?;
    Ok(file)
}

impl Observer for EventLog {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        match event {
            // A step's line may wait for the next ones; whoever follows the file sees each epoch.
            Event::Step(_) => self.buffer(event),
            _ => self.write(event),
        }
        ControlFlow::Continue(())
    }
}
