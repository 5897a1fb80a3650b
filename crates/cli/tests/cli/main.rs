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
mod exports;
#[cfg(target_os = "linux")]
mod faults;
mod pictures;
mod recipes;
mod report;
#[cfg(unix)]
mod serve;
mod tensorboard;
mod training;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

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

/// Twenty drawn digits whose names start with their labels.
fn drawn_digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../picture/tests/drawn-digits")
}
