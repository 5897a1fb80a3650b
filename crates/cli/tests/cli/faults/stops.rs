//! A1, A2, A16 to A18: killed at any moment, or on a disk that fails, a run continues to the
//! bytes of one that was not disturbed.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{
    Outcome, REFERENCE, assert_as_undisturbed, errors, go_on, leftovers, lenet, nightly, run_by,
    skipped, succeeds, training, unfinished, wait_for,
};

const SIGKILL: i32 = 9;

#[test]
fn a1_a16_killed_at_random_moments() {
    // Fractions of the golden ratio cover the duration evenly, however many there are.
    for time in 1..=if nightly() { 1_000 } else { 10 } {
        let part = (f64::from(time) * 0.618_034).fract();
        let root = tempfile::tempdir().unwrap();
        let mut command = lenet(root.path(), &format!("{} --quiet", training()));
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(REFERENCE.took.mul_f64(part));
        let _ = child.kill();
        child.wait().unwrap();
        go_on(root.path(), &format!("killed after {part:.3} of the time"));
    }
}

/// Kills the training at the N-th system call of a kind, or fails that call as on a full disk, by
/// strace.
#[test]
fn a1_a17_killed_or_failing_at_a_call() {
    for (call, what, step) in [
        ("fsync", "signal=KILL", 9),
        ("/^rename", "signal=KILL", 5),
        ("/^unlink", "signal=KILL", 9),
        ("fsync", "error=ENOSPC", 9),
        ("/^rename", "error=ENOSPC", 5),
    ] {
        for number in (1..).step_by(if nightly() { 1 } else { step }) {
            let root = tempfile::tempdir().unwrap();
            let run = root.path().join("run");
            let inject = format!("-e trace={call} -e inject={call}:{what}:when={number}");
            let program = env!("CARGO_BIN_EXE_lenet");
            let traced = format!("-f -o trace {inject} {program} {}", training());
            let Ok(output) = run_by(root.path(), "strace", &traced).output() else {
                return skipped("there is no strace; Debian's package is `strace`");
            };
            let what = format!("{what} at {call} {number}: {}", errors(&output));
            match output.status.code() {
                None => assert_eq!(output.status.signal(), Some(SIGKILL), "{what}"),
                Some(5) => {
                    assert!(what.contains("No space left on device"), "{what}");
                    assert_eq!(leftovers(&run), Vec::<PathBuf>::new(), "{what}");
                }
                // There is no such call, or it may fail, as those of pictures may.
                code => assert_eq!(code, Some(0), "{what}"),
            }
            go_on(root.path(), &what);
            let trace = fs::read_to_string(root.path().join("trace")).unwrap();
            if !trace.contains("INJECTED") && !trace.contains("killed by SIGKILL") {
                assert!(number > 1, "{what}");
                break;
            }
        }
    }
}

/// A sweep that is killed or stopped at the N-th file of one of its threads, and given again, trains
/// what it lacks, and only that, to the bytes and the table of one that was not.
#[test]
fn a1_a12_a_sweep_killed_or_stopped() {
    let training = training();
    let (_, part) = training.split_once("--dataset ").unwrap();
    let sweep = format!(
        "dataset = {part:?}\nseeds = 2\n[set]\nepochs = 2\nbatch_size = 64\nvalidation = 64\n\
         [grid]\nlearning_rate = [0.001, 0.004]\n"
    );
    let command = "sweep s.toml --jobs 2 --output s --quiet";
    let runs = ["1-seed-1", "1-seed-2", "2-seed-1", "2-seed-2"];
    let outcome = |root: &Path| {
        let table = fs::read_to_string(root.join("s/sweep.csv")).unwrap();
        // The last two columns are times.
        let rows = table.lines().map(|row| row.rsplitn(3, ',').last());
        let rows = rows.map(|row| row.unwrap().to_owned()).collect::<Vec<_>>();
        (rows, runs.map(|run| Outcome::of(&root.join("s").join(run))))
    };
    let begun = || {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("s.toml"), &sweep).unwrap();
        root
    };
    let root = begun();
    succeeds(root.path(), command);
    let undisturbed = outcome(root.path());
    for (signal, number) in [("KILL", 1), ("KILL", 7), ("KILL", 24), ("TERM", 7)] {
        let root = begun();
        let root = root.path();
        let inject = "-f -o trace -e trace=/^rename -e inject=/^rename";
        let program = env!("CARGO_BIN_EXE_lenet");
        let traced = format!("{inject}:signal={signal}:when={number} {program} {command}");
        let Ok(output) = run_by(root, "strace", &traced).output() else {
            return skipped("there is no strace; Debian's package is `strace`");
        };
        let what = format!("{signal} at {number}: {}", errors(&output));
        let finished = || {
            let summaries = runs.map(|run| root.join("s").join(run).join("summary.json"));
            summaries.map(|path| fs::metadata(path).and_then(|found| found.modified()).ok())
        };
        let before = finished();
        assert!(before.contains(&None), "{what}");
        if signal == "TERM" {
            assert_eq!(output.status.code(), Some(143), "{what}");
            let have = |name| runs.map(|run| root.join("s").join(run).join(name).exists());
            assert!(have("checkpoint").contains(&true), "{what}");
            assert_eq!(have("checkpoint"), have("config.toml"), "{what}");
        } else {
            assert_eq!(output.status.signal(), Some(SIGKILL), "{what}");
        }
        succeeds(root, command);
        assert!(outcome(root) == undisturbed, "{what}");
        for (before, now) in std::iter::zip(before, finished()) {
            assert!(before.is_none() || before == now, "{what}: trained twice");
        }
    }
}

