//! A12 and A13: signals in every phase, and terminals and pipes that close.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{
    HANGS, Outcome, REFERENCE, TRAINING, assert_as_undisturbed, checkpoints, errors, go_on,
    leftovers, lenet, nightly, prepared, send, skipped, start, struck, succeeds, wait_for,
};

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// Waits for the end.
#[track_caller]
fn ends(child: &mut Child, what: &str) -> ExitStatus {
    let asked = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if asked.elapsed() > HANGS {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what}: still there after {:?}", asked.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn repetitions() -> usize {
    if nightly() { 20 } else { 1 }
}

#[test]
fn a12_a_signal_while_it_trains() {
    for (signal, code) in SIGNALS.repeat(repetitions()) {
        let root = tempfile::tempdir().unwrap();
        // Of so many epochs that it is not over in time.
        let long = TRAINING.replace("--epochs 3", "--epochs 100000");
        let mut child = start(&mut lenet(root.path(), &format!("{long} --output long")));
        let checkpoint = root.path().join("long/checkpoint");
        wait_for("the first checkpoint", || checkpoint.exists());
        send(signal, &child);
        assert_eq!(ends(&mut child, signal).code(), Some(code), "{signal}");

        let mut child = start(&mut lenet(root.path(), &format!("{TRAINING} --output run")));
        let checkpoint = root.path().join("run/checkpoint");
        wait_for("the first checkpoint", || checkpoint.exists());
        send(signal, &child);
        assert_eq!(ends(&mut child, signal).code(), Some(code), "{signal}");
        assert_eq!(leftovers(&root.path().join("run")), [""; 0].map(Path::new));
        // On a busy machine the training may be over before the signal comes.
        go_on(root.path(), signal);
    }
}

/// `lenet eval` has nothing to write down: the signal ends it as it ends any program, which a shell
/// sees as 128 + signal.
#[test]
fn a12_a_signal_while_it_evaluates() {
    let model = REFERENCE.run();
    for (signal, code) in SIGNALS.repeat(repetitions()) {
        let root = tempfile::tempdir().unwrap();
        // On candle's operations, which take seconds.
        let arguments = format!(
            "eval --split train --engine candle --threads 1 --model {}",
            model.display()
        );
        // A shell's background jobs, and their children, ignore SIGINT from the start.
        let mut env = Command::new("env");
        env.args(["--default-signal", env!("CARGO_BIN_EXE_lenet")]);
        let mut child = start(&mut prepared(env, root.path(), &arguments));
        // In the middle: with MNIST in memory, and 60,000 images to go.
        let status = format!("/proc/{}/status", child.id());
        if !Path::new(&status).exists() {
            child.wait().unwrap();
            return skipped("this system has no /proc");
        }
        wait_for("MNIST in memory", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kib.is_none_or(|kib| kib > 60_000)
        });
        send(signal, &child);
        let status = ends(&mut child, signal);
        let seen_by_a_shell = status.code().or_else(|| Some(128 + status.signal()?));
        assert_eq!(seen_by_a_shell, Some(code), "{signal}");
    }
}

/// Starts a training whose renames take a while, from this one on.
fn slow(root: &Path, first: u32) -> Option<Child> {
    let arguments = format!("{TRAINING} --quiet --output run");
    let fault = format!("rename:delay_enter=300000:when={first}+");
    Some(start(&mut struck(root, &arguments, &fault)?))
}

/// The first signal waits for the checkpoint that is being written.
#[test]
fn a12_a_signal_while_a_checkpoint_is_written() {
    for (signal, code) in SIGNALS {
        let root = tempfile::tempdir().unwrap();
        let Some(mut child) = slow(root.path(), 1) else {
            return;
        };
        let run = root.path().join("run");
        let third = format!(".step-0000000012.safetensors.{}.tmp", child.id());
        let third = run.join("checkpoint").join(third);
        wait_for("the third checkpoint", || third.exists());
        send(signal, &child);
        assert_eq!(ends(&mut child, signal).code(), Some(code));
        assert!(leftovers(&run).is_empty(), "{:?}", leftovers(&run));
        go_on(root.path(), signal);
    }
}

/// The second signal waits for nothing; what was whole before stays so.
#[test]
fn a12_a_second_signal_ends_at_once() {
    for (signal, code) in SIGNALS {
        let root = tempfile::tempdir().unwrap();
        let Some(mut child) = slow(root.path(), 1) else {
            return;
        };
        let run = root.path().join("run");
        wait_for("two checkpoints", || checkpoints(&run).len() == 2);
        // Two signals of one kind that come at once are one: sent until it has seen the second.
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            send(signal, &child);
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(status.code(), Some(code));
        go_on(root.path(), signal);
    }
}

/// The run is finished when its pictures are drawn; an interruption there has its exit code and
/// loses nothing.
#[test]
fn a12_a_signal_while_pictures_are_drawn() {
    for (signal, code) in SIGNALS.repeat(repetitions()) {
        let root = tempfile::tempdir().unwrap();
        let Some(mut child) = slow(root.path(), 17) else {
            return;
        };
        let run = root.path().join("run");
        wait_for("the summary", || run.join("summary.json").exists());
        send(signal, &child);
        assert_eq!(ends(&mut child, signal).code(), Some(code), "{signal}");
        assert_as_undisturbed(&run, signal);
    }
}

/// `lenet train | head -1` trains to the end.
#[test]
fn a13_nobody_reads_standard_output() {
    let root = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_lenet");
    let line = format!("{program} {TRAINING} --output run 2>errors | head -1");
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(root.path())
        .output()
        .unwrap();
    assert!(output.stdout.starts_with(b"test accuracy "));
    let errors = fs::read_to_string(root.path().join("errors")).unwrap();
    assert!(
        !errors.contains("panicked") && !errors.contains("error:"),
        "{errors}"
    );
    assert_as_undisturbed(&root.path().join("run"), "| head -1");

    // Closed before the first line is written.
    let root = tempfile::tempdir().unwrap();
    let mut child = lenet(root.path(), &format!("{TRAINING} --output run"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", crate::errors(&output));
    assert_as_undisturbed(&root.path().join("run"), "a closed standard output");
}

#[test]
fn a13_nobody_reads_standard_error() {
    let root = tempfile::tempdir().unwrap();
    let mut child = lenet(root.path(), &format!("{TRAINING} --output run"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let run = root.path().join("run");
    assert_as_undisturbed(&run, "a closed standard error");
    // The log of the run is in its folder.
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(
        events.matches("\"event\":\"step\"").count() >= 24,
        "{events}"
    );

    // No standard streams at all, as under some supervisors.
    let root = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_lenet");
    let line = format!("exec {program} {TRAINING} --output run <&- >&- 2>&-");
    let status = Command::new("sh")
        .args(["-c", &line])
        .current_dir(root.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_as_undisturbed(&root.path().join("run"), "no standard streams");
}

/// A terminal that goes away stops nothing.
#[test]
fn a13_hang_up() {
    let root = tempfile::tempdir().unwrap();
    let mut child = start(&mut lenet(root.path(), &format!("{TRAINING} --output run")));
    let run = root.path().join("run");
    wait_for("the first checkpoint", || run.join("checkpoint").exists());
    send("HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_as_undisturbed(&run, "SIGHUP");
    let output = succeeds(&mut lenet(root.path(), "eval --model run"));
    assert!(
        output.stdout.starts_with(b"mnist test"),
        "{}",
        errors(&output)
    );
    let _ = Outcome::of(&run);
}
