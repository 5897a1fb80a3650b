//! A6 to A9, A14, A15 and A22: runs of others, finished runs, runs in use, and data too small.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;

use crate::{
    Outcome, REFERENCE, TRAINING, assert_as_undisturbed, copy, ends_with, errors, lenet, nightly,
    snapshot, start, struck, succeeds, unfinished, wait_for,
};

/// A6: a network of other shapes; A7: other values, other data. Nothing is touched.
#[test]
fn a6_a7_another_training_is_refused() {
    let root = unfinished();
    let run = root.path().join("run");
    let before = snapshot(&run);
    for (change, part) in [
        ("--lr 0.5", "learning_rate was 0.001, now it is 0.5"),
        ("--batch-size 32", "batch_size was 64, now it is 32"),
        ("--seed 7", "seed was 42, now it is 7"),
        ("--limit-train 300", "train_images was 512, now it is 300"),
        ("--epochs 4", "epochs was 3, now it is 4"),
        (
            "--padding valid",
            "padding was \"same\", now it is \"valid\"",
        ),
    ] {
        let arguments = format!("train --resume run {change}");
        let message = errors(&ends_with(&mut lenet(root.path(), &arguments), 2));
        assert!(message.contains(part), "{change}: {message}");
        assert!(
            message.contains("--force-config does it"),
            "{change}: {message}"
        );
        assert_lock_alone_differs(&run, &before);
    }
    // Force makes no network of other shapes fit.
    let arguments = "train --resume run --padding valid --force-config";
    let message = errors(&ends_with(&mut lenet(root.path(), arguments), 3));
    assert!(message.contains("fc1.weight has the shape"), "{message}");
    assert_lock_alone_differs(&run, &before);
    // Refused as it was, it goes on as if nobody had asked.
    succeeds(&mut lenet(root.path(), "train --resume run"));
    assert_as_undisturbed(&run, "after refusals");
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    assert!(summary.contains("\"not_identical\": false"), "{summary}");
}

/// Whoever takes the lock writes its name into it.
#[track_caller]
fn assert_lock_alone_differs(run: &std::path::Path, before: &crate::Snapshot) {
    let mut now = snapshot(run);
    let lock = run.join("LOCK");
    now.insert(lock.clone(), before[&lock].clone());
    assert!(now == *before);
}

/// The run is marked, in its summary and for all later resumes.
#[test]
fn a7_force_goes_on_and_marks_the_run() {
    let root = unfinished();
    let run = root.path().join("run");
    let arguments = "train --resume run --lr 0.002 --epochs 4 --force-config";
    let fault = "rename:signal=SIGKILL:when=9";
    let Some(mut command) = struck(root.path(), arguments, fault) else {
        return;
    };
    let output = command.output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{}", errors(&output));
    assert!(
        errors(&output).contains("learning_rate was 0.001, now it is 0.002"),
        "{}",
        errors(&output)
    );
    // Killed and gone on with, without the force.
    succeeds(&mut lenet(root.path(), "train --resume run"));
    assert_eq!(Outcome::of(&run).table.lines().count(), 5);
    assert!(Outcome::of(&run) != REFERENCE.outcome);
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    assert!(summary.contains("\"not_identical\": true"), "{summary}");
}

/// More epochs for a finished run: refused without force. With it, and a constant learning rate, it
/// becomes what one training of so many epochs is; and whenever it is killed meanwhile, it counts
/// as finished only if it is.
#[test]
fn a7_epochs_are_added_to_a_finished_run() {
    let whole = tempfile::tempdir().unwrap();
    let training = TRAINING.replace("--epochs 3", "--epochs 4");
    succeeds(&mut lenet(
        whole.path(),
        &format!("{training} --output run"),
    ));
    let whole = Outcome::of(&whole.path().join("run"));

    let extend = "train --resume run --epochs 4 --force-config";
    let numbers = if nightly() { 1..=30 } else { 1..=4 };
    let faults = ["unlink", "rename"].into_iter().flat_map(|call| {
        let fault = move |number| format!("{call}:signal=SIGKILL:when={number}");
        numbers.clone().map(fault)
    });
    for (number, fault) in (1..).zip(faults) {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        copy(&REFERENCE.run(), &run);
        let before = snapshot(&run);
        if number == 1 {
            ends_with(&mut lenet(root.path(), "train --resume run --epochs 4"), 2);
            assert_lock_alone_differs(&run, &before);
        }
        let Some(mut command) = struck(root.path(), extend, &fault) else {
            return;
        };
        let output = command.output().unwrap();
        let killed = output.status.signal() == Some(9);
        assert!(
            killed || output.status.success(),
            "{fault}: {}",
            errors(&output)
        );
        if killed && number > 1 || nightly() {
            let again = lenet(root.path(), "train --resume run").output().unwrap();
            let printed = String::from_utf8_lossy(&again.stdout).into_owned();
            let rows = Outcome::of(&run).table.lines().count() - 1;
            match again.status.code() {
                Some(0) if printed.contains("already finished") => {
                    assert!(
                        printed.contains(&format!("{rows} of {rows} epochs")),
                        "{fault}: {printed}"
                    );
                }
                Some(0) => assert!(rows == 3 || rows == 4, "{fault}"),
                code => assert_eq!(code, Some(2), "{fault}: {}", errors(&again)),
            }
        }
        succeeds(&mut lenet(root.path(), extend));
        assert!(Outcome::of(&run) == whole, "{fault}");
        let printed = succeeds(&mut lenet(root.path(), "train --resume run")).stdout;
        let printed = String::from_utf8(printed).unwrap();
        assert!(
            printed.contains("already finished: 4 of 4 epochs"),
            "{fault}: {printed}"
        );
    }
}

