//! A19 to A21: limits of the system, poor environments, numbers of threads.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::{
    Outcome, TRAINING, assert_as_undisturbed, errors, go_on, leftovers, lenet, nightly, skipped,
    succeeds,
};

/// The training under a limit of the system, as `prlimit` sets it; `None`, with a word, where there
/// is no such program.
fn limited(root: &Path, limit: &str) -> Option<Output> {
    let output = Command::new("prlimit")
        .arg(limit)
        .arg("--core=0")
        .arg(env!("CARGO_BIN_EXE_lenet"))
        .args(TRAINING.split_whitespace())
        .args(["--output", "run"])
        .env_remove("LENET_DATA")
        .env_remove("RUST_LOG")
        .current_dir(root)
        .output();
    match output {
        Ok(output) => Some(output),
        Err(_) => {
            skipped("there is no prlimit; Debian's package is `util-linux`");
            None
        }
    }
}

/// Beyond its limit a write is an error, and not the end by SIGXFSZ in the middle of it.
#[test]
fn a19_limit_of_file_size() {
    let sizes: &[u64] = match nightly() {
        true => &[
            0, 1, 100, 500, 1_000, 5_000, 20_000, 100_000, 250_000, 500_000, 800_000, 990_000,
        ],
        false => &[0, 500, 100_000, 500_000],
    };
    for size in sizes {
        let root = tempfile::tempdir().unwrap();
        let Some(output) = limited(root.path(), &format!("--fsize={size}")) else {
            return;
        };
        let message = errors(&output);
        assert_eq!(
            output.status.code(),
            Some(5),
            "{size}: {}: {message}",
            output.status
        );
        assert!(message.contains("File too large"), "{size}: {message}");
        assert!(leftovers(&root.path().join("run")).is_empty(), "{size}");
        go_on(root.path(), &format!("file size {size}"));
    }
}

#[test]
fn a19_limit_of_open_files() {
    let mut enough = 0;
    // Three are the standard streams; eight are enough.
    for files in 3..=if nightly() { 16 } else { 8 } {
        let root = tempfile::tempdir().unwrap();
        let Some(output) = limited(root.path(), &format!("--nofile={files}")) else {
            return;
        };
        let message = errors(&output);
        assert!(!message.contains("panicked"), "{files}: {message}");
        match output.status.code() {
            Some(0) => enough += 1,
            // Below that the program cannot be loaded: its libraries are files too.
            Some(127) if message.contains("shared librar") => continue,
            Some(5) => assert!(
                message.contains("Too many open files"),
                "{files}: {message}"
            ),
            _ => panic!("{files}: {}: {message}", output.status),
        }
        go_on(root.path(), &format!("{files} open files"));
    }
    assert!(enough > 0);
}

/// Where memory is short, an allocation ends the program; what is on the disk is whole.
#[test]
fn a19_limit_of_memory() {
    let mut enough = 0;
    for mib in (40..=440).step_by(if nightly() { 4 } else { 50 }) {
        let root = tempfile::tempdir().unwrap();
        let Some(output) = limited(root.path(), &format!("--as={}", mib << 20)) else {
            return;
        };
        let message = errors(&output);
        assert!(!message.contains("panicked"), "{mib} MiB: {message}");
        assert!(
            output.status.success() || !message.is_empty(),
            "{mib} MiB: {}",
            output.status
        );
        enough += u32::from(output.status.success());
        if root.path().join("run").exists() {
            go_on(root.path(), &format!("{mib} MiB"));
        }
    }
    assert!(enough > 0, "400 MiB should do");
}

/// Nothing of the environment is needed to train.
#[test]
fn a20_no_environment_and_no_home() {
    let root = tempfile::tempdir().unwrap();
    let arguments = format!("{TRAINING} --output run");
    succeeds(lenet(root.path(), &arguments).env_clear());
    assert_as_undisturbed(&root.path().join("run"), "env -i");
    // A home that cannot be, and one that cannot be written to.
    for home in ["/dev/null/home", "/proc"] {
        let root = tempfile::tempdir().unwrap();
        let mut command = lenet(root.path(), &arguments);
        command
            .env_clear()
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home)
            .env("TZ", "Mars/Olympus");
        succeeds(&mut command);
        assert_as_undisturbed(&root.path().join("run"), home);
    }
}

