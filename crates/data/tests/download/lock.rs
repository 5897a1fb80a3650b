//! Two processes at once (C10), several files at once, and no network at all (C13).

use std::fs::{self, File};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::server::{Server, closed};
use super::*;

/// Each call opens the lock for itself, as two processes do.
#[test]
fn c10_two_downloads_of_one_set_fetch_it_once() {
    let server = Server::start(|asked| {
        thread::sleep(Duration::from_millis(100));
        let body = genuine(&asked.path);
        asked.respond("200 OK", &[], &body);
    });
    let folder = tempfile::tempdir().unwrap();
    let both: Vec<Vec<String>> = thread::scope(|scope| {
        let download = || {
            let (result, events) = run(folder.path(), &options(&[server.base()]));
            result.unwrap();
            events
        };
        let both = [scope.spawn(download), scope.spawn(download)];
        both.map(|thread| thread.join().unwrap()).into()
    });
    assert_eq!(server.paths().len(), 4, "{:?}", server.paths());
    let present = |events: &Vec<String>| events.iter().filter(|e| e.starts_with("Present")).count();
    assert_eq!(both.iter().map(present).sum::<usize>(), 4, "{both:?}");
    assert_genuine(folder.path());
}

#[test]
fn c10_waiting_is_said_after_two_seconds_and_can_be_stopped() {
    let server = Server::genuine();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let held = File::create(folder.join(".lock")).unwrap();
    held.lock().unwrap();
    let stop = || true;
    let result = download(
        spec(&[]),
        folder,
        &options(&[server.base()]),
        &mut |_| {},
        &stop,
    );
    assert!(matches!(result.unwrap_err(), Error::Interrupted));

    let (result, events) = thread::scope(|scope| {
        let (sender, said) = channel();
        let server = &server;
        let waiting = scope.spawn(move || {
            let mut progress = |event: Progress<'_>| sender.send(format!("{event:?}")).unwrap();
            let options = options(&[server.base()]);
            download(spec(&[]), folder, &options, &mut progress, &|| false)
        });
        let first = said.recv().unwrap();
        assert!(server.paths().is_empty());
        drop(held);
        let result = waiting.join().unwrap();
        (result, [vec![first], said.iter().collect()].concat())
    });
    result.unwrap();
    assert!(events[0].starts_with("Waiting { folder: "), "{events:?}");
    let repeated = events.iter().filter(|event| event.starts_with("Waiting"));
    assert_eq!(repeated.count(), 1);
    // The lock of a process that is gone is none.
    assert!(folder.join(".lock").exists());
    run(folder, &options(&[server.base()])).0.unwrap();
}

/// The server answers nobody before all four have asked.
#[test]
fn files_are_fetched_at_the_same_time() {
    let barrier = Arc::new(Barrier::new(4));
    let server = Server::start(move |asked| {
        barrier.wait();
        let body = genuine(&asked.path);
        asked.respond("200 OK", &[], &body);
    });
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&[server.base()]);
    options.parallel = Options::default().parallel;
    assert_eq!(options.parallel, 4);
    let (result, events) = run(folder.path(), &options);
    result.unwrap();
    assert_genuine(folder.path());
    assert_eq!(
        events
            .iter()
            .filter(|event| event.starts_with("Done"))
            .count(),
        4
    );
}

/// One file that no mirror has ends it all; the others, which were under way, stay.
#[test]
fn one_of_several_fails() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = Server::start(move |asked| {
        counter.fetch_add(1, Ordering::SeqCst);
        let body = genuine(&asked.path);
        match asked.path.contains("t10k-images") {
            true => asked.respond("404 Not Found", &[], b""),
            false => asked.respond("200 OK", &[], &body),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&[server.base()]);
    options.parallel = 4;
    let error = run(folder.path(), &options).0.unwrap_err().to_string();
    assert!(
        error.starts_with("t10k-images-idx3-ubyte.gz of tiny could not be downloaded:"),
        "{error}"
    );
    for name in names(folder.path()) {
        assert!(name.to_string_lossy().ends_with(".gz"), "{name:?}");
    }
}

#[test]
fn c13_offline_asks_nobody() {
    let server = Server::genuine();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&[server.base(), closed()]);
    options.offline = true;
    let missing = folder.path().join("none");
    let (result, events) = run(&missing, &options);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Offline { .. }), "{error:?}");
    let message = error.to_string();
    for part in [
        "train-images-idx3-ubyte.gz, train-labels",
        "of tiny",
        "--offline",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!missing.exists() && events.is_empty());
    for name in NAMES {
        fs::write(folder.path().join(format!("{name}.gz")), genuine(name)).unwrap();
    }
    run(folder.path(), &options).0.unwrap();
    fs::write(folder.path().join(format!("{}.gz", NAMES[2])), "damaged").unwrap();
    let error = run(folder.path(), &options).0.unwrap_err().to_string();
    assert!(
        error.contains("lacks t10k-images-idx3-ubyte.gz of tiny"),
        "{error}"
    );
    assert!(server.paths().is_empty());
    assert!(!folder.path().join(".lock").exists(), "nothing is written");
}
