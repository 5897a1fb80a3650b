//! A1, A2 and A16: killed at any moment, a run goes on to the bytes of one that was not.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{
    Draws, REFERENCE, TRAINING, assert_as_undisturbed, checkpoints, copy, errors, go_on, lenet,
    nightly, skipped, start, struck, succeeds,
};

const SIGKILL: i32 = 9;

/// Killed at a file operation, each alone: what is on the disk goes on to the bytes of an undisturbed
/// training. A16: the lock's file is there still, and keeps nobody out.
#[test]
fn a1_a16_killed_at_each_file_operation() {
    let mut kills = 0;
    for call in ["mkdir", "unlink", "fsync", "rename"] {
        let step = if nightly() || call == "mkdir" { 1 } else { 9 };
        for number in (1..).step_by(step) {
            let root = tempfile::tempdir().unwrap();
            let arguments = format!("{TRAINING} --output run");
            let fault = format!("{call}:signal=SIGKILL:when={number}");
            let Some(mut command) = struck(root.path(), &arguments, &fault) else {
                return;
            };
            let output = command.output().unwrap();
            if output.status.success() {
                // There was no such operation any more.
                assert_as_undisturbed(&root.path().join("run"), &fault);
                break;
            }
            assert_eq!(
                output.status.signal(),
                Some(SIGKILL),
                "{fault}: {}",
                errors(&output)
            );
            kills += 1;
            go_on(root.path(), &fault);
        }
    }
    assert!(kills > 12, "only {kills} kills");
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn a1_killed_at_any_time() {
    let times = if nightly() { 1_000 } else { 8 };
    let mut draws = Draws(2_026);
    for time in 0..times {
        let root = tempfile::tempdir().unwrap();
        let mut child = start(&mut lenet(root.path(), &format!("{TRAINING} --output run")));
        let delay = Duration::from_micros(draws.below(REFERENCE.took.as_micros() as u64));
        std::thread::sleep(delay);
        let _ = child.kill();
        child.wait().unwrap();
        go_on(root.path(), &format!("kill {time}, after {delay:?}"));
    }
}

/// A power cut keeps what had been synced. Of each file: written, then synced, then renamed, then
/// its folder synced, and only then is an older checkpoint removed.
#[test]
fn a2_order_of_write_sync_and_rename() {
    let root = tempfile::tempdir().unwrap();
    let traced = Command::new("strace")
        .args(
            "-f -y -s 0 -o trace -e trace=write,fsync,rename,renameat,renameat2,unlink,unlinkat,mkdir"
                .split(' '),
        )
        .arg(env!("CARGO_BIN_EXE_lenet"))
        .args(TRAINING.split_whitespace())
        .args(["--output", "run"])
        .current_dir(root.path())
        .output();
    if !traced.is_ok_and(|output| output.status.success()) {
        return skipped("strace is not there or may not trace; Debian's package is `strace`");
    }
    let trace = fs::read_to_string(root.path().join("trace")).unwrap();
    let top = format!("{}>", root.path().display());
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
        .filter(|call| {
            call.starts_with("mkdir")
                || call.contains("run/")
                || call.contains("run>")
                || call.contains(&top)
        })
        .collect();
    // A folder's own name is of the folder above.
    let folders = [
        ("\"run\"", root.path()),
        ("\"run/checkpoint\"", &root.path().join("run")),
    ];
    for (folder, above) in folders {
        let made = |call: &&str| call.starts_with("mkdir(") && call.contains(folder);
        let made = calls.iter().position(made).unwrap();
        let synced = format!("{}>", above.display());
        let is_next = calls
            .get(made + 1)
            .is_some_and(|call| call.contains(&synced));
        assert!(is_next, "{folder}: {:?}", calls.get(made + 1));
    }
    let mut renames = 0;
    for (at, call) in calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.starts_with("rename"))
    {
        let [from, to] = quoted(call)[..] else {
            panic!("{call}")
        };
        // Pictures and the page can be drawn again.
        if [".svg", ".png", ".html"]
            .iter()
            .any(|end| to.ends_with(end))
        {
            continue;
        }
        renames += 1;
        let temporary = format!("{}>", from.rsplit('/').next().unwrap());
        let last = |name: &str| {
            let of_file = |call: &&str| call.starts_with(name) && call.contains(&temporary);
            calls[..at].iter().rposition(of_file)
        };
        let (written, synced) = (last("write("), last("fsync("));
        assert!(
            written.is_some() && written < synced,
            "{call}: {written:?} {synced:?}"
        );
        let folder = format!("{}>", Path::new(to).parent().unwrap().display());
        let next = calls[at + 1];
        assert!(
            next.starts_with("fsync(") && next.contains(&folder),
            "{call}\n{next}"
        );
    }
    // Six checkpoints with their tables, and the files of the beginning and the end.
    assert!(renames > 15, "{renames} renames in\n{trace}");
}

/// The strings of a system call.
fn quoted(call: &str) -> Vec<&str> {
    call.split('"').skip(1).step_by(2).collect()
}

/// What a power cut makes of a file that was not synced: its end is missing or zeros.
#[test]
fn a2_the_newest_checkpoint_is_cut_or_zeroed() {
    for kind in ["cut", "zeroed", "empty"] {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        copy(&REFERENCE.run(), &run);
        fs::remove_file(run.join("summary.json")).unwrap();
        let [_, newest] = &checkpoints(&run)[..] else {
            panic!("{:?}", checkpoints(&run))
        };
        let mut bytes = fs::read(newest).unwrap();
        let half = bytes.len() / 2;
        match kind {
            "cut" => bytes.truncate(half),
            "zeroed" => bytes[half..].fill(0),
            _ => bytes.clear(),
        }
        fs::write(newest, bytes).unwrap();
        let output = succeeds(&mut lenet(root.path(), "train --resume run"));
        let message = errors(&output);
        assert!(message.contains("checkpoint skipped"), "{message}");
        assert!(
            message.contains(&file_name(&newest.to_string_lossy())),
            "{message}"
        );
        assert_as_undisturbed(&run, kind);
    }
}
