//! A server that sends exactly what a test tells it to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

/// One request.
pub struct Asked {
    /// The path without its slash.
    pub name: String,
    /// The header `Range`.
    pub range: Option<String>,
    /// How many requests this server has had before.
    pub before: usize,
    stream: TcpStream,
}

type Log = Mutex<Vec<(String, Option<String>)>>;

/// A server on a port of this machine; its thread ends with the test process.
pub struct Server {
    address: SocketAddr,
    /// Names and ranges of the requests so far.
    log: Arc<Log>,
}

impl Server {
    /// Answers each request with what `answer` writes, then closes the connection.
    pub fn start(answer: impl Fn(&mut Asked) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &log, &*answer));
            }
        });
        Self { address, log }
    }

    /// A mirror that answers every request alike.
    pub fn fixed(status: &'static str, headers: &'static [&'static str], body: Vec<u8>) -> Self {
        Self::start(move |asked| asked.respond(status, headers, &body))
    }

    /// The base address.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// The ranges that were asked for of a file.
    pub fn ranges(&self, name: &str) -> Vec<Option<String>> {
        let log = self.log.lock().unwrap();
        let of_file = log.iter().filter(|(asked, _)| asked == name);
        of_file.map(|(_, range)| range.clone()).collect()
    }
}

fn serve(mut stream: TcpStream, log: &Log, answer: &dyn Fn(&mut Asked)) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let name = head.split(' ').nth(1).unwrap()[1..].to_owned();
    let range = head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case("range").then(|| value.to_owned())
    });
    let before = {
        let mut log = log.lock().unwrap();
        log.push((name.clone(), range.clone()));
        log.len() - 1
    };
    answer(&mut Asked {
        name,
        range,
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

    /// What a good server answers to a range, or without one; of it at most `most` bytes.
    pub fn respond_range(&mut self, body: &[u8], most: usize) {
        let range = self.asked_of(body.len());
        if range.is_empty() {
            return self.respond("416 Range Not Satisfiable", &[], b"");
        }
        let length = format!("Content-Length: {}", range.len());
        let (first, last) = (range.start, range.end - 1);
        let content = format!("Content-Range: bytes {first}-{last}/{}", body.len());
        if self.range.is_some() {
            self.head("206 Partial Content", &[&length, &content]);
        } else {
            self.head("200 OK", &[&length]);
        }
        self.send(&body[range][..most.min(last + 1 - first)]);
    }

    fn asked_of(&self, length: usize) -> Range<usize> {
        let Some(range) = &self.range else {
            return 0..length;
        };
        let (first, last) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let end = last.parse().map_or(length, |last: usize| last + 1);
        first.parse().unwrap()..end.min(length)
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

/// The base address of a port on which nothing listens.
pub fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
