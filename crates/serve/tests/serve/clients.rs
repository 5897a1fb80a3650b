//! E2, E5 and E7: clients that are slow, clients that are many, and clients at the end.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::{
    Answer, HANGS, connect, drawn, json, memory, metric, nightly, of_process, post, prediction,
    receive, request, send, server,
};

const SLOW_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ";

fn slow_body() -> Vec<u8> {
    request("POST", "/api/predict", "Content-Length: 900\r\n")
}

/// Sends the first bytes and then one byte now and then until the server ends the connection;
/// returns what it said.
fn trickle(address: SocketAddr, first: &[u8]) -> Vec<Answer> {
    let mut socket = connect(address);
    socket.write_all(first).unwrap();
    let reader = socket.try_clone().unwrap();
    let reading = thread::spawn(move || reader.peek(&mut [0]));
    while !reading.is_finished() {
        thread::sleep(Duration::from_millis(100));
        let _ = socket.write(b"a");
    }
    // Open after that time, it would time out.
    let kind = reading.join().unwrap().map_err(|error| error.kind());
    assert_ne!(kind, Err(ErrorKind::WouldBlock));
    receive(socket)
}

/// One byte now and then does not help.
#[test]
fn e2_slow_senders_are_cut_off() {
    let server = server();
    let address = server.address();
    let hello = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    thread::scope(|scope| {
        let body = scope.spawn(|| trickle(address, &slow_body()));
        let head = scope.spawn(|| trickle(address, SLOW_HEAD));
        // Nothing at all, and nothing after an answer.
        let silent = scope.spawn(|| send(address, b""));
        let idle = scope.spawn(|| send(address, hello));
        let statuses = |answers: Vec<Answer>| answers.iter().map(|a| a.status).collect::<Vec<_>>();
        assert_eq!(statuses(body.join().unwrap()), [408]);
        assert_eq!(statuses(head.join().unwrap()), [0; 0]);
        assert_eq!(statuses(silent.join().unwrap()), [0; 0]);
        assert_eq!(statuses(idle.join().unwrap()), [200]);
    });
    assert_eq!(metric(address, "lenet_timeouts_total"), 3);
}

/// A client that asks and asks, and never reads.
#[test]
fn e2_a_client_that_does_not_read_is_cut_off() {
    let server = server();
    let mut socket = connect(server.address());
    let requests = b"GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    // Until the server has gone: its buffers and ours are full long before.
    let error = loop {
        if let Err(error) = socket.write_all(&requests) {
            break error;
        }
    };
    assert_ne!(error.kind(), ErrorKind::WouldBlock, "still open");
    assert_eq!(metric(server.address(), "lenet_timeouts_total"), 1);
}

/// They take nobody's place.
#[test]
fn e2_a_thousand_slow_clients_keep_nobody_out() {
    let server = server();
    let address = server.address();
    // Both sides of each connection are in this process, beside those of other tests.
    if of_process("limits", "Max open files").is_none_or(|limit| limit < 3_000) {
        // Past the test runner, which keeps what a passing test prints.
        let reason = "skipped: a thousand slow clients: this process may not open 3,000 files";
        return writeln!(std::io::stdout(), "{reason}").unwrap();
    }
    let body = slow_body();
    let slow: Vec<TcpStream> = (0..1_000)
        .map(|number| {
            let mut socket = connect(address);
            socket
                .write_all(if number % 2 == 0 { SLOW_HEAD } else { &body })
                .unwrap();
            socket
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(
            post(address, "image/png", &drawn("7-007.png")).json()["label"],
            "7"
        );
    }
    drop(slow);
}

/// Requests that differ, each with the answer that it gets alone.
fn questions(address: SocketAddr) -> Vec<(Vec<u8>, Answer)> {
    let pixels = |seed: usize| {
        let lit = |at: usize| (at / 28 + seed) % 9 < 3 && (at % 28) / 4 % 3 != seed % 3;
        let pixels: Vec<_> = (0..784)
            .map(|at| if lit(at) { 150 + seed } else { 0 })
            .collect();
        prediction("application/json", &json(&pixels))
    };
    let picture = |digit| prediction("image/png", &drawn(&format!("{digit}-007.png")));
    let requests = (0..20).map(pixels).chain((0..10).map(picture));
    requests
        .map(|request| (request.clone(), crate::ask(address, &request)))
        .collect()
}

/// Tolerance: in a batch, sums in another order differ by some 1e-7; other images by 1e-2.
fn assert_same(answer: &Answer, alone: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let (answer, alone) = (answer.json(), alone.json());
    assert_eq!(answer["label"], alone["label"]);
    for (name, value) in answer["probabilities"].as_object().unwrap() {
        let difference = value.as_f64().unwrap() - alone["probabilities"][name].as_f64().unwrap();
        assert!(difference.abs() < 1e-5, "{name}: {answer} {alone}");
    }
}

/// Fewer clients than may wait: each gets the answer to its own question.
#[test]
fn e5_many_clients() {
    let server = server();
    let address = server.address();
    let questions = questions(address);
    let rounds = if nightly() { 100 } else { 2 };
    thread::scope(|scope| {
        for client in 0..100 {
            let questions = &questions;
            scope.spawn(move || {
                for round in 0..rounds * questions.len() {
                    let (request, alone) = &questions[(client + round) % questions.len()];
                    assert_same(&crate::ask(address, request), alone);
                }
            });
        }
    });
    if nightly() {
        assert!(
            memory().is_none_or(|memory| memory < 200),
            "{:?} MiB",
            memory()
        );
    }
}

/// Requests that have begun are answered before the end; later ones find nobody.
#[test]
fn e7_an_end_under_load() {
    let server = server();
    let address = server.address();
    let questions = questions(address);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..16 {
            let (questions, answered) = (&questions, &answered);
            scope.spawn(move || {
                let (request, alone) = &questions[client];
                while let Ok(mut socket) = TcpStream::connect(address) {
                    socket.set_read_timeout(Some(HANGS)).unwrap();
                    let _ = socket.write_all(request);
                    match receive(socket).first() {
                        Some(answer) => assert_same(answer, alone),
                        None => break,
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while answered.load(Ordering::Relaxed) < 50 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop(HANGS), 0);
    });
    assert!(TcpStream::connect(address).is_err());
}
