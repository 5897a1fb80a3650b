//! Downloads by separate processes: killed (C9), two at once (C10), on a full disk (C11), through a
//! proxy (C12), and offline (C13).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_data::embedded;
use lenet_data::registry::mnist;

use crate::{contains_all, fails, lenet, run_by, skipped, succeeds};

/// MNIST's files as a mirror has them, by their names.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let packed = |bytes: Vec<u8>| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap()
    };
    let files = std::iter::zip(&mnist().files, embedded::files().unwrap());
    files
        .map(|(file, bytes)| (format!("{}.gz", file.name), packed(bytes)))
        .collect()
});

/// One request: its method, target and range.
type Log = Arc<Mutex<Vec<String>>>;

/// A mirror on this machine that answers ranges and pauses after each chunk; for a CONNECT it is both
/// the proxy and the mirror beyond it. It ends with the tests.
fn mirror(chunk: usize, pause: Duration) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let requests = Arc::clone(&log);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let log = Arc::clone(&requests);
            thread::spawn(move || while serve(&stream, &log, chunk, pause).is_some() {});
        }
    });
    (base, log)
}

/// Answers one request; `None` ends the connection.
fn serve(mut stream: &TcpStream, log: &Log, chunk: usize, pause: Duration) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let line = head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case("range").then_some(value)
    });
    let entry = format!("{method} {target} {}", line.unwrap_or_default());
    log.lock().unwrap().push(entry.trim_end().to_owned());
    if method == "CONNECT" {
        return stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
    }
    let found = FILES
        .iter()
        .find(|(name, _)| target.ends_with(name.as_str()));
    let Some((_, body)) = found else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return None;
    };
    let first = line.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let first = first.map(|(first, _)| first.parse::<usize>().unwrap());
    let (status, from) = match first {
        Some(first) => ("206 Partial Content", first),
        None => ("200 OK", 0),
    };
    let whole = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{whole}\r\n\
         Connection: close\r\n\r\n",
        whole - from,
        whole - 1
    );
    stream.write_all(answer.as_bytes()).ok()?;
    for chunk in body[from..].chunks(chunk) {
        stream.write_all(chunk).ok()?;
        thread::sleep(pause);
    }
    None
}

fn assert_genuine(folder: &Path) {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != ".lock");
    names.sort();
    let mut expected: Vec<_> = FILES.iter().map(|(name, _)| name.clone()).collect();
    expected.sort();
    assert_eq!(names, expected);
    for (name, bytes) in FILES.iter() {
        assert!(fs::read(folder.join(name)).unwrap() == *bytes, "{name}");
    }
}

/// Killed again and again, each process continues where the previous one was.
#[test]
fn c9_kills_at_any_time_cost_little() {
    let root = tempfile::tempdir().unwrap();
    // The largest file takes a second.
    let (base, log) = mirror(64 * 1024, Duration::from_millis(6));
    let arguments = format!("data download --data-dir cache --mirror {base}");
    let asked = || log.lock().unwrap().len();
    let mut kills = 0;
    for round in 0..200 {
        let before = asked();
        let mut child = lenet(root.path(), &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From its first request on, so that a slow machine gets on, too.
        while asked() == before && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(20 + 37 * (round % 11)));
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        let status = child.wait().unwrap();
        // Whatever has its final name is whole.
        for (name, bytes) in FILES.iter() {
            if let Ok(found) = fs::read(root.path().join("cache/mnist").join(name)) {
                assert!(found == *bytes, "{name} after {kills} kills");
            }
        }
        if ended.is_some() {
            assert!(status.success());
            break;
        }
    }
    assert!(kills >= 2, "{kills} kills: too fast to test anything");
    succeeds(root.path(), &arguments);
    assert_genuine(&root.path().join("cache/mnist"));
    let log = log.lock().unwrap();
    assert!(log.iter().any(|entry| entry.contains("bytes=")), "{log:?}");
}

#[test]
fn c10_two_processes_fetch_each_file_once() {
    let root = tempfile::tempdir().unwrap();
    let (base, log) = mirror(256 * 1024, Duration::from_millis(5));
    let arguments = format!("data download --data-dir cache --mirror {base}");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| succeeds(root.path(), &arguments));
        }
    });
    assert_genuine(&root.path().join("cache/mnist"));
    assert_eq!(log.lock().unwrap().len(), 4);
}

