//! The program from outside: what it prints, writes and returns. A file per feature.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod data;
mod datasets;
#[cfg(unix)]
mod download;
mod errors;
mod pictures;
mod recipes;
mod report;
#[cfg(unix)]
mod serve;
mod tensorboard;
mod training;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn lenet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet"));
    command.current_dir(folder);
    // What the user has set must not decide a test.
    for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    let mut command = lenet(folder);
    command.args(arguments.split_whitespace()).output().unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
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
    let output = run(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    let found = output.status.code();
    assert_eq!(found, Some(code), "lenet {arguments}: {errors}");
    errors
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
