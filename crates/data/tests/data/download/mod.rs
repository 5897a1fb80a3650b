//! Downloads against a real server on this machine, whose answers each test scripts: faults C1 to
//! C10. C11 to C13 need the program, see crates/cli/tests/cli/download.rs.

mod server;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use lenet_data::DatasetSpec;
use lenet_data::download::{Options, Progress, download};
use lenet_files::{Kind, Result};
use server::{Asked, Server, closed};

use crate::common::{Miniature, archive, gzip, load, miniature, only};

static MNIST: LazyLock<Miniature> = LazyLock::new(|| miniature("mnist"));
static LETTERS: LazyLock<Miniature> = LazyLock::new(|| miniature("emnist-letters"));

const FIRST: &str = "train-images-idx3-ubyte.gz";

/// What a genuine mirror has under a name.
fn genuine(name: &str) -> Vec<u8> {
    let files = std::iter::zip(&MNIST.spec.files, &MNIST.files);
    let mut named = files.filter(|(file, _)| file.gz() == name);
    gzip(named.next().unwrap().1)
}

fn mirror() -> Server {
    cut_mirror(|_| usize::MAX)
}

/// A mirror whose answers end after some bytes.
fn cut_mirror(most: impl Fn(&Asked) -> usize + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        let most = most(asked);
        asked.respond_range(&genuine(&asked.name), most);
    })
}

/// After this time a download hangs; no machine is so slow.
const HANGS: Duration = Duration::from_secs(120);

fn options(mirrors: &[&str]) -> Options {
    Options {
        mirrors: Some(mirrors.iter().map(|&base| base.to_owned()).collect()),
        connect_timeout: HANGS,
        response_timeout: HANGS,
        stall_timeout: HANGS,
        backoff: Duration::from_millis(5),
        ..Options::default()
    }
}

type Outcome = (Result<Vec<PathBuf>>, Vec<String>);

/// A download and what it reported.
fn run_of(spec: &DatasetSpec, folder: &Path, options: &Options) -> Outcome {
    let mut events = Vec::new();
    let mut progress = |event: Progress<'_>| match event {
        Progress::Info(text) | Progress::Warning(text) => events.push(text),
        _ => {}
    };
    let result = download(spec, folder, options, &mut progress, &|| false);
    (result, events)
}

fn run(folder: &Path, options: &Options) -> Outcome {
    run_of(MNIST.spec, folder, options)
}

/// The names in a folder, in order, without that of its lock.
fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != ".lock");
    names.sort();
    names
}

#[track_caller]
fn assert_genuine(set: &Miniature, folder: &Path) {
    let files = set.spec.files.iter();
    let mut expected: Vec<OsString> = files.map(|file| file.gz().into()).collect();
    expected.sort();
    assert_eq!(names(folder), expected, "four files and no temporary one");
    load(set.spec, &only(folder)).unwrap();
}

/// Downloads from the mirrors into a folder of its own: all four files must be genuine.
#[track_caller]
fn success(mirrors: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (result, events) = run(folder.path(), &options(mirrors));
    result.unwrap();
    assert_genuine(&MNIST, folder.path());
    events
}

/// Downloads into a folder of its own and returns the error's text.
#[track_caller]
fn failure(options: &Options) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = run(folder.path(), options).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    let parts = |name: &OsString| name.to_string_lossy().ends_with(".part");
    assert!(names(folder.path()).iter().all(parts), "unverified");
    error.to_string()
}

#[test]
fn four_files_arrive_once_and_damaged_ones_are_replaced() {
    let (server, root) = (mirror(), tempfile::tempdir().unwrap());
    let folder = root.path().join("new").join("mnist");
    let mut options = options(&[&server.base()]);
    let (paths, events) = run(&folder, &options);
    assert_eq!(paths.unwrap()[0], folder.join(FIRST));
    assert_genuine(&MNIST, &folder);
    let (base, size) = (server.base(), genuine(FIRST).len());
    assert_eq!(events[0], format!("{FIRST} from {base}/{FIRST}"));
    assert_eq!(events[1], format!("{FIRST}: {size} bytes, verified"));
    assert_eq!(events.len(), 8);

    let (_, events) = run(&folder, &options);
    let here = |event: &String| event.ends_with("already here");
    assert!(events.iter().all(here), "{events:?}");
    fs::write(folder.join(FIRST), "damaged").unwrap();
    let (_, events) = run(&folder, &options);
    assert!(events[0].ends_with("it is fetched again"), "{events:?}");
    assert_genuine(&MNIST, &folder);
    assert_eq!(server.requests(), 5);
    options.force = true;
    run(&folder, &options).0.unwrap();
    assert_eq!(server.requests(), 9);
}

