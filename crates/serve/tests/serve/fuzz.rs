//! Mutated bodies, over one connection as long as the server keeps it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use lenet_fuzz::fuzz;

use crate::{connect, server};

/// The kinds of content; the first byte of an input chooses.
const KINDS: [&str; 4] = [
    "application/json",
    "image/png",
    "application/octet-stream",
    "text/plain",
];

#[test]
fn fuzzed_bodies() {
    let server = server();
    let address = server.address();
    let pixels = format!("\0{{\"pixels\":{:?}}}", [128; 784]).into_bytes();
    let floats = format!("\0{{\"pixels\": [{}0.5e0]}}", "1.5, ".repeat(783)).into_bytes();
    let picture = include_bytes!("../../page/icon.svg").to_vec();
    let drawing = [&b"\x01"[..], &png()].concat();
    let mut connection = BufReader::new(connect(address));
    fuzz("body", &[pixels, floats, picture, drawing], |input| {
        let (kind, body) = input.split_first().unwrap_or((&0, &[]));
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        let head = format!(
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let (status, answer, is_last) = exchange(&mut connection, &request);
        assert!([200, 400, 413].contains(&status), "{status}: {answer}");
        if is_last {
            connection = BufReader::new(connect(address));
        }
        // What JSON quotes are the words.
        answer.replace('"', " ")
    });
}

fn png() -> Vec<u8> {
    let image = image::GrayImage::from_fn(12, 12, |x, y| {
        image::Luma([if x.abs_diff(y) < 2 { 20 } else { 230 }])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Status and body of the answer, and whether the connection ends with it.
fn exchange(connection: &mut BufReader<TcpStream>, request: &[u8]) -> (u16, String, bool) {
    connection.get_mut().write_all(request).unwrap();
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        assert!(
            connection.read_line(&mut head).unwrap() > 0,
            "no answer: {head:?}"
        );
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    let is_last = head.to_ascii_lowercase().contains("connection: close");
    (
        head[9..12].parse().unwrap(),
        String::from_utf8_lossy(&body).into_owned(),
        is_last,
    )
}
