//! Trainings of the real program that are killed, interrupted, starved and damaged, by the ids of
//! crates/train/tests/FAULTS.md. `LENET_NIGHTLY=1` runs the long versions.
#![cfg(all(unix, debug_assertions, feature = "embedded-mnist"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod interrupt;
mod kill;
mod limits;
mod other;
mod soak;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

/// The training that all of these tests disturb: three epochs of eight steps, six checkpoints.
/// Another number of threads would change nothing but the speed (A21).
const TRAINING: &str = "train --limit-train 512 --validation 64 --batch-size 64 --epochs 3 \
                        --checkpoint-every 4 --threads 1";

/// Whether the long versions run.
fn nightly() -> bool {
    std::env::var_os("LENET_NIGHTLY").is_some_and(|value| value != "0")
}

/// After this time a program hangs; no machine is so slow.
const HANGS: Duration = Duration::from_secs(300);

/// Says why a test is skipped, past the test runner, which swallows what passing tests print.
fn skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// The program in this folder, by these arguments, untouched by the user's own settings.
fn lenet(folder: &Path, arguments: &str) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_lenet")), folder, arguments)
}

/// The program, started by a command that may do something before.
fn prepared(mut command: Command, folder: &Path, arguments: &str) -> Command {
    command.current_dir(folder);
    for name in ["LENET_DATA", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.args(arguments.split_whitespace());
    command
}

/// The program under strace, which strikes one kind of its system calls: `rename:signal=SIGKILL:when=3`
/// kills it at its third rename, `fsync:error=ENOSPC:when=2` lets its second sync fail. The process
/// that is started is the program itself. `None`, with a word, without strace.
fn struck(folder: &Path, arguments: &str, fault: &str) -> Option<Command> {
    let possible = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        skipped("strace is not there or may not trace; Debian's package is `strace`");
        return None;
    }
    let mut strace = Command::new("strace");
    let call = fault.split(':').next().unwrap();
    strace.args(["-D", "-f", "-o", "/dev/null"]);
    strace.args([
        "-e",
        &format!("trace={call}"),
        "-e",
        &format!("inject={fault}"),
    ]);
    strace.arg(env!("CARGO_BIN_EXE_lenet"));
    Some(prepared(strace, folder, arguments))
}

fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeds(command: &mut Command) -> Output {
    ends_with(command, 0)
}

#[track_caller]
fn ends_with(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    output
}

fn send(signal: &str, child: &Child) {
    let arguments = ["-s", signal, &child.id().to_string()];
    assert!(
        Command::new("kill")
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < HANGS, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What must be the same whatever happened: the weights, and the table less its wall times.
#[derive(PartialEq)]
struct Outcome {
    weights: Vec<u8>,
    table: String,
}

impl Outcome {
    fn of(run: &Path) -> Self {
        let table = fs::read_to_string(run.join("results.csv")).unwrap();
        let row = |row: &str| row.split(',').take(6).collect::<Vec<_>>().join(",");
        Self {
            weights: fs::read(run.join("model.safetensors")).unwrap(),
            table: table.lines().map(row).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// The training that nothing disturbed.
struct Reference {
    root: tempfile::TempDir,
    outcome: Outcome,
    took: Duration,
}

impl Reference {
    fn run(&self) -> PathBuf {
        self.root.path().join("run")
    }
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let root = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    succeeds(&mut lenet(root.path(), &format!("{TRAINING} --output run")));
    let took = begun.elapsed();
    Reference {
        outcome: Outcome::of(&root.path().join("run")),
        took,
        root,
    }
});

/// The run has come to what an undisturbed one comes to, and is finished and tidy.
#[track_caller]
fn assert_as_undisturbed(run: &Path, what: &str) {
    let found = Outcome::of(run);
    assert_eq!(found.table, REFERENCE.outcome.table, "{what}");
    assert!(
        found.weights == REFERENCE.outcome.weights,
        "{what}: other weights"
    );
    assert!(run.join("summary.json").exists(), "{what}: not finished");
    assert_eq!(leftovers(run), Vec::<PathBuf>::new(), "{what}");
}

/// Temporary files of a run.
fn leftovers(run: &Path) -> Vec<PathBuf> {
    let folders = [run.to_owned(), run.join("checkpoint")];
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tmp"))
        .collect()
}

/// The checkpoints of a run, oldest first.
fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoint"))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "safetensors")
    });
    paths.sort();
    paths
}

/// A run that was stopped before its configuration was written says that.
#[track_caller]
fn refuses_to_go_on(root: &Path, what: &str) {
    let output = ends_with(&mut lenet(root, "train --resume run"), 5);
    let message = errors(&output);
    assert!(message.contains("config.toml"), "{what}: {message}");
}

/// Goes on with a run that something has stopped at whatever moment. One that was stopped before
/// its configuration was written has nothing to go on with, says so, and is begun anew.
#[track_caller]
fn go_on(root: &Path, what: &str) {
    let run = root.join("run");
    if run.join("config.toml").exists() {
        let output = lenet(root, "train --resume run").output().unwrap();
        assert!(output.status.success(), "{what}: {}", errors(&output));
    } else {
        if run.exists() {
            refuses_to_go_on(root, what);
            fs::remove_dir_all(&run).unwrap();
        }
        succeeds(&mut lenet(root, &format!("{TRAINING} --output run")));
    }
    assert!(run.join("report.html").exists(), "{what}: no page");
    assert_as_undisturbed(&run, what);
}

/// The reference's run with eight of its steps left to do, in a folder of its own.
fn unfinished() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    copy(&REFERENCE.run(), &run);
    fs::remove_file(run.join("summary.json")).unwrap();
    fs::remove_file(run.join("checkpoint/step-0000000024.safetensors")).unwrap();
    root
}

/// A copy of a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Files with their times of modification and their contents.
type Snapshot = BTreeMap<PathBuf, (SystemTime, Vec<u8>)>;

/// Every file below a folder.
fn snapshot(folder: &Path) -> Snapshot {
    let mut all = Snapshot::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(snapshot(&path)),
            false => {
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                all.insert(path.clone(), (modified, fs::read(&path).unwrap()));
            }
        }
    }
    all
}

/// Draws for the tests: xorshift, seeded, so that a failure can be repeated.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}
