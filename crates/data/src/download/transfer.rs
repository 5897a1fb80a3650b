//! The thread of a request: it blocks on the network and tells what comes.

use std::io::{self, Read as _};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use ureq::http::header::{
    CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use ureq::http::{Response, StatusCode};
use ureq::{Body, Timeout};

use super::Timeouts;
use super::redirect;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Redirects that are followed, after which it is a loop.
const MAX_REDIRECTS: usize = 5;

/// Why a try failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub reason: String,
    pub again: Again,
}

/// Whether the same mirror may do better on another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    Soon,
    After(Duration),
}

impl Failure {
    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again: Again::Never,
        }
    }

    pub(super) fn soon(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again: Again::Soon,
        }
    }
}

/// What the thread of a request tells.
pub(super) enum Message {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(Failure),
}

/// What counts of an answer's headers.
pub(super) struct Head {
    pub status: StatusCode,
    pub length: Option<u64>,
    pub content_type: Option<String>,
    pub retry_after: Option<Duration>,
    /// The first byte that comes, and all that there are, of an answer to a range.
    pub range: Option<(u64, u64)>,
    /// The file's own mark, by which a later request tells whether it is the same.
    pub validator: Option<String>,
}

/// Which bytes are asked for.
#[derive(Clone)]
pub(super) struct Range {
    /// As in `bytes=100-`.
    pub range: String,
    /// The mark of the file that the bytes before belong to.
    pub if_range: Option<String>,
}

/// The thread of a request: sends what comes until the end, a failure, or nobody listens.
pub(super) fn transfer(
    agent: &ureq::Agent,
    address: &str,
    range: Option<&Range>,
    timeouts: Timeouts,
    to: &SyncSender<Message>,
) {
    let mut response = match follow(agent, address, range, timeouts) {
        Ok(response) => response,
        Err(failure) => {
            let _ = to.send(Message::Failed(failure));
            return;
        }
    };
    let status = response.status();
    let head = Head {
        status,
        length: response.body().content_length(),
        content_type: response.body().mime_type().map(redirect::printable),
        // In seconds; the other form, a date, is left to the own pauses.
        retry_after: (response.headers().get(RETRY_AFTER))
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs),
        range: header(&response, CONTENT_RANGE).and_then(content_range),
        // A weak mark would let another compression of the same file pass for the rest of this one.
        validator: header(&response, ETAG)
            .filter(|mark| mark.starts_with('"'))
            .or_else(|| header(&response, LAST_MODIFIED))
            .map(String::from),
    };
    let has_body = [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&status);
    if to.send(Message::Head(head)).is_err() || !has_body {
        return;
    }
    let mut reader = response.body_mut().as_reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        let message = match reader.read(&mut chunk) {
            Ok(0) => Message::End,
            Ok(count) => {
                chunk.truncate(count);
                Message::Chunk(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Message::Failed(explain(error.into(), agent, timeouts)),
        };
        let last = !matches!(message, Message::Chunk(_));
        if to.send(message).is_err() || last {
            return;
        }
    }
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// The first byte and the whole length in `bytes 100-199/1000` (RFC 9110, section 14.4).
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()?))
}

/// Asks an address and those that it redirects to.
fn follow(
    agent: &ureq::Agent,
    address: &str,
    range: Option<&Range>,
    timeouts: Timeouts,
) -> Result<Response<Body>, Failure> {
    let mut uri = redirect::checked(address).map_err(Failure::never)?;
    for _ in 0..=MAX_REDIRECTS {
        let mut request = agent.get(&uri);
        if let Some(Range { range, if_range }) = range {
            request = request.header(RANGE, range);
            if let Some(mark) = if_range {
                request = request.header(IF_RANGE, mark);
            }
        }
        if redirect::is_this_machine(&uri) {
            request = request.config().proxy(None).build();
        }
        let response = request
            .call()
            .map_err(|error| explain(error, agent, timeouts))?;
        if !redirect::redirects(response.status()) {
            return Ok(response);
        }
        uri = redirect::target(&uri, response.headers()).map_err(Failure::never)?;
    }
    Err(Failure::never(format!(
        "more than {MAX_REDIRECTS} redirects"
    )))
}

/// The reason of a failure in words, and whether to ask again: a mirror that cannot be reached now
/// is left for the next one at once, one that broke off is not.
fn explain(error: ureq::Error, agent: &ureq::Agent, timeouts: Timeouts) -> Failure {
    let Timeouts {
        connect, response, ..
    } = timeouts;
    // A proxy's faults look like the mirror's.
    let proxy = agent.config().proxy();
    let by = proxy.map_or(String::new(), |proxy| {
        format!(" (through the proxy {}:{})", proxy.host(), proxy.port())
    });
    let (reason, again) = match error {
        ureq::Error::Timeout(Timeout::Resolve) => (
            format!("the name was not looked up within {connect:?}"),
            Again::Never,
        ),
        ureq::Error::Timeout(Timeout::Connect) => {
            (format!("no connection within {connect:?}"), Again::Never)
        }
        ureq::Error::Timeout(_) => (format!("no answer within {response:?}"), Again::Never),
        ureq::Error::HostNotFound => ("no host of this name was found".to_owned(), Again::Never),
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => {
                (format!("the connection broke off: {error}"), Again::Soon)
            }
            // As rustls wraps its errors in those of a stream.
            io::ErrorKind::InvalidData => (format!("no TLS connection: {error}"), Again::Never),
            _ => (format!("cannot connect: {error}"), Again::Never),
        },
        ureq::Error::Protocol(error) => (format!("no HTTP answer: {error}"), Again::Never),
        ureq::Error::Rustls(error) => (format!("no TLS connection: {error}"), Again::Never),
        other => (other.to_string(), Again::Never),
    };
    Failure {
        reason: reason + &by,
        again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 100-199/1000"), Some((100, 1000)));
        for other in [
            "bytes 100-199/*",
            "bytes */1000",
            "100-199/1000",
            "bytes x-9/10",
            "",
        ] {
            assert_eq!(content_range(other), None, "{other}");
        }
    }
}
