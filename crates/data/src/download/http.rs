//! One try to get one file from one address over HTTP.
//!
//! The request runs on a thread of its own, which can block for as long as its timeouts allow; the
//! caller's thread reads what comes, keeps the clock and asks the stop flag. A thread that is no
//! longer listened to ends at its next chunk or timeout.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::http::StatusCode;

use super::pace::Pace;
use super::transfer::{Again, Failure, Head, Message, transfer};
use super::{POLL, Progress, Timeouts};
use crate::{Error, Result, gzip};

/// What to get.
pub(super) struct Request<'a> {
    pub address: &'a str,
    /// The file's name, for the progress.
    pub name: &'a str,
    /// The most bytes that it may have.
    pub cap: usize,
}

/// An HTTP client; its connections are kept for the next file.
pub(super) struct Client {
    agent: ureq::Agent,
    timeouts: Timeouts,
}

impl Client {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        let agent = ureq::Agent::config_builder()
            .user_agent(concat!("lenet/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // `transfer` follows them, by its own rules.
            .max_redirects(0)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_send_request(Some(timeouts.response))
            .timeout_recv_response(Some(timeouts.response))
            // Longer than any other, for it alone ends a thread that nobody listens to.
            .timeout_per_read(Some(timeouts.connect + timeouts.response + timeouts.stall))
            .build()
            .new_agent();
        Self { agent, timeouts }
    }

    /// Gets a file that starts as a gzip stream does and has at most `cap` bytes.
    ///
    /// # Errors
    /// Outside: the user's wish to stop. Inside: why this try failed.
    pub(super) fn get(
        &self,
        request: &Request<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
        stop: &dyn Fn() -> bool,
    ) -> Result<Result<Vec<u8>, Failure>> {
        // Two chunks in flight bound the memory: the thread waits until they are taken.
        let (sender, messages) = mpsc::sync_channel(2);
        let agent = self.agent.clone();
        let (address, timeouts) = (request.address.to_owned(), self.timeouts);
        let spawned = thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || transfer(&agent, &address, timeouts, &sender));
        if let Err(error) = spawned {
            return Ok(Err(Failure::never(format!(
                "cannot start a thread: {error}"
            ))));
        }
        let mut body = Received::new(request);
        let mut pace = Pace::new(self.timeouts.stall);
        loop {
            if stop() {
                return Err(Error::Interrupted);
            }
            let taken = match messages.recv_timeout(POLL.min(self.timeouts.stall)) {
                Ok(Message::Head(head)) => {
                    pace.start();
                    body.head(head, progress)
                }
                Ok(Message::Chunk(bytes)) => {
                    pace.add(bytes.len());
                    body.chunk(&bytes, progress)
                }
                Ok(Message::End) => return Ok(body.end()),
                Ok(Message::Failed(failure)) => Err(body.broken(failure)),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    Err(Failure::never("the thread of the request ended early"))
                }
            };
            let kept_up = taken.and_then(|()| pace.check().map_err(Failure::never));
            if let Err(failure) = kept_up {
                return Ok(Err(failure));
            }
        }
    }
}

/// The part of a file that has come so far.
struct Received<'a> {
    request: &'a Request<'a>,
    head: Option<Head>,
    bytes: Vec<u8>,
}

impl<'a> Received<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            head: None,
            bytes: Vec::new(),
        }
    }

    fn head(&mut self, head: Head, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Failure> {
        refuse_status(&head)?;
        let cap = self.request.cap;
        if let Some(length) = head.length.filter(|&length| length > cap as u64) {
            return Err(Failure::never(format!(
                "announces {length} bytes, this file has at most {cap}"
            )));
        }
        progress(Progress::Started {
            file: self.request.name,
            address: self.request.address,
            bytes: head.length,
        });
        self.head = Some(head);
        Ok(())
    }

    fn chunk(
        &mut self,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        let cap = self.request.cap;
        if self.bytes.len() + bytes.len() > cap {
            return Err(Failure::never(format!(
                "sends more than the {cap} bytes that this file has at most"
            )));
        }
        self.bytes.extend_from_slice(bytes);
        // The magic number has two bytes.
        if self.bytes.len() >= 2 && !gzip::is_gzip(&self.bytes) {
            return Err(self.not_gzip());
        }
        progress(Progress::Received {
            file: self.request.name,
            bytes: self.bytes.len() as u64,
        });
        Ok(())
    }

    fn end(self) -> Result<Vec<u8>, Failure> {
        if self.bytes.is_empty() {
            Err(Failure::never("sends an empty body"))
        } else if gzip::is_gzip(&self.bytes) {
            Ok(self.bytes)
        } else {
            Err(self.not_gzip())
        }
    }

    fn not_gzip(&self) -> Failure {
        let head = self.head.as_ref();
        let what = head
            .and_then(|head| head.content_type.as_deref())
            .unwrap_or("content of no stated type");
        let length = head.and_then(|head| head.length);
        let size = length.map_or(String::new(), |length| format!(", {}", size(length)));
        let page = what.contains("html") || self.bytes.starts_with(b"<");
        let page = if page { "a web page, " } else { "" };
        Failure::never(format!("got {what}{size}: {page}not a gzip file"))
    }

    /// Once the headers were there, whatever broke the connection cut the file off.
    fn broken(&self, failure: Failure) -> Failure {
        let Some(head) = &self.head else {
            return failure;
        };
        let got = self.bytes.len();
        Failure::soon(match head.length {
            Some(length) => format!("cut off after {got} of {length} bytes"),
            None => format!("cut off after {got} bytes: {}", failure.reason),
        })
    }
}

fn refuse_status(head: &Head) -> Result<(), Failure> {
    let status = head.status;
    if status == StatusCode::OK {
        return Ok(());
    }
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let (again, asks) = match (busy, head.retry_after) {
        (false, _) => (Again::Never, String::new()),
        (true, None) => (Again::Soon, String::new()),
        (true, Some(pause)) => (Again::After(pause), format!(", asks to wait {pause:?}")),
    };
    Err(Failure {
        reason: format!("answers {status}{asks}"),
        again,
    })
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let kibibytes = bytes as f64 / 1024.0;
    if bytes < 1024 {
        format!("{bytes} bytes")
    } else if kibibytes < 1024.0 {
        format!("{kibibytes:.1} KiB")
    } else {
        format!("{:.1} MiB", kibibytes / 1024.0)
    }
}