/// A power cut keeps what was synced. Each file is written, synced and renamed, and then its folder
/// is synced.
#[test]
fn a2_order_of_write_sync_and_rename() {
    let root = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_lenet");
    let arguments = format!(
        "-f -y -s 0 -o trace -e trace=write,fsync,/^rename {program} {}",
        training()
    );
    let traced = run_by(root.path(), "strace", &arguments).output();
    if !traced.is_ok_and(|output| output.status.success()) {
        return skipped("strace is not there or may not trace; Debian's package is `strace`");
    }
    let trace = fs::read_to_string(root.path().join("trace")).unwrap();
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
        .filter(|call| call.contains(&root.path().display().to_string()) || call.contains("run"))
        .collect();
    let mut renames = 0;
    for (at, call) in calls.iter().enumerate() {
        let names: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
        // Pictures and the page can be drawn again.
        let can_be_lost = [".svg", ".png", ".html"];
        if !call.starts_with("rename") || can_be_lost.iter().any(|end| names[1].ends_with(end)) {
            continue;
        }
        renames += 1;
        let temporary = format!("{}>", names[0].rsplit('/').next().unwrap());
        let last = |name: &str| {
            let is_of_file = |call: &&str| call.starts_with(name) && call.contains(&temporary);
            calls[..at].iter().rposition(is_of_file)
        };
        let (written, synced) = (last("write("), last("fsync("));
        assert!(written.is_some() && written < synced, "{call}");
        let folder = format!("{}>", Path::new(names[1]).parent().unwrap().display());
        let next = calls[at + 1];
        let is_synced = next.starts_with("fsync(") && next.contains(&folder);
        assert!(is_synced, "{call}\n{next}");
    }
    // Six checkpoints with their tables, and the files of the beginning and the end.
    assert!(renames > 15, "{renames} renames in\n{trace}");
}

/// What a power cut makes of a file that was not synced: its end is missing or zeros.
#[test]
fn a2_the_newest_checkpoint_is_torn() {
    for kind in ["cut", "zeroed", "empty"] {
        let root = unfinished();
        let run = root.path().join("run");
        let newest = run.join("checkpoint/step-0000000020.safetensors");
        // A run has two: this one comes after it.
        let torn = run.join("checkpoint/step-0000000024.safetensors");
        let mut bytes = fs::read(&newest).unwrap();
        let half = bytes.len() / 2;
        match kind {
            "cut" => bytes.truncate(half),
            "zeroed" => bytes[half..].fill(0),
            _ => bytes.clear(),
        }
        fs::write(&torn, bytes).unwrap();
        let output = lenet(root.path(), "train --resume run").output().unwrap();
        let message = errors(&output);
        assert!(message.contains("step-0000000024"), "{kind}: {message}");
        assert_as_undisturbed(&run, kind);
    }
}

/// A file system that is too small: each size makes another file fail.
#[test]
fn a17_a_full_disk() {
    let training = training().replace("--output run", "--output disk/run");
    let (mut failed, mut undisturbed) = (0, 0);
    for size in (16..=3_600).step_by(if nightly() { 32 } else { 512 }) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("disk")).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={size}k none disk || exit 99
             {} {training}; code=$?
             cp -r disk/run run; exit $code",
            env!("CARGO_BIN_EXE_lenet")
        );
        let mut command = run_by(root.path(), "unshare", "--mount sh -c");
        let output = command.arg(script).output().ok();
        let output = output.filter(|output| ![Some(1), Some(99)].contains(&output.status.code()));
        let Some(output) = output else {
            return skipped("`unshare --mount` and `mount` need root");
        };
        let message = format!("{size} KiB: {}", errors(&output));
        match output.status.code() {
            Some(0) => undisturbed += 1,
            Some(5) => {
                failed += 1;
                assert!(message.contains("No space left on device"), "{message}");
                let run = root.path().join("run");
                assert_eq!(leftovers(&run), Vec::<PathBuf>::new(), "{message}");
            }
            code => panic!("exit code {code:?}: {message}"),
        }
        go_on(root.path(), &message);
    }
    assert!(failed >= 4 && undisturbed >= 1, "{failed}, {undisturbed}");
}

/// A folder that is removed while the training runs ends it at the next checkpoint, with its name,
/// and does not come back.
#[test]
fn a18_the_folder_is_removed_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    let endless = training().replace("--epochs 3", "--epochs 100000");
    let mut command = lenet(root.path(), &endless);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Read while it runs: it would wait for a full pipe.
    let ended = std::thread::spawn(|| child.wait_with_output().unwrap());
    wait_for("a checkpoint", || run.join("results.csv").exists());
    // The program may write a file between the removal of the others and that of their folder.
    wait_for("the removal", || {
        let _ = fs::remove_dir_all(&run);
        !run.exists()
    });
    let output = ended.join().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let message = errors(&output);
    assert!(message.contains("error: \"run/"), "{message}");
    assert!(!run.exists(), "the folder came back");
}
