//! One try to get one file from one address over HTTP.
//!
//! The request runs on a thread of its own, which can block for as long as its timeouts allow; the
//! caller's thread reads what comes, keeps the clock and asks the stop flag. A thread that is no
//! longer listened to ends at its next chunk or timeout.

use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::http::StatusCode;

use super::pace::Pace;
use super::partial::Partial;
use super::session::Session;
use super::transfer::{self, Again, Failure, Head, Message};
use super::{POLL, Progress, Timeouts};
use crate::{Error, Result, gzip};

/// What to get.
pub(super) struct Request<'a> {
    pub address: &'a str,
    /// The file's name, for the progress.
    pub name: &'a str,
    /// The most bytes that it may have.
    pub cap: usize,
    pub wanted: Wanted,
}

/// Which bytes of what lies at an address.
pub(super) enum Wanted {
    /// A gzip file, from its start or, where some has come, from there.
    Whole,
    /// These of an archive, or their rest where some have come.
    Part(Range<u64>),
    /// So many at the end of an archive, or all where it has fewer.
    Last(u64),
}

impl Request<'_> {
    /// The range to ask for, where not all is wanted, and the first byte that must come.
    fn range(&self, partial: &Partial) -> Option<(transfer::Range, Option<u64>)> {
        let got = partial.len() as u64;
        let (range, first) = match &self.wanted {
            Wanted::Whole if got == 0 => return None,
            Wanted::Whole => (format!("bytes={got}-"), Some(got)),
            Wanted::Part(part) => {
                let first = part.start + got;
                let last = part.end.saturating_sub(1);
                (format!("bytes={first}-{last}"), Some(first))
            }
            Wanted::Last(count) => (format!("bytes=-{count}"), None),
        };
        // The mark belongs to bytes that have come; without any there is nothing to compare.
        let mark = partial.validator(self.address).filter(|_| got > 0);
        let if_range = mark.map(String::from);
        Some((transfer::Range { range, if_range }, first))
    }
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

    /// Gets what is wanted of a file, or the rest of it, into `partial`; gives the length of the
    /// whole file where the server told it.
    ///
    /// # Errors
    /// Outside: the user's wish to stop, and the disk's errors. Inside: why this try failed.
    pub(super) fn get(
        &self,
        request: &Request<'_>,
        partial: &mut Partial,
        session: &Session<'_>,
    ) -> Result<Result<Option<u64>, Failure>> {
        let range = request.range(partial);
        let (range, first) = range.map_or((None, None), |(range, first)| (Some(range), first));
        // Two chunks in flight bound the memory: the thread waits until they are taken.
        let (sender, messages) = mpsc::sync_channel(2);
        let agent = self.agent.clone();
        let (address, timeouts) = (request.address.to_owned(), self.timeouts);
        let asked = range.is_some();
        let spawned = thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || transfer::transfer(&agent, &address, range.as_ref(), timeouts, &sender));
        if let Err(error) = spawned {
            return Ok(Err(Failure::never(format!(
                "cannot start a thread: {error}"
            ))));
        }
        let mut body = Received {
            request,
            partial,
            session,
            asked,
            first,
            head: None,
        };
        let mut pace = Pace::new(self.timeouts.stall);
        loop {
            if session.stopped() {
                return Err(Error::Interrupted);
            }
            let taken = match messages.recv_timeout(POLL.min(self.timeouts.stall)) {
                Ok(Message::Head(head)) => {
                    pace.start();
                    body.head(head)?
                }
                Ok(Message::Chunk(bytes)) => {
                    pace.add(bytes.len());
                    body.chunk(&bytes)?
                }
                Ok(Message::End) => return body.end(),
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

/// An answer as it comes.
struct Received<'a, 'b> {
    request: &'a Request<'a>,
    partial: &'a mut Partial,
    session: &'a Session<'b>,
    /// Whether a range was asked for, and the first byte that it must begin with.
    asked: bool,
    first: Option<u64>,
    head: Option<Head>,
}

impl Received<'_, '_> {
    fn head(&mut self, head: Head) -> Result<Result<(), Failure>> {
        if let Err(failure) = self.place(&head)? {
            return Ok(Err(failure));
        }
        let (cap, got) = (self.request.cap as u64, self.partial.len() as u64);
        let whole = head.length.map(|length| length.saturating_add(got));
        if let Some(whole) = whole.filter(|&whole| whole > cap) {
            self.partial.clear()?;
            return Ok(Err(Failure::never(format!(
                "announces {whole} bytes, this file has at most {cap}"
            ))));
        }
        let Request { address, name, .. } = *self.request;
        if let Some(length) = head.length {
            self.partial.make_room(length)?;
        }
        if got > 0 {
            let event = Progress::Resumed {
                file: name,
                bytes: got,
            };
            self.session.report(event);
        }
        self.partial.sent_by(address, head.validator.clone());
        if self.partial.is_kept() {
            self.session.report(Progress::Started {
                file: name,
                address,
                bytes: whole,
            });
        }
        self.head = Some(head);
        Ok(Ok(()))
    }

    /// Whether the answer's first byte follows what has come; where it is the file's first one,
    /// that is forgotten.
    fn place(&mut self, head: &Head) -> Result<Result<(), Failure>> {
        let resumed = !self.partial.is_empty();
        match (head.status, &self.request.wanted) {
            (StatusCode::OK, Wanted::Whole) => {
                if resumed {
                    self.partial.clear()?;
                }
                Ok(Ok(()))
            }
            // All of it is at most as much as was asked for.
            (StatusCode::OK, Wanted::Last(count))
                if head.length.is_some_and(|length| length <= *count) =>
            {
                Ok(Ok(()))
            }
            (StatusCode::OK, _) => Ok(Err(Failure::never(
                "sends the whole archive where a part was asked for",
            ))),
            (StatusCode::PARTIAL_CONTENT, _) if self.asked => {
                let matches = match (head.range, self.first) {
                    (Some((found, _)), Some(first)) => found == first,
                    (Some(_), None) => true,
                    (None, _) => false,
                };
                Ok(match matches {
                    true => Ok(()),
                    false => Err(Failure::never("sends other bytes than were asked for")),
                })
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, _) if resumed => {
                self.partial.clear()?;
                Ok(Err(Failure::soon(
                    "has no bytes behind those that came before: from the start again",
                )))
            }
            _ => Ok(Err(refused(head))),
        }
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<Result<(), Failure>> {
        let cap = match &self.request.wanted {
            Wanted::Part(part) => part.end - part.start,
            _ => self.request.cap as u64,
        };
        if (self.partial.len() + bytes.len()) as u64 > cap {
            self.partial.clear()?;
            return Ok(Err(Failure::never(format!(
                "sends more than the {cap} bytes that this file has at most"
            ))));
        }
        // The magic number has two bytes.
        let start: Vec<u8> = (self.partial.bytes().iter().chain(bytes).copied())
            .take(2)
            .collect();
        if matches!(self.request.wanted, Wanted::Whole)
            && start.len() == 2
            && !gzip::is_gzip(&start)
        {
            return Ok(Err(self.not_gzip(bytes)));
        }
        self.partial.append(bytes)?;
        if self.partial.is_kept() {
            self.session.report(Progress::Received {
                file: self.request.name,
                bytes: self.partial.len() as u64,
            });
        }
        Ok(Ok(()))
    }

    fn end(self) -> Result<Result<Option<u64>, Failure>> {
        if self.partial.is_empty() {
            return Ok(Err(Failure::never("sends an empty body")));
        }
        let got = self.partial.len() as u64;
        match &self.request.wanted {
            Wanted::Whole if self.partial.len() < 2 => {
                let failure = self.not_gzip(&[]);
                self.partial.clear()?;
                return Ok(Err(failure));
            }
            Wanted::Part(part) if got < part.end - part.start => {
                return Ok(Err(Failure::soon(format!(
                    "cut off after {got} of {} bytes",
                    part.end - part.start
                ))));
            }
            _ => {}
        }
        let range = self.head.and_then(|head| head.range);
        Ok(Ok(range.map(|(_, whole)| whole)))
    }

    fn not_gzip(&self, bytes: &[u8]) -> Failure {
        let head = self.head.as_ref();
        let what = head
            .and_then(|head| head.content_type.as_deref())
            .unwrap_or("content of no stated type");
        let length = head.and_then(|head| head.length);
        let size = length.map_or(String::new(), |length| format!(", {}", size(length)));
        let page = what.contains("html") || bytes.starts_with(b"<");
        let page = if page { "a web page, " } else { "" };
        Failure::never(format!("got {what}{size}: {page}not a gzip file"))
    }

    /// Once the headers were there, whatever broke the connection cut the file off.
    fn broken(&self, failure: Failure) -> Failure {
        let Some(head) = &self.head else {
            return failure;
        };
        let got = self.partial.len() as u64;
        let whole = head.length.zip(match head.status {
            StatusCode::PARTIAL_CONTENT => self.first,
            _ => Some(0),
        });
        let before = match &self.request.wanted {
            Wanted::Part(part) => part.start,
            _ => 0,
        };
        Failure::soon(match whole {
            Some((length, first)) => {
                let whole = (first - before.min(first)).saturating_add(length);
                format!("cut off after {got} of {whole} bytes")
            }
            None => format!("cut off after {got} bytes: {}", failure.reason),
        })
    }
}

/// Why an answer of this status is of no use.
fn refused(head: &Head) -> Failure {
    let status = head.status;
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let (again, asks) = match (busy, head.retry_after) {
        (false, _) => (Again::Never, String::new()),
        (true, None) => (Again::Soon, String::new()),
        (true, Some(pause)) => (Again::After(pause), format!(", asks to wait {pause:?}")),
    };
    Failure {
        reason: format!("answers {status}{asks}"),
        again,
    }
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
