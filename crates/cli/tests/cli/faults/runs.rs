//! A6 to A8 and A22: runs of others, finished runs, and data without images.

use std::fs;
use std::path::Path;

use super::{assert_as_undisturbed, fails, finished, snapshot, succeeds, unfinished};

/// Every file less the lock, which names the last process.
fn files(run: &Path) -> Vec<Vec<u8>> {
    let files = snapshot(run).into_iter();
    files
        .filter(|(path, _)| !path.ends_with("LOCK"))
        .map(|(_, (_, bytes))| bytes)
        .collect()
}

/// A network of other shapes, other values, other data: refused, and nothing is touched.
#[test]
fn a6_a7_another_training_is_refused() {
    let root = unfinished();
    let run = root.path().join("run");
    let before = files(&run);
    for (change, code, part) in [
        ("--lr 0.5", 2, "learning_rate"),
        ("--limit-train 300", 2, "train_images"),
        ("--epochs 4", 2, "epochs"),
        ("--padding valid", 2, "--force-config"),
        // Force makes no network of other shapes fit.
        (
            "--padding valid --force-config",
            3,
            "fc1.weight has the shape",
        ),
    ] {
        let arguments = format!("train --resume run {change}");
        let message = fails(root.path(), &arguments, code);
        assert!(message.contains(part), "{change}: {message}");
        assert!(files(&run) == before, "{change}");
    }
    succeeds(root.path(), "train --resume run");
    assert_as_undisturbed(&run, "after refusals");
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    assert!(summary.contains("\"not_identical\": false"), "{summary}");
}

/// A finished run is not touched, unless a process was killed while it drew.
#[test]
fn a8_a_finished_run_is_left_alone() {
    let root = finished();
    let run = root.path().join("run");
    let before = snapshot(&run);
    let printed = succeeds(root.path(), "train --resume run --epochs 3");
    let finished = "already finished: 3 of 3 epochs";
    assert!(printed.contains(finished), "{printed}");
    assert!(snapshot(&run) == before);

    let before = files(&run);
    fs::rename(run.join("curves.png"), run.join(".curves.png.1.tmp")).unwrap();
    fs::remove_file(run.join("report.html")).unwrap();
    succeeds(root.path(), "train --resume run");
    assert!(files(&run) == before);
}

/// Data without images is refused.
#[test]
fn a22_no_image() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    let images = [0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28];
    for split in ["train", "t10k"] {
        fs::write(folder.join(format!("{split}-images-idx3-ubyte")), images).unwrap();
        let labels = [0, 0, 8, 1, 0, 0, 0, 0];
        fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
    }
    for data in ["--data-dir data", "--dataset data"] {
        let message = fails(root.path(), &format!("train {data}"), 3);
        assert!(message.contains("error: \"data"), "{message}");
    }
    assert!(!root.path().join("runs").exists());
}
