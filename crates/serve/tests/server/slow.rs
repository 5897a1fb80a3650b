//! E2: clients that are slow with the head, with the body, or with reading.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{connect, get, metric, nightly, receive, request, server};

/// How much longer than allowed a connection may last: a thread that is kept waiting for the
/// processor looks at its clock late.
const SLACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 3 });

/// How long another client may be kept waiting.
fn patience() -> Duration {
    Duration::from_secs(if nightly() { 1 } else { 5 })
}

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

/// Sends the first bytes on many sockets, and one byte each now and then; all the while a client
/// that does as it should gets its answer. Gives how long it took until all were closed.
fn trickle(address: SocketAddr, sockets: usize, first: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut open: Vec<TcpStream> = (0..sockets).map(|_| connect(address)).collect();
    for socket in &mut open {
        // Some have had to go already.
        let _ = socket.write_all(first);
        socket.set_nonblocking(true).unwrap();
    }
    while !open.is_empty() {
        let asked = Instant::now();
        assert_eq!(get(address, "/healthz").status, 200);
        assert!(
            asked.elapsed() < patience(),
            "waited for {:?}",
            asked.elapsed()
        );
        open.retain_mut(|socket| {
            let _ = socket.write(b"a");
            !is_closed(socket)
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed()
}

/// More sockets than there are places, and descriptors for both sides of them in one process.
fn many() -> usize {
    if nightly() { 1_000 } else { 400 }
}

#[test]
fn e2_slow_heads() {
    let server = server();
    let address = server.address();
    let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ";
    let took = trickle(address, many(), head);
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
    assert!(metric(address, "lenet_rejected_total{reason=\"displaced\"}") > 0);
    // Few enough to have their places for as long as is allowed.
    let took = trickle(address, 20, head);
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
    // And a socket on which nothing comes at all.
    let took = trickle(address, 1, b"");
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
    assert!(metric(address, "lenet_rejected_total{reason=\"too_slow\"}") >= 20);
}

#[test]
fn e2_slow_bodies() {
    let server = server();
    let address = server.address();
    let head = request("POST", "/api/predict", "Content-Length: 900\r\n");
    let mut patient = connect(address);
    patient.write_all(&head).unwrap();
    let took = trickle(address, 20, &head);
    assert!(took >= Duration::from_secs(7), "{took:?}");
    assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
    let answers = receive(patient);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status, 408, "{answers:?}");
    // Where they take all places, they lose them.
    let took = trickle(address, many(), &head);
    assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
    assert!(metric(address, "lenet_rejected_total{reason=\"displaced\"}") > 0);
}

/// A client that asks and asks, and never reads.
#[test]
fn e2_slow_readers() {
    let server = server();
    let address = server.address();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
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
            })
        })
        .collect();
    while asking.iter().any(|thread| !thread.is_finished()) {
        let asked = Instant::now();
        assert_eq!(get(address, "/healthz").status, 200);
        assert!(
            asked.elapsed() < patience(),
            "waited for {:?}",
            asked.elapsed()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    for thread in asking {
        let (took, error) = thread.join().unwrap();
        assert_ne!(
            error,
            io::ErrorKind::WouldBlock,
            "still open after {took:?}"
        );
        assert!(took < Duration::from_secs(10) + SLACK, "{took:?}");
    }
    assert_eq!(
        metric(address, "lenet_rejected_total{reason=\"too_slow\"}"),
        8
    );
}
