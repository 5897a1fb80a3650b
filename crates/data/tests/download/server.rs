//! A server that sends exactly what a test tells it to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// One request.
pub struct Asked {
    /// The path.
    pub path: String,
    /// The header `Range`.
    pub range: Option<String>,
    /// The header `If-Range`.
    pub if_range: Option<String>,
    /// How many requests this server has had before.
    pub before: usize,
    pub stream: TcpStream,
}

/// A server on a port of this machine; it ends with the test.
pub struct Server {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with what `answer` writes, then closes the connection.
    pub fn start(answer: impl Fn(&mut Asked) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (paths, ends) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (log, stop, answer) = (Arc::clone(&paths), Arc::clone(&ends), Arc::new(answer));
        let accept = move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer, stream) =
                    (Arc::clone(&log), Arc::clone(&answer), stream.unwrap());
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        };
        Self {
            address,
            paths,
            ends,
            thread: Some(thread::spawn(accept)),
        }
    }

    /// A mirror that has everything.
    pub fn genuine() -> Self {
        Self::start(|asked| {
            let body = super::genuine(&asked.path);
            asked.respond("200 OK", &[], &body);
        })
    }

    /// A mirror that answers every request alike.
    pub fn fixed(status: &'static str, headers: &'static [&'static str], body: Vec<u8>) -> Self {
        Self::start(move |asked| asked.respond(status, headers, &body))
    }

    /// The base address.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths asked for so far.
    pub fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&mut Asked)) {
    stream.set_read_timeout(Some(super::HANGS)).unwrap();
    stream.set_write_timeout(Some(super::HANGS)).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) if head.len() < 8192 => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let (range, if_range) = (header("range"), header("if-range"));
    let before = {
        let mut log = log.lock().unwrap();
        log.push(path.clone());
        log.len() - 1
    };
    answer(&mut Asked {
        path,
        range,
        if_range,
        before,
        stream,
    });
}

impl Asked {
    /// A whole answer with its length.
    pub fn respond(&mut self, status: &str, headers: &[&str], body: &[u8]) {
        let length = format!("Content-Length: {}", body.len());
        self.head(status, &[headers, &[&length]].concat());
        self.send(body);
    }

    /// The bytes of a body that the range asks for, if one does (RFC 9110, section 14.2).
    pub fn asked_of(&self, body: &[u8]) -> Option<std::ops::Range<usize>> {
        let (first, last) = self
            .range
            .as_deref()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let length = body.len();
        if first.is_empty() {
            return Some(length.saturating_sub(last.parse().unwrap())..length);
        }
        let last = last.parse().map_or(length, |last: usize| last + 1);
        Some(first.parse().unwrap()..last.min(length))
    }

    /// What a good server answers to a range, or without one; of it at most `most` bytes.
    pub fn respond_range(&mut self, mark: &str, body: &[u8], most: usize) {
        let mark_line = format!("ETag: {mark}");
        let wanted = self.if_range.as_deref().is_none_or(|wanted| wanted == mark);
        let (status, range) = match self.asked_of(body) {
            Some(range) if range.is_empty() => {
                return self.respond("416 Range Not Satisfiable", &[], b"");
            }
            Some(range) if wanted => ("206 Partial Content", range),
            _ => ("200 OK", 0..body.len()),
        };
        let length = format!("Content-Length: {}", range.len());
        let content = format!(
            "Content-Range: bytes {}-{}/{}",
            range.start,
            range.end - 1,
            body.len()
        );
        self.head(status, &[&mark_line, &length, &content]);
        let end = range.end.min(range.start.saturating_add(most));
        self.send(&body[range.start..end]);
    }

    pub fn head(&mut self, status: &str, headers: &[&str]) {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(format!("HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n").as_bytes());
    }

    /// Whether the client still took it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends nothing until the client hangs up.
    pub fn hang(&mut self) {
        let _ = self.stream.read(&mut [0]);
    }
}

/// The base address of a port on which nobody listens.
pub fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
