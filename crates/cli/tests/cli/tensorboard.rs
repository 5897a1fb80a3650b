//! `lenet train --tensorboard`, read by TensorBoard itself.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{contains_all, skipped, succeeds};

/// Names a Python that has TensorBoard; `cargo xtask ci tensorboard` sets it.
const PYTHON: &str = "LENET_TENSORBOARD_PYTHON";

/// TensorBoard reads the event files of a run; without TensorBoard nothing is checked.
fn check(run: &Path, files: usize) {
    let Some(python) = std::env::var_os(PYTHON) else {
        let reason = format!("{PYTHON} is not set; `cargo xtask ci tensorboard` sets it");
        return skipped(&reason);
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/tensorboard/check.py");
    let mut command = Command::new(python);
    command.arg(script).arg(run).arg(files.to_string());
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    contains_all(&printed, &[" pictures agree"]);
}

fn event_files(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().contains("events.out.tfevents."));
    paths
}

/// A training, and one that was killed after its last checkpoint and is resumed. The flag changes no
/// result.
#[test]
fn tensorboard_reads_what_we_write() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    // 1,200 steps: every other one is written.
    let training = "train --epochs 4 --batch-size 10 --limit-train 3000 --validation 500 \
                    --threads 1";
    succeeds(root, &format!("{training} --tensorboard --output run"));
    succeeds(root, &format!("{training} --output without"));
    assert!(event_files(&root.join("without")).is_empty());
    let weights = |run: &str| fs::read(root.join(run).join("model.safetensors")).unwrap();
    assert!(weights("run") == weights("without"));
    let run = root.join("run");
    assert_eq!(event_files(&run).len(), 1);
    check(&run, 1);

    // As if the process had been killed at the end of the last epoch, in the middle of a record.
    fs::remove_file(run.join("summary.json")).unwrap();
    let checkpoints = fs::read_dir(run.join("checkpoint")).unwrap();
    let newest = checkpoints.map(|entry| entry.unwrap().path()).max();
    fs::remove_file(newest.unwrap()).unwrap();
    let mut torn = File::options();
    let mut torn = torn.append(true).open(&event_files(&run)[0]).unwrap();
    torn.write_all(b"\x40\0\0").unwrap();
    succeeds(root, "train --resume run --tensorboard");
    assert_eq!(event_files(&run).len(), 2);
    check(&run, 2);
}
