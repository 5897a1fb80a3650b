//! E2: clients that are slow with the head, with the body, or with reading.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{HANGS, connect, get, metric, nightly, receive, request, server};

/// Whether the other side has ended the connection.
fn is_closed(socket: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                );
            }
        }
    }
}

/// Sends the first bytes on many sockets, and one byte each now and then, until all are closed or
/// this is enough; all the while a client that does as it should gets its answer. Gives how long it
/// took.
fn trickle(
    address: SocketAddr,
    sockets: usize,
    first: &[u8],
    is_enough: impl Fn() -> bool,
) -> Duration {
    let begun = Instant::now();
    let mut open: Vec<TcpStream> = (0..sockets).map(|_| connect(address)).collect();
    for socket in &mut open {
        // Some have had to go already.
        let _ = socket.write_all(first);
        socket.set_nonblocking(true).unwrap();
    }
    while !open.is_empty() && !is_enough() {
        assert!(begun.elapsed() < HANGS, "{} are still open", open.len());
        assert_eq!(get(address, "/healthz").status, 200);
        open.retain_mut(|socket| {
            let _ = socket.write(b"a");
            !is_closed(socket)
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed()
}

/// Closed, and not before these seconds were over. How much later depends on the machine.
#[track_caller]
fn lasts(took: Duration, seconds: u64) {
    assert!(
        took >= Duration::from_secs(seconds),
        "closed after {took:?}"
    );
}

/// Until the last one is closed.
fn never() -> bool {
    false
}

const SLOW_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ";

fn slow_body() -> Vec<u8> {
    request("POST", "/api/predict", "Content-Length: 900\r\n")
}

/// All at the same time, for each of them waits.
#[test]
fn e2_slow_clients() {
    std::thread::scope(|scope| {
        scope.spawn(slow_heads);
        scope.spawn(slow_bodies);
        scope.spawn(slow_readers);
        scope.spawn(silence);
        scope.spawn(all_places_taken);
    });
}

/// Few enough to have their places for as long as is allowed.
fn slow_heads() {
    let server = server();
    let address = server.address();
    lasts(trickle(address, 20, SLOW_HEAD, never), 5);
    assert_eq!(metric(address, TOO_SLOW), 20);
}

fn silence() {
    let server = server();
    lasts(closed_after(server.address(), b""), 5);
    // An answer, and then nothing more.
    let hello = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    lasts(closed_after(server.address(), hello), 5);
}

/// How long a connection lasts on which nothing more is sent.
fn closed_after(address: SocketAddr, first: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut socket = connect(address);
    socket.write_all(first).unwrap();
    assert!(is_closed(&mut socket));
    begun.elapsed()
}

fn slow_bodies() {
    let server = server();
    let address = server.address();
    let mut told = connect(address);
    told.write_all(&slow_body()).unwrap();
    lasts(trickle(address, 20, &slow_body(), never), 8);
    let answers = receive(told);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status, 408, "{answers:?}");
    assert_eq!(metric(address, TOO_SLOW), 21);
}

/// More slow clients than there are places: they lose them.
fn all_places_taken() {
    let server = server();
    let address = server.address();
    // Descriptors for both sides of them are in one process, which may have 1,024.
    let many = if nightly() { 1_000 } else { 400 };
    let body = slow_body();
    for first in [SLOW_HEAD, &body] {
        let before = metric(address, DISPLACED);
        let are_displaced = || metric(address, DISPLACED) > before + 100;
        trickle(address, many, first, || !nightly() && are_displaced());
        assert!(are_displaced());
    }
}

const TOO_SLOW: &str = "lenet_rejected_total{reason=\"too_slow\"}";
const DISPLACED: &str = "lenet_rejected_total{reason=\"displaced\"}";

/// Clients that ask and ask, and never read.
fn slow_readers() {
    let server = server();
    let address = server.address();
    let ask = move || {
        let mut socket = connect(address);
        let requests = b"GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
        let begun = Instant::now();
        // Until the server has gone: its buffers and ours are full long before.
        let error = loop {
            if let Err(error) = socket.write_all(&requests) {
                break error;
            }
        };
        (begun.elapsed(), error.kind())
    };
    let asking: Vec<_> = (0..8).map(|_| std::thread::spawn(ask)).collect();
    while asking.iter().any(|thread| !thread.is_finished()) {
        assert_eq!(get(address, "/healthz").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    for thread in asking {
        let (took, error) = thread.join().unwrap();
        assert_ne!(
            error,
            io::ErrorKind::WouldBlock,
            "still open after {took:?}"
        );
        lasts(took, 10);
    }
    assert_eq!(metric(address, TOO_SLOW), 8);
}
