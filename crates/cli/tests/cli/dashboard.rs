//! `lenet train --tui`: whatever ends the training, the terminal is as it was before.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::pty::Pty;
use crate::{SHORT, lenet};

/// A training that lasts until somebody ends it.
const LONG: &str = "train --epochs 100000 --limit-train 1500 --validation 200 --output run";

fn start(folder: &Path, arguments: &str, size: (u16, u16)) -> Pty {
    let arguments: Vec<&str> = arguments.split_whitespace().chain(["--tui"]).collect();
    Pty::start(size, env!("CARGO_BIN_EXE_lenet"), &arguments, |command| {
        command.current_dir(folder);
        for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
    })
}

#[test]
fn a_training_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let mut pty = start(root.path(), SHORT, (100, 30));
    assert_eq!(pty.wait(), Some(0), "{}", pty.end());
    let after = pty.restored();
    // The log of the training, which the dashboard had, and the result.
    for part in ["step 0: loss", "epoch 2/2: loss", "test accuracy"] {
        assert_eq!(after.matches(part).count(), 1, "{part}: {after:?}");
    }
    assert!(root.path().join("runs/train-1/report.html").exists());
}

#[test]
fn keys_and_signals_stop_it_in_order() {
    for (end, code) in [("q", 130), ("\x03", 130), ("TERM", 143), ("INT", 130)] {
        let root = tempfile::tempdir().unwrap();
        let mut pty = start(root.path(), LONG, (100, 30));
        pty.wait_for("images/s, ");
        match end {
            "TERM" | "INT" => pty.signal(end),
            key => pty.press(key),
        }
        assert_eq!(pty.wait(), Some(code), "{end:?}: {}", pty.end());
        let after = pty.restored();
        assert!(
            after.contains("go on with `lenet train --resume run`"),
            "{end:?}: {after}"
        );
        assert!(root.path().join("run/checkpoint").exists(), "{end:?}");
        assert!(!root.path().join("run/summary.json").exists());
    }
}

/// The second signal does not wait for the step, and gives the terminal back all the same.
#[test]
fn a_second_signal_ends_it_at_once() {
    let root = tempfile::tempdir().unwrap();
    // The first loss alone takes seconds.
    let slow = "train --engine candle --batch-size 3000 --limit-train 3000 --threads 1";
    let mut pty = start(root.path(), slow, (200, 30));
    pty.wait_for("3000 images an epoch");
    pty.signal("TERM");
    pty.wait_for("at once");
    pty.signal("TERM");
    assert_eq!(pty.wait(), Some(143), "{}", pty.end());
    pty.restored();
}

#[test]
fn a_failure_is_reported_on_the_terminal() {
    let root = tempfile::tempdir().unwrap();
    let diverges = "train --lr 1e30 --limit-train 500 --validation 0";
    let mut pty = start(root.path(), diverges, (100, 30));
    assert_eq!(pty.wait(), Some(6), "{}", pty.end());
    let after = pty.restored();
    assert!(after.contains("diverged at epoch 1, step 2"), "{after}");
}

#[test]
fn terminals_of_other_sizes() {
    for size in [(20, 5), (1, 1), (0, 0)] {
        let root = tempfile::tempdir().unwrap();
        let mut pty = start(root.path(), SHORT, size);
        assert_eq!(pty.wait(), Some(0), "{size:?}: {}", pty.end());
        pty.restored();
    }
    let root = tempfile::tempdir().unwrap();
    let mut pty = start(root.path(), LONG, (80, 24));
    pty.wait_for("images/s, ");
    pty.resize((20, 5));
    thread::sleep(Duration::from_millis(300));
    assert!(!pty.shown().contains(&"─".repeat(100)));
    pty.resize((200, 60));
    pty.wait_for(&"─".repeat(100));
    pty.press("q");
    assert_eq!(pty.wait(), Some(130), "{}", pty.end());
    pty.restored();
}

/// A terminal that goes away stops nothing, as without a dashboard.
#[test]
fn a_closed_window_stops_nothing() {
    let root = tempfile::tempdir().unwrap();
    let run = "train --epochs 30 --limit-train 3000 --validation 500 --output run";
    let mut pty = start(root.path(), run, (100, 30));
    pty.wait_for("images/s, ");
    pty.hang_up();
    pty.wait();
    let results = fs::read_to_string(root.path().join("run/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 31, "{results}");
    assert!(root.path().join("run/summary.json").exists());
}

#[test]
fn without_a_terminal_there_are_lines() {
    let root = tempfile::tempdir().unwrap();
    let mut command = lenet(root.path());
    command.args(SHORT.split_whitespace()).arg("--tui");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stderr).unwrap();
    let notes = lines.matches("no dashboard, but plain lines: standard error is no terminal");
    assert_eq!(notes.count(), 1, "{lines}");
    assert!(
        lines.contains("epoch 2/2: loss") && !lines.contains('\x1b'),
        "{lines}"
    );
}
