//! Mirrors that send something else than the genuine file (C5, C6, C8).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::Server;
use super::*;

const HTML: &[&str] = &["Content-Type: text/html; charset=utf-8"];

#[test]
fn c5_a_web_page_instead_of_the_file() {
    let mut page = b"<!DOCTYPE html><title>Sign in</title>".to_vec();
    page.resize(2458, b' ');
    let portal = Server::fixed("200 OK", HTML, page);
    let message = failure(&[portal.base()]);
    let reason = "got text/html, 2.4 KiB: a web page, not a gzip file";
    assert_reason(&message, &portal.base(), reason);
    assert_eq!(portal.paths().len(), 1, "asked once");

    let next = Server::genuine();
    let events = success(&[portal.base(), next.base()]);
    assert!(
        events[1].starts_with("Failed") && events[1].contains(reason),
        "{events:?}"
    );
}

#[test]
fn c5_other_content_and_none() {
    let raw =
        Server::start(|asked| asked.respond("200 OK", &["Content-Type: image/png"], b"\x89PNG"));
    assert_reason(
        &failure(&[raw.base()]),
        &raw.base(),
        "got image/png, 4 bytes: not a gzip file",
    );

    let untyped = Server::start(|asked| {
        asked.head("200 OK", &[]);
        asked.send(b"<html>");
    });
    let reason = "got content of no stated type: a web page, not a gzip file";
    assert_reason(&failure(&[untyped.base()]), &untyped.base(), reason);

    let empty = Server::fixed("200 OK", &[], Vec::new());
    assert_reason(
        &failure(&[empty.base()]),
        &empty.base(),
        "sends an empty body",
    );

    let short = Server::fixed("200 OK", &[], b"\x1f".to_vec());
    let reason = "got content of no stated type, 1 bytes: not a gzip file";
    assert_reason(&failure(&[short.base()]), &short.base(), reason);
}

#[test]
fn c6_wrong_bytes_of_the_right_size() {
    let mut forged = content(NAMES[0]);
    forged[20] ^= 0x40;
    let digest = Sha256::of(&forged);
    let mirror = Server::fixed("200 OK", &[], packed(&forged));
    let reason = format!(
        "right form, wrong content (SHA-256 {digest}, expected {})",
        Sha256::of(&content(NAMES[0]))
    );
    // `failure` also sees to it that the folder is empty afterwards.
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), &reason);
    assert_eq!(mirror.paths().len(), 1, "the same bytes would come again");

    let next = Server::genuine();
    success(&[mirror.base(), next.base()]);
}

#[test]
fn c6_another_length() {
    let mirror = Server::fixed("200 OK", &[], packed(&content(NAMES[0])[..2000]));
    let reason = "2000 bytes when decompressed, the genuine file has 2368";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
}

#[test]
fn c6_a_damaged_stream() {
    let mut damaged = genuine(NAMES[0]);
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let mirror = Server::fixed("200 OK", &[], damaged);
    let message = failure(&[mirror.base()]);
    assert!(
        message.contains("the gzip stream is damaged: "),
        "{message}"
    );

    let mut trailing = genuine(NAMES[0]);
    trailing.extend_from_slice(b"extra");
    let mirror = Server::fixed("200 OK", &[], trailing);
    let reason = "5 bytes follow the end of the gzip stream";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
}

#[test]
fn c8_a_gzip_bomb_stops_at_the_limit() {
    // 60 MB of zeros in 60 kB: below the cap on the body, far above the file's size.
    let mirror = Server::fixed("200 OK", &[], packed(&vec![0; 60_000_000]));
    let reason = "decompresses to more than 2368 bytes, the most that this file may hold";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
}

#[test]
fn c8_no_transparent_decompression() {
    let once = Server::start(|asked| {
        let body = genuine(&asked.path);
        asked.respond("200 OK", &["Content-Encoding: gzip"], &body);
    });
    success(&[once.base()]);

    // Its first layer is smaller than the file may be: the second one is what is wrong.
    let headers = &["Content-Encoding: gzip"];
    let twice = Server::fixed("200 OK", headers, packed(&packed(&[0; 2000])));
    let message = failure(&[twice.base()]);
    let reason = "a gzip stream inside a gzip stream: decompress the file once";
    assert_reason(&message, &twice.base(), reason);
}

#[test]
fn c8_an_endless_body_stops_at_the_cap() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let mirror = Server::start(move |asked| {
        asked.head("200 OK", &[]);
        let mut chunk = vec![0x1f, 0x8b];
        chunk.resize(10_000, 8);
        while asked.send(&chunk) {
            count.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    });
    let reason = "sends more than the 67904 bytes that this file has at most";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
    assert_eq!(mirror.paths().len(), 1, "asked once");
    // What is beyond the cap lies in the buffers of both sockets.
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16_000_000, "{sent} bytes were taken");
}

#[test]
fn c8_lengths_that_lie() {
    let huge = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 99999999999"]);
        asked.hang();
    });
    let reason = "announces 99999999999 bytes, this file has at most 67904";
    assert_reason(&failure(&[huge.base()]), &huge.base(), reason);

    let short = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 100"]);
        let body = genuine(&asked.path);
        asked.send(&body);
    });
    let reason = "the gzip stream is cut off (3 tries)";
    assert_reason(&failure(&[short.base()]), &short.base(), reason);
}

#[test]
fn c8_chunked_without_a_length() {
    let mirror = Server::start(|asked| {
        asked.head("200 OK", &["Transfer-Encoding: chunked"]);
        for part in genuine(&asked.path).chunks(700) {
            asked.send(format!("{:x}\r\n", part.len()).as_bytes());
            asked.send(part);
            asked.send(b"\r\n");
        }
        asked.send(b"0\r\n\r\n");
    });
    let events = success(&[mirror.base()]);
    assert!(events[0].contains("bytes: None"), "{}", events[0]);

    let cut = Server::start(|asked| {
        asked.head("200 OK", &["Transfer-Encoding: chunked"]);
        asked.send(b"400\r\n");
        let body = genuine(&asked.path);
        asked.send(&body[..700]);
    });
    let message = failure(&[cut.base()]);
    assert!(message.contains(": cut off after 700 bytes"), "{message}");
    assert!(message.contains("(3 tries)"), "{message}");
}

/// HTTP/1.0 style: the end of the connection is the end of the body.
#[test]
fn c8_a_body_that_ends_with_the_connection() {
    let mirror = Server::start(|asked| {
        asked.head("200 OK", &[]);
        let body = genuine(&asked.path);
        asked.send(&body);
    });
    success(&[mirror.base()]);
}
