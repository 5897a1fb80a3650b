//! A25: a long training needs no more memory than a short one.

use std::fs;

use crate::{TRAINING, lenet, nightly, skipped, start, wait_for};

/// After many epochs the process has no more memory than after two, but for 5 MB.
#[test]
fn a25_soak() {
    if !fs::exists("/proc/self/status").unwrap() {
        return skipped("this system has no /proc");
    }
    let (epochs, images) = if nightly() { (100, 5_000) } else { (16, 512) };
    let training = TRAINING
        .replace("--epochs 3", "--epochs 100000")
        .replace("--limit-train 512", &format!("--limit-train {images}"));
    let root = tempfile::tempdir().unwrap();
    let mut child = start(&mut lenet(root.path(), &format!("{training} --output run")));
    let status = format!("/proc/{}/status", child.id());
    let memory_after = |epochs: usize| -> u64 {
        wait_for("the epoch", || {
            let table = fs::read_to_string(root.path().join("run/results.csv"));
            table.unwrap_or_default().lines().count() > epochs
        });
        let status = fs::read_to_string(&status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse().unwrap()
    };
    let (before, after) = (memory_after(2), memory_after(epochs));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        after < before + 5_000,
        "{before} KiB after two epochs, then {after}"
    );
}
