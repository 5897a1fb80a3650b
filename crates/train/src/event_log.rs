//! `events.jsonl`: every event, one JSON object a line.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Event, Observer, Result};

/// Writes every event as a line of JSON.
///
/// A line that cannot be written is warned of once; the training goes on, for the log is not what
/// it is run for.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl EventLog {
    /// Appends to the file of this name, which is created where it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] where it can not be opened.
    pub fn append_to(path: &Path) -> Result<Self> {
        let file = File::options().append(true).create(true).open(path);
        let file = file.map_err(|source| Error::Io {
            operation: "create",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(BufWriter::new(file)),
        })
    }

    /// Writes any record as a line.
    pub fn write(&mut self, record: &impl Serialize) {
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

impl Observer for EventLog {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        self.write(event);
        // A step's line may wait for the next ones; whoever follows the file sees each epoch.
        if !matches!(event, Event::Step(_))
            && let Some(file) = &mut self.file
        {
            let flushed = file.flush();
            self.warn_of(flushed);
        }
        ControlFlow::Continue(())
    }
}
