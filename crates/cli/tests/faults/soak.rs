//! A25: a long training needs no more memory than a short one.

use std::fs;

use crate::interrupt::{stalled, writes_of_checkpoints};
use crate::{TRAINING, nightly, operations, skipped};

/// Held at its last checkpoint, the process has no more memory than held at the end of its second
/// epoch, but for 5 MB.
#[test]
fn a25_soak() {
    if !fs::exists("/proc/self/status").unwrap() {
        return skipped("this system has no /proc");
    }
    let (epochs, images) = if nightly() { (100, 5_000) } else { (16, 512) };
    let training = TRAINING
        .replace("--epochs 3", &format!("--epochs {epochs}"))
        .replace("--limit-train 512", &format!("--limit-train {images}"));
    let root = tempfile::tempdir().unwrap();
    let writes = writes_of_checkpoints(&operations(root.path(), &training));
    let of_two_epochs = 2 * writes.len() / epochs;
    let memory_at = |checkpoint: usize| -> u64 {
        let root = tempfile::tempdir().unwrap();
        let mut child = stalled(root.path(), &training, writes[checkpoint - 1]);
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse().unwrap()
    };
    let (before, after) = (memory_at(of_two_epochs), memory_at(writes.len()));
    assert!(
        after < before + 5_000,
        "{before} KiB in two epochs, then {after}"
    );
}
