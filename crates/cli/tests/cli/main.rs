//! The program from outside: what it prints, writes and returns. FAULTS A8, A11 to A14, A18, A23,
//! B15, C9 to C13, D1, D4 to D7, E6, E7, E9.
#![cfg(feature = "embedded-mnist")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod datasets;
mod download;
mod errors;
mod pictures;
mod recipes;
mod report;
#[cfg(unix)]
mod serve;
mod tensorboard;
mod tools;
mod training;

use std::path::Path;
use std::process::{Command, Output};

fn lenet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet"));
    command.current_dir(folder);
    // Whatever the user has set must not decide a test.
    for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    lenet(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lenet {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What standard error says when a command fails with this code.
#[track_caller]
fn fails(folder: &Path, arguments: &str, code: i32) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "lenet {arguments}: {errors}"
    );
    errors
}

/// A training of some seconds.
const SHORT: &str = "train --epochs 2 --limit-train 1000 --validation 500 --batch-size 100";
