//! E1 and E3: bodies that are too large, lie or mean nothing.

use std::io::Write as _;

use crate::{
    Answer, ask, connect, drawn, get, json, memory, nightly, post, receive, request, server,
};

#[track_caller]
fn refused(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains(says), "{error}");
}

/// One byte over each limit; at the limit it is the content that is wrong.
#[test]
fn e1_a_body_over_the_limit() {
    let server = server();
    let address = server.address();
    for (kind, limit) in [("application/json", 64 << 10), ("image/png", 1 << 20)] {
        let answer = post(address, kind, &vec![b' '; limit]);
        assert_eq!(answer.status, 400, "{kind}: {answer:?}");
        let answer = post(address, kind, &vec![b' '; limit + 1]);
        refused(&answer, 413, "more than");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    // JSON by its first byte.
    let long = [b"{".as_slice(), &[b' '; 64 << 10]].concat();
    refused(&post(address, "text/plain", &long), 413, "more than 65536");
    // Far over: the answer is seen though the client sends all before it reads.
    let long = vec![0; 8 << 20];
    refused(&post(address, "image/jpeg", &long), 413, "more than");
    // A client that asks first sends nothing.
    let lines = "Content-Type: image/png\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n";
    let head = request("POST", "/api/predict", lines);
    refused(&ask(address, &head), 413, "more than");
}

/// A body in chunks without an end: cut off, and nothing of it is kept.
#[test]
fn e1_a_body_without_end() {
    let server = server();
    let before = memory();
    let total: usize = if nightly() { 10_000 } else { 200 };
    let mut socket = connect(server.address());
    let head = request("POST", "/api/predict", "Transfer-Encoding: chunked\r\n");
    socket.write_all(&head).unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
    let sent = (0..total)
        .take_while(|_| socket.write_all(&chunk).is_ok())
        .count();
    assert!(sent < 64, "{sent} MiB were taken");
    assert_eq!(get(server.address(), "/healthz").status, 200);
    if let (Some(before), Some(after)) = (before, memory()) {
        // Other tests run in this process.
        assert!(after < before + 100, "from {before} to {after} MiB");
    }
}

/// A length that is wrong: a body that is longer, and one that never ends.
#[test]
fn e1_lengths_that_lie() {
    let server = server();
    let address = server.address();
    let body = json(&[0; 784]);
    let short = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len() - 9
    );
    let head = request("POST", "/api/predict", &short);
    // What is left over is not taken for a request: the connection ends.
    refused(&ask(address, &[head, body.clone()].concat()), 400, "EOF");

    // The client ends before its body does.
    let long = format!("Content-Length: {}\r\n", body.len() + 9);
    let mut socket = connect(address);
    socket
        .write_all(&request("POST", "/api/predict", &long))
        .unwrap();
    socket.write_all(&body).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let answers = receive(socket);
    assert!(
        answers.iter().all(|answer| answer.status == 400),
        "{answers:?}"
    );

    for lie in ["-1", "99999999999999999999999", "1x", "5, 6"] {
        let head = request(
            "POST",
            "/api/predict",
            &format!("Content-Length: {lie}\r\n"),
        );
        assert_eq!(ask(address, &head).status, 400, "{lie}");
    }
    assert_eq!(get(address, "/healthz").status, 200);
}

/// The table of what JSON can be wrong in is in `pixels`.
#[test]
fn e3_errors_name_the_field() {
    let server = server();
    let address = server.address();
    let answer = post(address, "application/json", br#"{"pixels":[1,2,"3"]}"#);
    refused(&answer, 400, "pixels[2]");
    assert_eq!(answer.json()["field"], "pixels[2]");
    let answer = post(address, "application/json", b"\xff\xfe");
    refused(&answer, 400, "the body");
    assert_eq!(answer.json()["field"], serde_json::Value::Null);

    let head = "Content-Encoding: gzip\r\nContent-Length: 0\r\n";
    let head = request("POST", "/api/predict", head);
    refused(&ask(address, &head), 400, "gzip");
    for (kind, body, says) in [
        ("image/png", b"\x1f\x8b\x08\0".as_slice(), "gzip file"),
        ("multipart/form-data; boundary=x", b"--x", "--data-binary"),
        ("image/png", b"", "empty"),
        ("image/png", b"GIF89a", "GIF"),
    ] {
        refused(&post(address, kind, body), 400, says);
    }
}

/// Whatever the bytes, the answer is one of the client's errors or a prediction.
#[test]
fn e3_no_body_breaks_the_server() {
    let server = server();
    let address = server.address();
    let picture = drawn("5-007.png");
    let pixels = json(&[9; 784]);
    let mut draws = 88_172_645_463_325_252_u64;
    let mut below = |end: usize| {
        // xorshift, so that a failure can be repeated.
        draws ^= draws << 13;
        draws ^= draws >> 7;
        draws ^= draws << 17;
        (draws % end as u64) as usize
    };
    for round in 0..if nightly() { 20_000 } else { 300 } {
        let (kind, mut body) = match round % 2 {
            0 => ("image/png", picture.clone()),
            _ => ("application/json", pixels.clone()),
        };
        for _ in 0..=below(4) {
            let at = below(body.len());
            match below(3) {
                0 => body[at] = below(256) as u8,
                1 => body.truncate(at + 1),
                _ => body.insert(at, b"[]{},\"0-e\xff\0"[below(11)]),
            }
        }
        let answer = post(address, kind, &body);
        assert!(matches!(answer.status, 200 | 400), "{answer:?} to {body:?}");
        answer.json();
    }
    assert_eq!(get(address, "/healthz").status, 200);
}
