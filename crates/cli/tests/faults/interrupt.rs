//! A12 and A13: signals in every phase, and terminals and pipes that close.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{
    HANGS, Outcome, REFERENCE, TRAINING, assert_as_undisturbed, checkpoints, errors, faulty, go_on,
    leftovers, lenet, nightly, prepared, send, skipped, start, succeeds, wait_for,
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

/// The number of the reference's `nth` write of a checkpoint among its file operations.
fn write_of_checkpoint(nth: usize) -> usize {
    writes_of_checkpoints(&REFERENCE.operations)[nth - 1]
}

/// The numbers of the writes of checkpoints among the file operations of a training.
pub fn writes_of_checkpoints(operations: &[String]) -> Vec<usize> {
    let is_write = |operation: &&String| {
        operation.starts_with("write\t") && operation.contains("/checkpoint/")
    };
    let numbered = operations.iter().zip(1..);
    let writes = numbered.filter(|(operation, _)| is_write(operation));
    writes.map(|(_, number)| number).collect()
}

/// Starts a training, and comes back when it is in the middle of its file operation with this
/// number. There it stays until its standard input is dropped.
pub fn stalled(root: &Path, training: &str, operation: usize) -> Child {
    stalled_by(root, &format!("{training} --quiet --output run"), operation)
}

/// The same of any call of the program that is quiet.
pub fn stalled_by(root: &Path, arguments: &str, operation: usize) -> Child {
    let mut child = faulty(root, arguments, &format!("stall:{operation}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "stalled\n");
    // Read to the end elsewhere, so that the program never waits for a full pipe.
    std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    child
}

/// The first signal waits for the checkpoint that is being written.
#[test]
fn a12_a_signal_while_a_checkpoint_is_written() {
    for (signal, code) in SIGNALS {
        let root = tempfile::tempdir().unwrap();
        let mut child = stalled(root.path(), TRAINING, write_of_checkpoint(3));
        send(signal, &child);
        drop(child.stdin.take());
        assert_eq!(ends(&mut child, signal).code(), Some(code));
        let run = root.path().join("run");
        assert!(leftovers(&run).is_empty(), "{:?}", leftovers(&run));
        let names = checkpoints(&run);
        // The third was written; of the step after it, which ended the training, there is one too.
        assert!(
            names
                .iter()
                .any(|path| path.ends_with("step-0000000012.safetensors")),
            "{names:?}"
        );
        go_on(root.path(), signal);
    }
}

/// The second signal waits for nothing; what was whole before stays so.
#[test]
fn a12_a_second_signal_while_a_checkpoint_is_written() {
    for (signal, code) in SIGNALS {
        let root = tempfile::tempdir().unwrap();
        let mut child = stalled(root.path(), TRAINING, write_of_checkpoint(3));
        let run = root.path().join("run");
        let before = checkpoints(&run);
        assert_eq!(before.len(), 2);
        let contents: Vec<_> = before.iter().map(|path| fs::read(path).unwrap()).collect();
        // Two signals of one kind that come at once are one: sent until it has seen the second.
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            send(signal, &child);
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(status.code(), Some(code));
        // It ended in the middle of the write: the half is there, and its name is not.
        assert_eq!(leftovers(&run).len(), 1);
        assert_eq!(checkpoints(&run), before);
        let now: Vec<_> = before.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(now == contents);
        go_on(root.path(), signal);
    }
}

/// The run is finished when its pictures are drawn; an interruption there has its exit code and
/// loses nothing.
#[test]
fn a12_a_signal_while_pictures_are_drawn() {
    // The last file before the pictures.
    let summary = |operation: &String| operation.ends_with("/summary.json");
    let last = 1 + REFERENCE.operations.iter().rposition(summary).unwrap();
    for (signal, code) in SIGNALS.repeat(repetitions()) {
        let root = tempfile::tempdir().unwrap();
        let mut child = stalled(root.path(), TRAINING, last);
        let run = root.path().join("run");
        send(signal, &child);
        assert!(!run.join("report.html").exists());
        drop(child.stdin.take());
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