#[test]
fn c1_a_mirror_that_refuses_is_left_at_once() {
    let events = success(&[&closed(), &mirror().base()]);
    assert!(events[0].contains("refused"), "{events:?}");
    // Only once, not for each file.
    assert_eq!(events.len(), 1 + 8, "{events:?}");

    let (closed, absent) = (closed(), Server::fixed("404 Not Found", &[], Vec::new()));
    // `.invalid` is never a host (RFC 6761).
    let mirrors = [&closed, "http://mirror.invalid/x", &absent.base()];
    let message = failure(&options(&mirrors));
    let lines: Vec<_> = message.lines().collect();
    for (line, base) in std::iter::zip(&lines[1..], mirrors) {
        let start = format!("  {base}/{FIRST}: ");
        assert!(line.starts_with(&start), "{message}");
    }
    assert!(lines[3].ends_with(": answers 404 Not Found"), "{message}");
    assert!(failure(&options(&[])).contains("there is no mirror"));
}

/// Each timeout is only long enough for a server that never does what it bounds.
#[test]
fn c2_silence_a_stall_and_a_trickle() {
    let short = Duration::from_millis(300);
    let silent = Server::start(Asked::hang);
    let mut patience = options(&[&silent.base()]);
    patience.response_timeout = short;
    assert!(failure(&patience).contains(": timeout"));
    assert_eq!(silent.requests(), 1);

    let stalled = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 50000"]);
        asked.send(b"\x1f\x8b");
        asked.hang();
    });
    let mut patience = options(&[&stalled.base()]);
    patience.stall_timeout = short;
    assert!(failure(&patience).contains("cut off after 2 bytes: timeout"));

    let trickle = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 50000"]);
        while asked.send(b"\x1f") {
            thread::sleep(Duration::from_millis(25));
        }
    });
    patience.mirrors = Some(vec![trickle.base()]);
    patience.stall_timeout = Duration::from_secs(1);
    assert!(failure(&patience).contains("stalled: "));
}

#[test]
fn c3_the_rest_of_a_cut_off_file_is_asked_for() {
    for k in [2, 1000, genuine(FIRST).len() - 1] {
        let server = cut_mirror(move |asked| if asked.before == 0 { k } else { usize::MAX });
        let events = success(&[&server.base()]);
        let wanted = [None, Some(format!("bytes={k}-"))];
        assert_eq!(server.ranges(FIRST), wanted);
        let resumed = format!("; {k} bytes are already here");
        let resumes = |event: &String| event.contains(&resumed);
        assert!(events.iter().any(resumes), "{events:?}");
    }
    // Three tries, each of which continues the one before; a later process continues the last.
    let server = cut_mirror(|_| 500);
    let folder = tempfile::tempdir().unwrap();
    let error = run(folder.path(), &options(&[&server.base()])).0;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(": cut off after 1500 bytes: "), "{error}");
    assert!(error.contains(" (3 tries)\n"), "{error}");
    let server = mirror();
    run(folder.path(), &options(&[&server.base()])).0.unwrap();
    assert_eq!(server.ranges(FIRST), [Some("bytes=1500-".to_owned())]);
    assert_genuine(&MNIST, folder.path());
}

