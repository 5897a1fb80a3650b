//! Mirrors that cannot be reached, fall silent or break off (C1, C2, C3), and the wish to stop.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::server::{Server, closed};
use super::*;

#[test]
fn c1_a_closed_port_and_the_next_mirror() {
    let next = Server::genuine();
    let events = success(&[closed(), next.base()]);
    assert!(
        events[0].starts_with("Failed") && events[0].contains("cannot connect: Connection refused"),
        "{events:?}"
    );
    assert_eq!(
        events.len(),
        1 + 8,
        "asked in vain once, not for each file: {events:?}"
    );
}

#[test]
fn c1_every_mirror_fails_with_its_own_reason() {
    let (refusing, absent) = (closed(), Server::fixed("404 Not Found", &[], Vec::new()));
    let file = "train-images-idx3-ubyte.gz";
    let mirrors = [
        refusing.clone(),
        "http://mirror.invalid/x".to_owned(),
        absent.base(),
    ];
    let message = failure(&mirrors);
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 5, "{message}");
    assert_eq!(lines[0], format!("{file} of tiny could not be downloaded:"));
    assert!(
        lines[1].starts_with(&format!(
            "  {refusing}/{file}: cannot connect: Connection refused"
        )),
        "{message}"
    );
    // `.invalid` is never a host (RFC 6761); what a resolver answers differs without a network.
    assert!(
        lines[2].starts_with(&format!("  http://mirror.invalid/x/{file}: ")),
        "{message}"
    );
    assert_eq!(
        lines[3],
        format!("  {}/{file}: answers 404 Not Found", absent.base())
    );
    assert!(lines[4].contains("--data-dir"), "{message}");
}

/// Options by which a test soon gives up a mirror that does not answer.
fn unanswered(mirror: &str) -> Options {
    let mut options = options(&[mirror.to_owned()]);
    options.timeouts.connect = Duration::from_millis(400);
    options.timeouts.response = Duration::from_millis(400);
    options
}

#[test]
fn c2_a_server_that_never_answers() {
    let mirror = Server::start(|asked| asked.hang());
    assert_reason(
        &failure_by(&unanswered(&mirror.base())),
        &mirror.base(),
        "no answer within 400ms",
    );
    assert_eq!(mirror.paths().len(), 1, "asked once");

    let slow = Server::start(|asked| {
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Len");
        asked.hang();
    });
    assert_reason(
        &failure_by(&unanswered(&slow.base())),
        &slow.base(),
        "no answer within 400ms",
    );
}

#[test]
fn c2_a_server_that_never_finishes_the_tls_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    assert_reason(
        &failure_by(&unanswered(&base)),
        &base,
        "no connection within 400ms",
    );
}

#[test]
fn c12_a_server_that_speaks_no_tls() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", plain.local_addr().unwrap());
    let answer = thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.read(&mut [0; 64]);
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let message = failure(&[base]);
    answer.join().unwrap();
    assert!(message.contains(": no TLS connection: "), "{message}");
}

#[test]
fn c2_a_stall_in_the_body() {
    let mirror = Server::start(|asked| {
        let body = genuine(&asked.path);
        asked.head("200 OK", &[&format!("Content-Length: {}", body.len())]);
        asked.send(&body[..1000]);
        asked.hang();
    });
    let mut options = options(&[mirror.base()]);
    options.timeouts.stall = Duration::from_millis(300);
    let reason = "stalled: no byte within 300ms";
    assert_reason(&failure_by(&options), &mirror.base(), reason);

    let next = Server::genuine();
    options.mirrors = Some(vec![mirror.base(), next.base()]);
    // Long for a mirror on this machine, however busy it is.
    options.timeouts.stall = Duration::from_secs(3);
    success_by(&options);
}

#[test]
fn c2_a_trickle_is_a_stall() {
    let mirror = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 1000"]);
        let body = genuine(&asked.path);
        for byte in body.chunks(1).take(200) {
            if !asked.send(byte) {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
    });
    let mut options = options(&[mirror.base()]);
    options.timeouts.stall = Duration::from_millis(300);
    let message = failure_by(&options);
    assert!(message.contains(": stalled: "), "{message}");
    assert!(message.contains(" within 300ms\n"), "{message}");
}