/// A disk of 2 MB, in a name space of its own; the largest file needs 10.
#[cfg(target_os = "linux")]
#[test]
fn c11_a_full_disk_is_said_before_it_is_full() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("disk")).unwrap();
    let (base, _) = mirror(1 << 20, Duration::ZERO);
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs disk || exit 99\n\
         '{}' data download --data-dir disk --mirror {base}; code=$?\n\
         ls -A disk/mnist; exit $code",
        env!("CARGO_BIN_EXE_lenet")
    );
    let mut unshare = run_by(root.path(), "unshare", "--mount --map-root-user sh -c");
    let output = unshare.arg(&script).output();
    let output = match output {
        Ok(output) if ![Some(1), Some(99)].contains(&output.status.code()) => output,
        _ => return skipped("no name space with a disk of its own"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(
        errors.contains("train-images-idx3-ubyte.gz.part"),
        "{errors}"
    );
    assert!(
        errors.contains("bytes are to come, the disk has"),
        "{errors}"
    );
    // Nothing of the file that has no room.
    let left = String::from_utf8_lossy(&output.stdout);
    assert!(!left.contains("train-images"), "{left}");
}

#[test]
fn c1_c12_mirrors_and_proxies_are_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let (proxy, log) = mirror(1 << 20, Duration::ZERO);
    let download = |proxy: &str, exception: &str| {
        let download = "data download --data-dir cache --mirror http://mirror.invalid/mnist";
        let mut command = lenet(root, download);
        command.env("ALL_PROXY", proxy).env("NO_PROXY", exception);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, errors) = download(&proxy, "");
    assert_eq!(code, Some(0), "{errors}");
    assert_genuine(&root.join("cache/mnist"));
    let log = log.lock().unwrap().clone();
    assert!(
        log.iter().any(|entry| entry.contains("mirror.invalid")),
        "{log:?}"
    );

    fs::remove_dir_all(root.join("cache")).unwrap();
    // A port that was free a moment ago: the connection is refused.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let proxy = format!("http://{address}");
    let (code, errors) = download(&proxy, "");
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains(&address), "{errors}");
    // A host that is excepted is asked directly.
    let (code, errors) = download(&proxy, "mirror.invalid");
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("mirror.invalid/mnist"), "{errors}");
    // One that the client does not understand is an error, not none.
    for proxy in ["garbage:::", "socks5://localhost:1"] {
        let (code, errors) = download(proxy, "");
        assert_eq!(code, Some(2), "{errors}");
        contains_all(&errors, &["ALL_PROXY", proxy]);
    }
    let left = fs::read_dir(root.join("cache/mnist")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

/// Without a network: which files are missing, and nothing made; no socket is opened, as strace
/// records.
#[test]
fn c13_offline() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let offline = "data download all --offline --data-dir cache";
    let message = fails(root, offline, 4);
    contains_all(
        &message,
        &["mnist is incomplete: ", "train-images-idx3-ubyte.gz"],
    );
    assert!(!root.join("cache").exists());
    let folder = root.join("cache/mnist");
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in FILES.iter() {
        fs::write(folder.join(name), bytes).unwrap();
    }
    succeeds(root, "data download --offline --data-dir cache");
    let message = fails(root, offline, 4);
    assert!(
        message.contains("fashion-mnist is incomplete: "),
        "{message}"
    );

    let program = env!("CARGO_BIN_EXE_lenet");
    let traced = format!("-f -e trace=%network -o calls {program} {offline}");
    if run_by(root, "strace", &traced).output().is_err() {
        return skipped("there is no strace; Debian's package is `strace`");
    }
    let calls = fs::read_to_string(root.join("calls")).unwrap();
    let is_silent = !calls.contains("socket(") && !calls.contains("connect(");
    assert!(is_silent, "{calls}");
}

/// A training downloads what is absent if it is asked to; without a network it fails as a download.
#[test]
fn a_training_downloads_if_asked_to() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let training = "train --dataset kmnist --data-dir absent --output run";
    let message = fails(root, training, 3);
    contains_all(&message, &["kmnist is incomplete"]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut command = lenet(root, &format!("{training} --download"));
    let output = command.env("ALL_PROXY", proxy).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(!root.join("run").exists());
}
