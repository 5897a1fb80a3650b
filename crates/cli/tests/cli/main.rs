//! The program from outside: what it prints, writes and returns. A file per feature.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod compare;
mod data;
mod datasets;
#[cfg(unix)]
mod download;
mod errors;
#[cfg(unix)]
mod examples;
mod exports;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(feature = "mpi")]
mod mpi;
mod pictures;
mod recipes;
mod report;
#[cfg(unix)]
mod serve;
mod sweep;
mod tensorboard;
mod training;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

use lenet_data::{Splits, embedded};
use serde_json::Value;
use tempfile::TempDir;

/// The program in this folder.
fn lenet(folder: &Path, arguments: &str) -> Command {
    run_by(folder, env!("CARGO_BIN_EXE_lenet"), arguments)
}

/// Another program in this folder, which may start ours.
fn run_by(folder: &Path, program: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    // What the user has set must not decide a test.
    for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.args(arguments.split_whitespace());
    command
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = lenet(folder, arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lenet {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The objects that a command prints with `--format json`.
#[track_caller]
fn json(folder: &Path, arguments: &str) -> Vec<Value> {
    let printed = succeeds(folder, &format!("{arguments} --format json"));
    let lines = printed.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What standard error says when a command ends with this code.
#[track_caller]
fn fails(folder: &Path, arguments: &str, code: i32) -> String {
    let output = lenet(folder, arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let found = output.status.code();
    assert_eq!(found, Some(code), "lenet {arguments}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors
}

/// Says why a test is skipped, past the test runner, which keeps what a passing test prints;
/// `cargo xtask test` collects these lines.
fn skipped(reason: &str) {
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    let _ = writeln!(std::io::stdout(), "skipped: {test}: {reason}");
}

#[track_caller]
fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A JSON file.
fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn mnist() -> &'static Splits {
    static MNIST: LazyLock<Splits> = LazyLock::new(|| embedded::mnist().unwrap());
    &MNIST
}

/// Every file below a folder, with its time of modification and its content.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
        } else {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            all.insert(path.clone(), (modified, fs::read(&path).unwrap()));
        }
    }
    all
}

/// A copy of what is in a folder, in a folder of its own.
fn copied(from: &Path) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, (_, bytes)) in snapshot(from) {
        let target = root.path().join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    root
}

/// A folder with a finished training in runs/train-1: two epochs of ten steps.
fn trained() -> TempDir {
    static TRAINED: LazyLock<TempDir> = LazyLock::new(|| {
        let root = tempfile::tempdir().unwrap();
        let short = "train --epochs 2 --limit-train 1000 --validation 500 --batch-size 100";
        succeeds(root.path(), &format!("{short} --threads 1"));
        root
    });
    copied(TRAINED.path())
}

/// Twenty drawn digits whose names start with their labels.
fn drawn_digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../picture/tests/drawn-digits")
}
