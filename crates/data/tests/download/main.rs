//! Downloads against a real server on this machine (faults C1 to C10, C13): no mocks, each test scripts
//! what its server sends.
#![cfg(feature = "download")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod archive;
#[path = "../common/mod.rs"]
mod common;
mod connection;
mod content;
mod files;
mod http;
mod lock;
mod resume;
mod server;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use lenet_data::download::{Options, Progress, Timeouts, download};
use lenet_data::registry::{Known, MNIST};
use lenet_data::{DatasetSpec, Error, FileSpec, Result, Role, Sha256};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The decompressed content of a file of the tests' data set: 3 images to train on, 2 to test.
fn content(name: &str) -> Vec<u8> {
    let count = if name.starts_with("train") { 3_u32 } else { 2 };
    let words: &[u32] = if name.contains("images") {
        &[0x0803, count, 28, 28]
    } else {
        &[0x0801, count]
    };
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    if name.contains("images") {
        // A linear congruential generator's upper bits do not compress: bodies of some kilobytes.
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let noise = std::iter::successors(Some(count), next).map(|state| (state >> 24) as u8);
        bytes.extend(noise.take(count as usize * 784));
    } else {
        bytes.extend((0..count).map(|i| i as u8));
    }
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a genuine mirror has under `/<name>.gz`.
fn genuine(path: &str) -> Vec<u8> {
    let name = path.trim_start_matches('/').trim_end_matches(".gz");
    packed(&content(name))
}

/// A data set of these files.
fn spec(mirrors: &'static [&'static str]) -> &'static DatasetSpec {
    let roles = [
        Role::TrainImages,
        Role::TrainLabels,
        Role::TestImages,
        Role::TestLabels,
    ];
    let file = |index: usize| FileSpec {
        role: roles[index],
        name: NAMES[index],
        bytes: content(NAMES[index]).len(),
        digest: Known::Sha256(Sha256::of(&content(NAMES[index])).to_string().leak()),
    };
    Box::leak(Box::new(DatasetSpec {
        name: "tiny",
        title: "Tiny",
        class_names: &["0", "1", "2"],
        counts: [3, 2],
        files: [file(0), file(1), file(2), file(3)],
        mirrors,
        hub: None,
        ..MNIST
    }))
}

/// After this time a download hangs; no machine is so slow.
const HANGS: Duration = Duration::from_secs(120);

/// Timeouts for what hangs alone, and hardly a pause between tries.
fn options(mirrors: &[String]) -> Options {
    Options {
        mirrors: Some(mirrors.to_vec()),
        force: false,
        offline: false,
        // In order, for the tests that count requests.
        parallel: 1,
        timeouts: Timeouts {
            connect: HANGS,
            response: HANGS,
            stall: HANGS,
        },
        backoff: Duration::from_millis(5),
    }
}

/// A download without a wish to stop, and what it reported.
fn run(folder: &Path, options: &Options) -> (Result<Vec<PathBuf>>, Vec<String>) {
    let mut events = Vec::new();
    let mut progress = |event: Progress<'_>| {
        if !matches!(event, Progress::Received { .. }) {
            events.push(format!("{event:?}"));
        }
    };
    let result = download(spec(&[]), folder, options, &mut progress, &|| false);
    (result, events)
}

/// Downloads from the mirrors into a folder of its own, and returns the error.
fn failure(mirrors: &[String]) -> String {
    failure_by(&options(mirrors))
}

fn failure_by(options: &Options) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (result, _) = run(folder.path(), options);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Download { .. }), "{error:?}");
    let names = names(folder.path());
    let parts = |name: &OsString| name.to_string_lossy().ends_with(".gz.part");
    assert!(names.iter().all(parts), "nothing unverified has its name");
    error.to_string()
}

/// Downloads from the mirrors into a folder of its own: all four files must be genuine.
fn success(mirrors: &[String]) -> Vec<String> {
    success_by(&options(mirrors))
}

fn success_by(options: &Options) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (result, events) = run(folder.path(), options);
    result.unwrap();
    assert_genuine(folder.path());
    events
}

fn assert_genuine(folder: &Path) {
    let mut expected = NAMES.map(|name| OsString::from(format!("{name}.gz")));
    expected.sort();
    assert_eq!(names(folder), expected, "four files and no temporary one");
    for name in NAMES {
        let bytes = std::fs::read(folder.join(format!("{name}.gz"))).unwrap();
        assert_eq!(
            lenet_data::gzip::decode(&bytes, 1 << 20).unwrap(),
            content(name)
        );
    }
}

/// The names in a folder, in order, without that of its lock.
fn names(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != ".lock");
    names.sort();
    names
}

/// The message of a download of one mirror's first file.
#[track_caller]
fn assert_reason(message: &str, base: &str, reason: &str) {
    let expected = format!(
        "train-images-idx3-ubyte.gz of tiny could not be downloaded:\n  \
         {base}/train-images-idx3-ubyte.gz: {reason}\n\
         without a network, put the file into a folder and name it with --data-dir"
    );
    assert_eq!(message, expected);
}
