//! `lenet train --tensorboard`, read by TensorBoard itself.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::succeeds;

/// Names a Python that has TensorBoard; `cargo xtask ci tensorboard` sets it.
const PYTHON: &str = "LENET_TENSORBOARD_PYTHON";

/// A Python that has TensorBoard, or the reason why there is none.
fn python() -> Result<OsString, String> {
    if let Some(python) = env::var_os(PYTHON) {
        return Ok(python);
    }
    let mut python = Command::new("python3");
    match python.args(["-c", "import tensorboard"]).output() {
        Ok(output) if output.status.success() => Ok("python3".into()),
        Ok(_) => Err(format!(
            "python3 has no tensorboard, and {PYTHON} is not set"
        )),
        Err(error) => Err(format!("python3: {error}")),
    }
}

fn check(python: &OsString, run: &Path, files: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/check.py");
    let mut command = Command::new(python);
    command.arg(script).arg(run).arg(files.to_string());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains(" pictures agree"), "{said}");
    print!("{said}");
}

fn event_files(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| path.to_string_lossy().contains("events.out.tfevents.");
    entries.filter(is_ours).collect()
}

/// A training, and one that was killed behind its last checkpoint and goes on.
#[test]
fn tensorboard_reads_what_we_write() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            println!("skipped: {reason}; `cargo xtask ci tensorboard` installs one");
            return;
        }
    };
    let root = tempfile::tempdir().unwrap();
    // 1,200 steps: of two one is written.
    let sizes = "--epochs 4 --batch-size 10 --limit-train 3000 --validation 500";
    succeeds(
        root.path(),
        &format!("train --tensorboard {sizes} --output run"),
    );
    let run = root.path().join("run");
    check(&python, &run, 1);

    // As if the process had been killed at the end of the last epoch, in the midst of a record.
    fs::remove_file(run.join("summary.json")).unwrap();
    let newest = fs::read_dir(run.join("checkpoint")).unwrap();
    let newest = newest.map(|entry| entry.unwrap().path()).max().unwrap();
    fs::remove_file(newest).unwrap();
    let mut torn = File::options()
        .append(true)
        .open(&event_files(&run)[0])
        .unwrap();
    torn.write_all(b"\x40\0\0").unwrap();
    drop(torn);
    succeeds(root.path(), "train --resume run --tensorboard");
    check(&python, &run, 2);
}

/// Without the flag there is no such file, and with it the training is the same.
#[test]
fn tensorboard_is_not_needed() {
    let root = tempfile::tempdir().unwrap();
    let short = "train --epochs 1 --limit-train 500 --validation 100 --output";
    succeeds(root.path(), &format!("{short} without"));
    assert!(event_files(&root.path().join("without")).is_empty());
    succeeds(root.path(), &format!("{short} with --tensorboard"));
    assert_eq!(event_files(&root.path().join("with")).len(), 1);
    let weights = |run: &str| fs::read(root.path().join(run).join("model.safetensors")).unwrap();
    assert!(weights("with") == weights("without"));
}