/// What an earlier process left is not trusted: the digest decides, and then the same mirror is
/// asked for the whole file.
#[test]
fn c9_parts_of_an_earlier_process() {
    let whole = genuine(FIRST);
    let mut other = whole[..1000].to_vec();
    other[700] ^= 1;
    let size = whole.len();
    for (part, asked) in [
        (other, vec![Some("bytes=1000-".to_owned()), None]),
        // Killed between the last byte and the final name.
        (whole.clone(), vec![Some(format!("bytes={size}-"))]),
        (
            [&whole[..], b"more"].concat(),
            vec![Some(format!("bytes={}-", size + 4)), None],
        ),
        (vec![0x1f; 1 << 20], vec![None]),
        // Zeros after a power cut, and an error page.
        (vec![0; 1000], vec![None]),
        (vec![0; size], vec![None]),
        (b"<html>Sign in</html>".to_vec(), vec![None]),
        (Vec::new(), vec![None]),
    ] {
        let (server, folder) = (mirror(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join(format!("{FIRST}.part")), part).unwrap();
        run(folder.path(), &options(&[&server.base()])).0.unwrap();
        assert_genuine(&MNIST, folder.path());
        assert_eq!(server.ranges(FIRST), asked);
    }
    // A server without ranges sends the whole.
    let plain = Server::start(|asked| {
        let body = genuine(&asked.name);
        asked.respond("200 OK", &[], &body);
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{FIRST}.part")), &whole[..1000]).unwrap();
    run(folder.path(), &options(&[&plain.base()])).0.unwrap();
    assert_genuine(&MNIST, folder.path());
}

#[test]
fn c4_busy_mirrors_are_asked_again_and_others_left() {
    for (status, headers, requests) in [
        ("404 Not Found", &[][..], 1),
        ("403 Forbidden", &["Retry-After: 1"], 1),
        ("503 Service Unavailable", &[], 3),
        ("429 Too Many Requests", &["Retry-After: 31"], 1),
    ] {
        let server = Server::fixed(status, headers, Vec::new());
        let message = failure(&options(&[&server.base()]));
        assert!(message.contains(&format!("answers {status}")), "{message}");
        assert_eq!(server.requests(), requests, "{status}");
    }
    let server = Server::start(|asked| {
        let body = genuine(&asked.name);
        match asked.before {
            0 => asked.respond("429 Too Many Requests", &["Retry-After: 1"], b""),
            1 => asked.respond("500 Internal Server Error", &[], b""),
            _ => asked.respond("200 OK", &[], &body),
        }
    });
    let start = Instant::now();
    let events = success(&[&server.base()]);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(events[0].ends_with("; trying again in 1.0s"), "{events:?}");
}

/// C5, C6, C8: whatever is wrong with the content, the next mirror is asked, and nothing is left.
#[test]
fn c6_wrong_content_of_every_kind() {
    let html = &["Content-Type: text/html; charset=utf-8"];
    let endless = Server::start(|asked| {
        asked.head("200 OK", &[]);
        asked.send(&[0x1f, 0x8b]);
        while asked.send(&[8; 10_000]) {}
    });
    let twice = Server::start(|asked| {
        let body = gzip(&genuine(&asked.name));
        asked.respond("200 OK", &["Content-Encoding: gzip"], &body);
    });
    let bomb = gzip(&vec![0; 50_000_000]);
    for (server, reason) in [
        (
            Server::fixed("200 OK", html, b"<!DOCTYPE html>Sign in".to_vec()),
            "sends text/html; charset=utf-8, not a gzip file",
        ),
        (Server::fixed("200 OK", &[], Vec::new()), "not a gzip file"),
        (
            Server::fixed("200 OK", &[], genuine("t10k-images-idx3-ubyte.gz")),
            "bytes when decompressed, the genuine file has",
        ),
        (
            Server::fixed("200 OK", &[], bomb),
            "decompresses to more than",
        ),
        (endless, "this file has at most"),
        (twice, "decompresses to more than"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&[&server.base()]);
        let error = run(folder.path(), &options).0.unwrap_err().to_string();
        assert!(error.contains(reason), "{reason:?} in {error}");
        assert_eq!(names(folder.path()), Vec::<OsString>::new());
        assert_eq!(server.requests(), 1);
        success(&[&server.base(), &mirror().base()]);
    }
}

#[test]
fn c7_five_redirects_are_followed() {
    let target = mirror();
    let base = target.base();
    let server = Server::start(move |asked| {
        // /x.gz, /1/x.gz ... /4/x.gz, and then the other server.
        let (hops, name) = asked.name.split_once('/').unwrap_or(("0", &asked.name));
        let location = match hops.parse().unwrap() {
            4 => format!("Location: {base}/{name}"),
            hops => format!("Location: /{}/{name}", hops + 1),
        };
        asked.respond("307 Temporary Redirect", &[&location], b"moved");
    });
    success(&[&server.base()]);
    assert_eq!((server.requests(), target.requests()), (20, 4));

    let endless = Server::fixed("302 Found", &["Location: /again"], Vec::new());
    assert!(failure(&options(&[&endless.base()])).contains("too many redirects"));
    assert_eq!(endless.requests(), 6);
    let local = Server::fixed("302 Found", &["Location: file:///etc/passwd"], Vec::new());
    failure(&options(&[&local.base()]));
}

/// Each call opens the lock for itself, as two processes do; each reports its wait once.
#[test]
fn c10_two_downloads_of_one_set_fetch_it_once() {
    let (server, folder) = (mirror(), tempfile::tempdir().unwrap());
    let held = File::create(folder.path().join(".lock")).unwrap();
    held.lock().unwrap();
    let (sender, reported) = channel();
    thread::scope(|scope| {
        let (folder, server) = (folder.path(), &server);
        for sender in [sender.clone(), sender] {
            scope.spawn(move || {
                let mut progress = |event: Progress<'_>| sender.send(format!("{event:?}")).unwrap();
                let options = options(&[&server.base()]);
                download(MNIST.spec, folder, &options, &mut progress, &|| false).unwrap();
            });
        }
        let waiting = |event: &String| event.contains("another process");
        assert_eq!(reported.iter().filter(waiting).take(2).count(), 2);
        assert_eq!(server.requests(), 0);
        drop(held);
        assert!(!reported.iter().any(|event| waiting(&event)));
    });
    assert_eq!(server.requests(), 4);
    assert_genuine(&MNIST, folder.path());
}

/// Raised a moment after the server was asked, the stop flag ends every wait, each of which would
/// last for minutes.
#[test]
fn the_stop_flag_interrupts_every_wait() {
    let stalled = Server::start(|asked| {
        asked.head("200 OK", &["Content-Length: 1000"]);
        asked.send(b"\x1f\x8b");
        asked.hang();
    });
    let busy = Server::fixed("503 Service Unavailable", &[], Vec::new());
    for server in [Server::start(Asked::hang), stalled, busy] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&[&server.base()]);
        options.backoff = HANGS;
        let (stop, start) = (AtomicBool::new(false), Instant::now());
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                while server.requests() == 0 && start.elapsed() < HANGS {
                    thread::sleep(Duration::from_millis(2));
                }
                thread::sleep(Duration::from_millis(50));
                stop.store(true, Ordering::SeqCst);
            });
            let stop = || stop.load(Ordering::SeqCst);
            download(MNIST.spec, folder.path(), &options, &mut |_| {}, &stop).unwrap_err()
        });
        assert_eq!(error.kind(), Kind::Interrupted);
        assert!(start.elapsed() < HANGS);
    }
}