/// A download needs a folder: where none can be had, the message says what to set.
#[test]
fn a20_a_cache_folder_that_cannot_be() {
    let root = tempfile::tempdir().unwrap();
    let mut command = lenet(root.path(), "data download mnist");
    command.env_clear().env("HOME", "/dev/null/home");
    let output = command.output().unwrap();
    let message = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{message}");
    assert!(message.contains("/dev/null/home"), "{message}");
    assert!(
        message.contains("--data-dir") && message.contains("LENET_DATA"),
        "{message}"
    );
}

/// Durations come from a clock that never goes back, whatever the time of day does.
#[test]
fn a20_a_clock_that_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new("faketime")
        .args(["-m", "--exclude-monotonic", "1969-06-01 00:00:00"])
        .arg(env!("CARGO_BIN_EXE_lenet"))
        .args(TRAINING.split_whitespace())
        .args(["--output", "run"])
        .current_dir(root.path())
        .output();
    if !output.is_ok_and(|output| output.status.success()) {
        return skipped("there is no faketime; Debian's package is `faketime`");
    }
    assert_as_undisturbed(&root.path().join("run"), "1969");
    let table = fs::read_to_string(root.path().join("run/results.csv")).unwrap();
    for row in table.lines().skip(1) {
        let seconds: f64 = row.split(',').nth(6).unwrap().parse().unwrap();
        assert!((0. ..600.).contains(&seconds), "{row}");
    }
}

/// On our own kernels the number of threads changes no bit.
#[test]
fn a21_any_number_of_threads_gives_the_same_bytes() {
    for threads in [2, 3, 16] {
        let root = tempfile::tempdir().unwrap();
        let arguments = TRAINING.replace("--threads 1", &format!("--threads {threads}"));
        succeeds(&mut lenet(
            root.path(),
            &format!("{arguments} --output run"),
        ));
        assert_as_undisturbed(&root.path().join("run"), &format!("{threads} threads"));
    }
}

/// On candle's operations a run that goes on with other threads says that its bits may be others,
/// and keeps that in mind; the figures of other threads are the same but for rounding.
#[test]
fn a21_candle_on_other_threads_is_marked() {
    let root = tempfile::tempdir().unwrap();
    let arguments = TRAINING.replace("--epochs 3", "--epochs 1");
    succeeds(&mut lenet(
        root.path(),
        &format!("{arguments} --engine candle --output run"),
    ));
    let run = root.path().join("run");
    let before = Outcome::of(&run);
    fs::remove_file(run.join("summary.json")).unwrap();
    let output = succeeds(&mut lenet(
        root.path(),
        "train --resume run --engine candle --threads 2",
    ));
    assert!(
        errors(&output).contains("will not be bit-identical"),
        "{}",
        errors(&output)
    );
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    assert!(summary.contains("\"not_identical\": true"), "{summary}");
    assert!(Outcome::of(&run) == before, "nothing was left to train");
    // A whole training on other threads differs by the order of additions, if at all: 1e-4 is far
    // above what that does to eight steps, and far below what another batch or seed does.
    let arguments = arguments.replace("--threads 1", "--threads 2");
    succeeds(&mut lenet(
        root.path(),
        &format!("{arguments} --engine candle --output other"),
    ));
    let losses = |table: &str| -> Vec<f64> {
        let row = table.lines().nth(1).unwrap();
        row.split(',').map(|field| field.parse().unwrap()).collect()
    };
    let other = Outcome::of(&root.path().join("other"));
    for (a, b) in std::iter::zip(losses(&before.table), losses(&other.table)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}
