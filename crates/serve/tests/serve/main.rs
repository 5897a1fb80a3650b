//! The server from outside, over raw sockets on loopback, by the ids of FAULTS.md beside this
//! folder. `LENET_NIGHTLY=1` runs the long versions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod clients;
mod fuzz;
mod requests;

use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use candle_core::Device;
use lenet_model::{Weights, pretrained};
use lenet_serve::{Server, Settings};

/// After this time a server hangs; no machine is so slow.
const HANGS: Duration = Duration::from_secs(120);

/// Whether the long versions run.
fn nightly() -> bool {
    std::env::var_os("LENET_NIGHTLY").is_some_and(|value| value != "0")
}

/// A server of its own for a test, on any free port.
fn server() -> Server {
    serving(&pretrained::mnist(&Device::Cpu).unwrap())
}

fn serving(weights: &Weights) -> Server {
    let settings = Settings {
        address: "127.0.0.1:0".parse().unwrap(),
        hosts: vec!["digits.example".to_owned()],
        origins: vec!["https://page.example".to_owned()],
    };
    Server::start(weights, &settings).unwrap()
}

/// A socket that does not wait for ever.
fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(HANGS)).unwrap();
    socket.set_write_timeout(Some(HANGS)).unwrap();
    socket
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Sends bytes, and returns the answers until the server ends the connection.
fn send(address: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut socket = connect(address);
    // The server may have refused before the end.
    let _ = socket.write_all(bytes);
    receive(socket)
}

/// The answers until the server ends the connection.
fn receive(mut socket: TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    // A reset comes after the answer.
    let _ = socket.read_to_end(&mut bytes);
    let mut rest = bytes.as_slice();
    let mut answers = Vec::new();
    while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut answer = Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: Vec::new(),
        };
        rest = &rest[end + 4..];
        let length: usize = answer
            .header("content-length")
            .unwrap_or("0")
            .parse()
            .unwrap();
        // An answer to HEAD has the length and not the body.
        let (body, after) = rest.split_at(length.min(rest.len()));
        answer.body = body.to_vec();
        rest = after;
        answers.push(answer);
    }
    answers
}

/// The one answer to one request, after which the connection ends.
#[track_caller]
fn ask(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut answers = send(address, bytes);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

/// A request without a body, which is the last of its connection.
fn request(method: &str, path: &str, lines: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
        .into_bytes()
}

fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &request("GET", path, ""))
}

/// A body to predict, which is the last request of its connection.
fn prediction(kind: &str, body: &[u8]) -> Vec<u8> {
    let lines = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    [&request("POST", "/api/predict", &lines), body].concat()
}

fn post(address: SocketAddr, kind: &str, body: &[u8]) -> Answer {
    ask(address, &prediction(kind, body))
}

/// The body of pixels.
fn json(pixels: &[impl Debug]) -> Vec<u8> {
    format!("{{\"pixels\":{pixels:?}}}").into_bytes()
}

fn drawn(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../picture/tests/drawn-digits");
    std::fs::read(folder.join(name)).unwrap()
}

/// A number of the server's metrics.
fn metric(address: SocketAddr, name: &str) -> u64 {
    let text = get(address, "/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.parse().unwrap()
}

/// The first number of a line of /proc/self/`file`, where there is one.
fn of_process(file: &str, line: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).ok()?;
    let found = text.lines().find_map(|found| found.strip_prefix(line))?;
    found.split_whitespace().next()?.parse().ok()
}

/// Resident memory of this process in MiB.
fn memory() -> Option<u64> {
    Some(of_process("status", "VmRSS:")? / 1024)
}