/// The letters' archive, with a large member before each of theirs, on a mirror.
fn zipped(deflated: bool) -> Server {
    let noise: Vec<u8> = (0..300_000)
        .map(|i| crate::common::pixel(i, 0, 0))
        .collect();
    let mut members = Vec::new();
    for member in LETTERS.members() {
        members.extend([(format!("other-{}", member.0), noise.clone()), member]);
    }
    let body = archive(&members, deflated);
    Server::start(move |asked| asked.respond_range(&body, usize::MAX))
}

/// EMNIST: of an archive of 1.4 MB, 16 KiB blocks and the members' bytes are asked for.
#[test]
fn members_of_an_archive_are_fetched_alone() {
    for deflated in [false, true] {
        let server = zipped(deflated);
        let folder = tempfile::tempdir().unwrap();
        let options = options(&[&server.base()]);
        run_of(LETTERS.spec, folder.path(), &options).0.unwrap();
        assert_genuine(&LETTERS, folder.path());
        let asked: usize = (server.ranges("gzip.zip").iter().flatten())
            .map(|range| range["bytes=".len()..].split_once('-').unwrap())
            .map(|(first, last)| last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap())
            .sum();
        assert!(asked < 500_000, "{asked} bytes");
    }
}

/// B10 from a mirror.
#[test]
fn archives_that_lie() {
    let mut members = LETTERS.members();
    members[0].1[100] ^= 1;
    let damaged = archive(&members, false);
    let ranges = |body: Vec<u8>| Server::start(move |asked| asked.respond_range(&body, usize::MAX));
    for (server, reason) in [
        (ranges(damaged), "the gzip stream is damaged"),
        (
            Server::fixed("200 OK", &[], archive(&members, false)),
            "sends other bytes than the range that was asked for",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&[&server.base()]);
        let error = run_of(LETTERS.spec, folder.path(), &options).0.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.to_string().contains(reason), "{reason:?} in {error}");
    }
}
