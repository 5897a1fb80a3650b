//! The Hugging Face hub as the last mirror: it has the pictures in another form.

use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::session::{Session, locked};
use super::verify::verify;
use super::{POLL, Progress};
use crate::{Error, FileSpec, Result, hub};

impl Session<'_> {
    /// A file's verified compressed bytes; where there are none, `attempts` says why.
    pub(super) fn hub(
        &self,
        index: usize,
        spec: &FileSpec,
        name: &str,
        attempts: &mut String,
    ) -> Result<Option<Vec<u8>>> {
        let Some(repository) = self.spec.hub else {
            return Ok(None);
        };
        let address = hub::address(repository);
        self.report(Progress::Started {
            file: name,
            address: &address,
            bytes: None,
        });
        // Held while the hub is asked: the threads of the other files need the same answer.
        let mut hub = locked(&self.hub);
        let files = match hub.take() {
            Some(files) => files,
            None => self.ask_hub(repository)?,
        };
        let packed = files.as_ref().map_err(String::clone).and_then(|files| {
            let bytes = files.get(index).map_or(&[][..], Vec::as_slice);
            verify(spec, bytes).map_err(|unfit| unfit.reason)?;
            compress(bytes).map_err(|error| error.to_string())
        });
        *hub = Some(files);
        drop(hub);
        match packed {
            Ok(bytes) => Ok(Some(bytes)),
            Err(reason) => {
                self.give_up(name, &address, &reason, attempts);
                Ok(None)
            }
        }
    }

    /// Fetches on a thread of its own, for the hub's client cannot be interrupted.
    fn ask_hub(&self, repository: &'static str) -> Result<Result<[Vec<u8>; 4], String>> {
        let (sender, answer) = mpsc::channel();
        let rows = hub::rows(self.spec);
        let spawned = thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || sender.send(hub::fetch_rows(repository, rows)));
        if let Err(error) = spawned {
            return Ok(Err(format!("cannot start a thread: {error}")));
        }
        loop {
            self.poll()?;
            match answer.recv_timeout(POLL) {
                Ok(files) => return Ok(files.map_err(|error: Error| error.to_string())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Err("the reader of the hub's files crashed".to_owned()));
                }
            }
        }
    }
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
