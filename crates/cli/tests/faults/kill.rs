//! A1, A2 and A16: killed at any moment, a run goes on to the bytes of one that was not.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{
    Draws, REFERENCE, TRAINING, assert_as_undisturbed, checkpoints, errors, faulty, go_on,
    leftovers, lenet, nightly, refuses_to_go_on, skipped, start, succeeds, unfinished,
};

const SIGKILL: i32 = 9;

/// In CI all of a process's first operations, which are different ones, and a sample of the rest;
/// seven has no divisor in common with the 21 or so operations of a checkpoint that would leave
/// some of them out for ever.
pub fn numbers() -> impl Iterator<Item = usize> {
    let dense = if nightly() { usize::MAX } else { 45 };
    (1..).filter(move |number| *number <= dense || number % 8 == 0)
}

/// Each process goes on where the one before was killed: at the first of its file operations, then
/// the second and so on, until a whole training has too few of them. Each training that gets to
/// its end has gone through many kills, and is as one without.
#[test]
fn a1_killed_at_each_file_operation() {
    let mut root = tempfile::tempdir().unwrap();
    let mut kills = 0;
    for number in numbers() {
        loop {
            let run = root.path().join("run");
            let is_new = !run.exists();
            let arguments = match is_new {
                true => format!("{TRAINING} --output run"),
                false => "train --resume run".to_owned(),
            };
            let fault = format!("kill:{number}");
            let output = faulty(root.path(), &arguments, &fault).output().unwrap();
            if output.status.signal() == Some(SIGKILL) {
                kills += 1;
                if run.join("config.toml").exists() {
                    break;
                }
                // There is nothing to go on with, but a later process may be killed as early.
                if run.exists() {
                    refuses_to_go_on(root.path(), &fault);
                }
                root = unfinished();
                continue;
            }
            // The process had no operation of this number: the training is over.
            assert!(output.status.success(), "{fault}: {}", errors(&output));
            assert_as_undisturbed(&run, &fault);
            root = tempfile::tempdir().unwrap();
            if is_new {
                assert!(number > REFERENCE.operations.len(), "{number}");
                assert!(
                    kills > 50,
                    "only {kills} kills: did the operations go elsewhere?"
                );
                return;
            }
        }
    }
}

/// Each alone, at the named operations of a checkpoint: what is on the disk is what had been
/// renamed to its name before, and no more than one interval is done again. A16: the lock's file
/// is there still, and keeps nobody out.
#[test]
fn a1_a16_what_is_renamed_is_there_after_a_kill() {
    let operations = &REFERENCE.operations;
    let is_checkpoint = |operation: &str| operation.contains("/checkpoint/");
    let mut draws = Draws(17);
    let every: Vec<usize> = (1..=operations.len()).collect();
    let chosen: Vec<usize> = match nightly() {
        true => every,
        false => ["create", "write", "sync", "rename", "remove"]
            .iter()
            .map(|name| {
                let of_name = |number: &usize| {
                    let operation = &operations[number - 1];
                    is_checkpoint(operation) && operation.starts_with(name)
                };
                let numbers: Vec<usize> = every.iter().copied().filter(of_name).collect();
                numbers[draws.below(numbers.len() as u64) as usize]
            })
            .collect(),
    };
    for number in chosen {
        let what = format!("killed at operation {number}: {}", operations[number - 1]);
        let root = tempfile::tempdir().unwrap();
        let arguments = format!("{TRAINING} --output run");
        let output = faulty(root.path(), &arguments, &format!("kill:{number}"))
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(SIGKILL), "{what}");
        let mut renamed = operations[..number - 1]
            .iter()
            .filter(|operation| operation.starts_with("rename\t") && is_checkpoint(operation));
        let newest = renamed.next_back().map(|operation| file_name(operation));
        let found = checkpoints(&root.path().join("run"));
        assert_eq!(
            found.last().map(|path| file_name(&path.to_string_lossy())),
            newest,
            "{what}"
        );
        go_on(root.path(), &what);
    }
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
        let arguments = format!("{TRAINING} --output run");
        // The last but one of the writes of a checkpoint: two are whole.
        let is_write = |operation: &String| {
            operation.starts_with("write\t") && operation.contains("/checkpoint/")
        };
        let numbers = 1..=REFERENCE.operations.len();
        let writes = numbers.filter(|number| is_write(&REFERENCE.operations[number - 1]));
        let fault = format!(
            "kill:{}",
            writes.collect::<Vec<_>>().iter().rev().nth(1).unwrap()
        );
        let output = faulty(root.path(), &arguments, &fault).output().unwrap();
        assert_eq!(output.status.signal(), Some(SIGKILL));
        let run = root.path().join("run");
        assert_eq!(leftovers(&run).len(), 1, "the write was in the middle");
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
        assert!(message.contains("checkpoint passed over"), "{message}");
        assert!(
            message.contains(&file_name(&newest.to_string_lossy())),
            "{message}"
        );
        assert_as_undisturbed(&run, kind);
    }
}
