//! A25: a long training needs no more memory than a short one.

use std::fs;
use std::process::Stdio;

use crate::{TRAINING, lenet, nightly, skipped};

/// The memory in use when two epochs are over is in use to the end, but for 5 MB.
#[test]
fn a25_soak() {
    let (epochs, from) = if nightly() { (100, 2) } else { (16, 2) };
    let images = if nightly() {
        "--limit-train 5000"
    } else {
        "--limit-train 512"
    };
    let root = tempfile::tempdir().unwrap();
    let arguments = TRAINING
        .replace("--epochs 3", &format!("--epochs {epochs}"))
        .replace("--limit-train 512", images);
    let mut child = lenet(root.path(), &format!("{arguments} --output run"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    if !fs::exists(&status).unwrap() {
        child.wait().unwrap();
        return skipped("this system has no /proc");
    }
    let table = root.path().join("run/results.csv");
    // While it trains: at the end it evaluates 10,000 images and draws.
    let mut samples: Vec<(usize, u64)> = Vec::new();
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        // Read after the memory: of a training that is over there is no sample.
        let over = fs::read_to_string(&table)
            .unwrap_or_default()
            .lines()
            .count();
        let epochs_done = over.saturating_sub(1);
        if let Some(kib) = kib
            && (from..epochs).contains(&epochs_done)
        {
            samples.push((epochs_done, kib));
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let at = |epoch: usize| {
        samples
            .iter()
            .filter(move |sample| sample.0 <= epoch)
            .map(|s| s.1)
    };
    let before = at(samples[0].0).max().unwrap();
    let after = samples.last().unwrap();
    assert!(
        after.0 >= epochs - 4,
        "the last sample is of epoch {}",
        after.0
    );
    let most = samples.iter().map(|sample| sample.1).max().unwrap();
    assert!(
        most < before + 5_000,
        "{before} KiB after two epochs, then {most}: {samples:?}"
    );
}