#[test]
fn a8_a_finished_run_is_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    copy(&REFERENCE.run(), &run);
    let before = snapshot(&run);
    for arguments in [
        "train --resume run",
        "train --resume run --epochs 3",
        "train --resume run --format json",
    ] {
        let output = succeeds(&mut lenet(root.path(), arguments));
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = match arguments.contains("json") {
            true => "\"epochs\":3",
            false => "already finished: 3 of 3 epochs",
        };
        assert!(printed.contains(expected), "{printed}");
    }
    assert!(snapshot(&run) == before);
}

/// A process that was killed while it drew has finished the run, but for pictures.
#[test]
fn a8_a_finished_run_gets_the_pictures_that_it_lacks() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    copy(&REFERENCE.run(), &run);
    let content = || {
        let files = snapshot(&run).into_iter();
        let files = files.map(|(path, (_, bytes))| (path, bytes));
        // The lock names the process.
        files
            .filter(|(path, _)| !path.ends_with("LOCK"))
            .collect::<Vec<_>>()
    };
    let before = content();
    fs::rename(run.join("curves.png"), run.join("curves.png.1.tmp")).unwrap();
    fs::remove_file(run.join("report.html")).unwrap();
    succeeds(&mut lenet(root.path(), "train --resume run"));
    assert!(content() == before);
}

/// The second of two processes in one folder names the first, and writes nothing.
#[test]
fn a14_the_second_process_is_told_of_the_first() {
    let root = unfinished();
    let run = root.path().join("run");
    let endless = "train --quiet --resume run --epochs 100000 --force-config";
    let mut first = start(&mut lenet(root.path(), endless));
    let named = format!("process {}", first.id());
    let lock = run.join("LOCK");
    wait_for("the lock", || {
        fs::read_to_string(&lock)
            .unwrap_or_default()
            .contains(&named)
    });
    for _ in 0..if nightly() { 100 } else { 6 } {
        let output = lenet(root.path(), "train --resume run").output().unwrap();
        let message = errors(&output);
        assert_eq!(output.status.code(), Some(7), "{message}");
        assert!(message.contains(&named), "{message}");
        if let Ok(host) = fs::read_to_string("/proc/sys/kernel/hostname") {
            assert!(
                message.contains(&format!(" on {}", host.trim())),
                "{message}"
            );
        }
        assert!(
            fs::read_to_string(&lock).unwrap().contains(&named),
            "the lock is the first's"
        );
    }
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Twenty at once get twenty folders.
#[test]
fn a15_twenty_runs_start_at_once() {
    let root = tempfile::tempdir().unwrap();
    let arguments = TRAINING.replace("--epochs 3", "--epochs 1");
    let mut children: Vec<Child> = (0..20)
        .map(|_| start(&mut lenet(root.path(), &arguments)))
        .collect();
    for child in &mut children {
        child.wait().unwrap();
    }
    let runs = root.path().join("runs");
    let mut holders = BTreeSet::new();
    for number in 1..=20 {
        let run = runs.join(format!("train-{number}"));
        assert!(run.join("config.toml").exists(), "{number}");
        holders.insert(fs::read_to_string(run.join("LOCK")).unwrap());
        assert!(run.join("summary.json").exists());
    }
    assert_eq!(holders.len(), 20, "{holders:?}");
    assert_eq!(fs::read_dir(runs).unwrap().count(), 20);
}

/// Data of no images is no data; a set that is smaller than a batch trains.
#[test]
fn a22_no_image_and_fewer_than_a_batch() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    let (images, labels) = (
        [&[0, 0, 8, 3][..], &[0; 4], &[0, 0, 0, 28], &[0, 0, 0, 28]].concat(),
        [0, 0, 8, 1, 0, 0, 0, 0],
    );
    for split in ["train", "t10k"] {
        fs::write(folder.join(format!("{split}-images-idx3-ubyte")), &images).unwrap();
        fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
    }
    let output = ends_with(&mut lenet(root.path(), "train --data-dir data"), 3);
    assert!(
        errors(&output).contains("0 images: there is nothing to train on"),
        "{}",
        errors(&output)
    );
    assert!(!root.path().join("runs").exists());
    for (limit, validation) in [(1, 0), (5, 1)] {
        let arguments = format!(
            "train --limit-train {limit} --validation {validation} --epochs 2 --output run-{limit}"
        );
        succeeds(&mut lenet(root.path(), &arguments));
    }
}
