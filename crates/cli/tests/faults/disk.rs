//! A17 and A18: disks that are full, read-only or gone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::{
    REFERENCE, TRAINING, assert_as_undisturbed, checkpoints, ends_with, errors, go_on, leftovers,
    lenet, nightly, skipped, struck, wait_for,
};

/// A file operation fails as on a full disk, each alone. What a run is for is not lost silently: it
/// ends with exit code 5 unless what failed was a picture. What goes on from there is as undisturbed.
#[test]
fn a17_each_file_operation_fails_once() {
    let mut failures = 0;
    for call in ["mkdir", "fsync", "rename"] {
        let step = if nightly() || call == "mkdir" { 1 } else { 9 };
        for number in (1..).step_by(step) {
            let root = tempfile::tempdir().unwrap();
            let run = root.path().join("run");
            let arguments = format!("{TRAINING} --output run");
            let fault = format!("{call}:error=ENOSPC:when={number}");
            let Some(mut command) = struck(root.path(), &arguments, &fault) else {
                return;
            };
            let output = command.output().unwrap();
            let message = errors(&output);
            assert!(!message.contains("panicked"), "{fault}: {message}");
            assert_eq!(leftovers(&run).len(), 0, "{fault}");
            if output.status.success() && !message.contains("no pictures") {
                break;
            }
            if !output.status.success() {
                failures += 1;
                assert_eq!(output.status.code(), Some(5), "{fault}: {message}");
                assert!(message.contains("No space left"), "{fault}: {message}");
            }
            go_on(root.path(), &fault);
        }
    }
    assert!(failures > 6, "only {failures} failures");
}

/// Runs a shell script as root of mounts of its own, which end with it; `None`, with a word, where
/// that is impossible.
fn with_mounts(folder: &Path, script: &str) -> Option<Output> {
    let possible = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skipped("`unshare -m` and `mount -t tmpfs` need root or its rights");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .env("LENET", env!("CARGO_BIN_EXE_lenet"))
        .env("TRAINING", TRAINING)
        .env_remove("LENET_DATA")
        .env_remove("RUST_LOG")
        .current_dir(folder)
        .output();
    Some(output.unwrap())
}

/// A real file system that is too small: each size fails another file. Afterwards it grows, and the
/// run goes on.
#[test]
fn a17_full_disk() {
    let step = if nightly() { 32 } else { 416 };
    let (mut failed, mut undisturbed) = (0, 0);
    for size in (16..=3_600).step_by(step) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("disk")).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={size}k none disk || exit 99
             $LENET $TRAINING --output disk/run >out 2>errors; echo $? >code
             ls -A disk/run disk/run/checkpoint 2>/dev/null | grep '[.]tmp$' >leftovers
             mount -o remount,size=16m none disk
             if [ -e disk/run/config.toml ]; then
                 $LENET train --resume disk/run >/dev/null 2>errors2; echo $? >code2
             fi
             cp -r disk/run run 2>/dev/null; true"
        );
        let Some(output) = with_mounts(root.path(), &script) else {
            return;
        };
        let what = format!("{size} KiB: {}", errors(&output));
        assert!(output.status.success(), "{what}");
        let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap_or_default();
        let message = read("errors");
        assert!(!message.contains("panicked"), "{what}: {message}");
        assert_eq!(read("leftovers"), "", "{what}");
        match read("code").trim() {
            "0" => undisturbed += 1,
            "5" => {
                failed += 1;
                assert!(
                    message.contains("No space left on device"),
                    "{what}: {message}"
                );
                // A folder needs no room that we could name.
                let names_need = message.contains("; the file needs ") && message.contains(" KiB");
                assert!(
                    names_need || message.contains("cannot create"),
                    "{what}: {message}"
                );
            }
            code => panic!("{what}: exit code {code}: {message}"),
        }
        match read("code2").trim() {
            // Killed before its configuration: begun anew, as A1 has it.
            "" => continue,
            code => assert_eq!(code, "0", "{what}: {}", read("errors2")),
        }
        assert_as_undisturbed(&root.path().join("run"), &what);
    }
    assert!(
        failed >= 4 && undisturbed >= 1,
        "{failed} failed, {undisturbed} did not"
    );
}

/// Standard output on a full disk: the run is whole, but who asked for its figures did not get them.
#[test]
fn a17_full_output() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return skipped("this system has no /dev/full");
    };
    let root = tempfile::tempdir().unwrap();
    let mut command = lenet(root.path(), &format!("{TRAINING} --output run"));
    let output = ends_with(command.stdout(full.try_clone().unwrap()), 5);
    assert!(
        errors(&output).contains("standard output: "),
        "{}",
        errors(&output)
    );
    assert_as_undisturbed(&root.path().join("run"), "full output");
    // Messages are not what it is run for.
    let root = tempfile::tempdir().unwrap();
    let mut command = lenet(root.path(), &format!("{TRAINING} --output run"));
    assert_eq!(command.stderr(full).status().unwrap().code(), Some(0));
    assert_as_undisturbed(&root.path().join("run"), "full standard error");
}

/// Root may write to any folder, but not to a file system that is mounted read-only.
#[test]
fn a18_read_only_folder() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("disk")).unwrap();
    let script = "mount -t tmpfs -o ro none disk && exec $LENET $TRAINING --output disk/run";
    let Some(output) = with_mounts(root.path(), script) else {
        return;
    };
    let message = errors(&output);
    assert_eq!(output.status.code(), Some(5), "{message}");
    assert!(message.contains("\"disk/run\": cannot create"), "{message}");
    assert!(
        !message.contains("epoch 1 "),
        "it began to train: {message}"
    );
    // Mounted read-only while a run is there to go on with: nothing of it is changed.
    crate::copy(&REFERENCE.run(), &root.path().join("run"));
    fs::remove_file(root.path().join("run/summary.json")).unwrap();
    let before = crate::snapshot(&root.path().join("run"));
    let script =
        "mount --bind run run && mount -o remount,ro,bind run && exec $LENET train --resume run";
    let output = with_mounts(root.path(), script).unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
    assert!(crate::snapshot(&root.path().join("run")) == before);
}

#[test]
fn a18_the_folder_is_a_file() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("taken"), "mine").unwrap();
    let output = ends_with(
        &mut lenet(root.path(), &format!("{TRAINING} --output taken/run")),
        5,
    );
    assert!(
        errors(&output).contains("\"taken\": cannot create"),
        "{}",
        errors(&output)
    );
    // As for a folder that is there: nothing is overwritten.
    let output = ends_with(
        &mut lenet(root.path(), &format!("{TRAINING} --output taken")),
        2,
    );
    assert!(
        errors(&output).contains("\"taken\" exists already"),
        "{}",
        errors(&output)
    );
    assert_eq!(fs::read(root.path().join("taken")).unwrap(), b"mine");
}

/// A folder that is removed while the training runs ends it at the next checkpoint, with its name,
/// and does not come back.
#[test]
fn a18_the_folder_is_removed_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let arguments = format!("{TRAINING} --epochs 2000 --output run");
    let arguments = arguments.replace("--epochs 3 ", "");
    let mut command = lenet(root.path(), &arguments);
    let errors = root.path().join("errors");
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let run = root.path().join("run");
    wait_for("the second checkpoint", || checkpoints(&run).len() > 1);
    // The program may write a file between the removal of the others and that of their folder.
    wait_for("the removal", || {
        let _ = fs::remove_dir_all(&run);
        !run.exists()
    });
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let message = fs::read_to_string(&errors).unwrap();
    assert!(message.contains("error: \"run/"), "{message}");
    assert!(!run.exists(), "the folder came back");
}
