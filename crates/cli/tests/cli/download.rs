//! Downloads by the program: on a full disk (C11), through a proxy (C12), and offline (C13).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_data::embedded;
use lenet_data::registry::mnist;

use crate::{contains_all, fails, lenet, succeeds};

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

/// The method and target of each request.
type Log = Arc<Mutex<Vec<String>>>;

/// A mirror on this machine; for a CONNECT it is both the proxy and the mirror beyond it. It ends
/// with the tests.
fn mirror() -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let requests = Arc::clone(&log);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let log = Arc::clone(&requests);
            thread::spawn(move || while serve(&stream, &log).is_some() {});
        }
    });
    (base, log)
}

/// Answers one request; `None` ends the connection.
fn serve(mut stream: &TcpStream, log: &Log) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    log.lock().unwrap().push(format!("{method} {target}"));
    if method == "CONNECT" {
        return stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
    }
    let mut files = FILES.iter();
    let (_, body) = files.find(|(name, _)| target.ends_with(name.as_str()))?;
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    None
}

/// A disk of 2 MB, in a name space of its own; the largest file needs 10.
#[cfg(target_os = "linux")]
#[test]
fn c11_a_full_disk_is_said_before_it_is_full() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("disk")).unwrap();
    let (base, _) = mirror();
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs disk || exit 99\n\
         '{}' data download --data-dir disk --mirror {base}; code=$?\n\
         ls -A disk/mnist; exit $code",
        env!("CARGO_BIN_EXE_lenet")
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script]);
    let output = match command.current_dir(root.path()).output() {
        Ok(output) if ![Some(1), Some(99)].contains(&output.status.code()) => output,
        _ => {
            let reason = "skipped: no name space with a disk of its own";
            let _ = writeln!(std::io::stderr(), "{reason}");
            return;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{errors}");
    let parts = [
        "train-images-idx3-ubyte.gz.part",
        "bytes are to come, the disk has",
    ];
    contains_all(&errors, &parts);
    // Nothing of the file that has no room.
    let left = String::from_utf8_lossy(&output.stdout);
    assert!(!left.contains("train-images"), "{left}");
}

#[test]
fn c12_proxies_are_used_excepted_and_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let (proxy, log) = mirror();
    let download = |proxy: &str, exception: &str, code: i32| {
        let mut command = lenet(root);
        command.args(["data", "download", "--data-dir", "cache", "--mirror"]);
        command.arg("http://mirror.invalid/mnist");
        command.env("ALL_PROXY", proxy).env("NO_PROXY", exception);
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        errors
    };
    download(&proxy, "", 0);
    for (name, bytes) in FILES.iter() {
        let found = fs::read(root.join("cache/mnist").join(name)).unwrap();
        assert!(found == *bytes, "{name}");
    }
    contains_all(&log.lock().unwrap().join("\n"), &["mirror.invalid"]);

    fs::remove_dir_all(root.join("cache")).unwrap();
    // A port that was free a moment ago: the connection is refused.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let proxy = format!("http://{address}");
    contains_all(&download(&proxy, "", 4), &[&address]);
    // A host that is excepted is asked directly.
    let errors = download(&proxy, "mirror.invalid", 4);
    contains_all(&errors, &["mirror.invalid/mnist"]);
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
    let parts = ["mnist is incomplete: ", "train-images-idx3-ubyte.gz"];
    contains_all(&fails(root, offline, 4), &parts);
    assert!(!root.join("cache").exists());
    let folder = root.join("cache/mnist");
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in FILES.iter() {
        fs::write(folder.join(name), bytes).unwrap();
    }
    succeeds(root, "data download --offline --data-dir cache");

    let mut strace = Command::new("strace");
    strace.current_dir(root);
    strace.args(["-f", "-e", "trace=%network", "-o", "calls"]);
    strace.arg(env!("CARGO_BIN_EXE_lenet"));
    if strace.args(offline.split_whitespace()).output().is_ok() {
        let calls = fs::read_to_string(root.join("calls")).unwrap();
        let is_asked = calls.contains("socket(") || calls.contains("connect(");
        assert!(!is_asked, "{calls}");
    }
}