#[test]
fn c3_a_truncated_body_is_asked_for_again() {
    let mirror = Server::start(|asked| {
        let body = genuine(&asked.path);
        let sent = if asked.before < 2 { 1000 } else { body.len() };
        asked.head("200 OK", &[&format!("Content-Length: {}", body.len())]);
        asked.send(&body[..sent]);
    });
    let events = success(&[mirror.base()]);
    let whole = genuine(NAMES[0]).len();
    assert!(
        events[1].starts_with("Retry")
            && events[1].contains(&format!("cut off after 1000 of {whole} bytes")),
        "{events:?}"
    );
    assert_eq!(mirror.paths().len(), 6);
}

#[test]
fn c3_a_body_that_is_always_truncated() {
    let mirror = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 2000"]);
        let body = genuine(&asked.path);
        asked.send(&body[..1234]);
    });
    let reason = "cut off after 1234 of 2000 bytes (3 tries)";
    assert_reason(&failure(&[mirror.base()]), &mirror.base(), reason);
    assert_eq!(mirror.paths().len(), 3);
}

#[test]
fn a_connection_that_ends_without_an_answer_is_tried_again() {
    let mirror = Server::start(|asked| {
        let body = genuine(&asked.path);
        if asked.before > 0 {
            asked.respond("200 OK", &[], &body);
        }
    });
    let events = success(&[mirror.base()]);
    assert!(
        events[0].contains("the connection broke off: "),
        "{events:?}"
    );
}

#[test]
fn an_answer_that_is_not_http() {
    let mirror = Server::start(|asked| {
        asked.send(b"220 ready\r\n\r\n");
    });
    let message = failure(&[mirror.base()]);
    assert!(message.contains(": no HTTP answer: "), "{message}");
}

/// Raises the stop flag a moment after the server was asked. Each wait would last at least as long as
/// the pause between two tries.
#[track_caller]
fn assert_stops(server: &Server, options: &Options) {
    let folder = tempfile::tempdir().unwrap();
    let (stop, start) = (AtomicBool::new(false), Instant::now());
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while server.paths().is_empty() && start.elapsed() < HANGS {
                thread::sleep(Duration::from_millis(2));
            }
            thread::sleep(Duration::from_millis(50));
            stop.store(true, Ordering::SeqCst);
        });
        let stop = || stop.load(Ordering::SeqCst);
        download(spec(&[]), folder.path(), options, &mut |_| {}, &stop)
    });
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error:?}");
    assert_eq!(error.to_string(), "stopped on request");
    assert!(start.elapsed() < options.backoff, "{:?}", start.elapsed());
    let part = |name: &OsString| name.to_string_lossy().ends_with(".gz.part");
    assert!(names(folder.path()).iter().all(part));
}

#[test]
fn the_stop_flag_interrupts_every_wait() {
    let patient = |server: &Server| Options {
        timeouts: Timeouts {
            connect: 10 * HANGS,
            response: 10 * HANGS,
            stall: 10 * HANGS,
        },
        // After one of more than 30 s, with its random part, it would go to the next mirror.
        backoff: Duration::from_secs(20),
        ..options(&[server.base()])
    };
    let silent = Server::start(|asked| asked.hang());
    assert_stops(&silent, &patient(&silent));

    let stalled = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 1000"]);
        asked.send(b"\x1f\x8b");
        asked.hang();
    });
    assert_stops(&stalled, &patient(&stalled));

    let busy = Server::fixed("503 Service Unavailable", &[], Vec::new());
    assert_stops(&busy, &patient(&busy));
}

#[test]
fn a_stop_flag_that_is_up_opens_no_connection() {
    let mirror = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let options = options(&[mirror.base()]);
    let result = download(spec(&[]), folder.path(), &options, &mut |_| {}, &|| true);
    assert!(matches!(result.unwrap_err(), Error::Interrupted));
    assert!(mirror.paths().is_empty());
}
