//! Trainings of the real program that are killed, interrupted, starved and damaged, by the ids of
//! crates/train/tests/FAULTS.md. All faults come from outside: signals, strace, small disks, full
//! pipes. `LENET_NIGHTLY=1` runs the long versions.

mod limits;
mod runs;
mod signals;
mod stops;

use std::fs;
use std::io::{PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::datasets::idx;
use crate::{copied, fails, lenet, mnist, run_by, skipped, snapshot, succeeds};

/// The training that most of these tests disturb: three epochs of eight steps, six checkpoints.
const TRAINING: &str = "train --limit-train 512 --validation 64 --batch-size 64 --epochs 3 \
                        --checkpoint-every 4 --threads 1 --output run";

/// The same on a part of MNIST, which is read and tested with in a tenth of the time.
fn training() -> String {
    static PART: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let root = tempfile::tempdir().unwrap();
        for (split, set, count) in [("train", &mnist().train, 576), ("t10k", &mnist().test, 200)] {
            let images = set.iter().take(count).map(|(image, label)| (*image, label));
            let (pixels, labels): (Vec<_>, Vec<_>) = images.unzip();
            let write = |name: &str, bytes: Vec<u8>| {
                fs::write(root.path().join(format!("{split}-{name}-ubyte")), bytes).unwrap();
            };
            let images = idx(&[count as u32, 28, 28], pixels.as_flattened());
            write("images-idx3", images);
            write("labels-idx1", idx(&[count as u32], &labels));
        }
        root
    });
    format!("{TRAINING} --dataset {}", PART.path().display())
}

/// Whether the long versions run.
fn nightly() -> bool {
    std::env::var_os("LENET_NIGHTLY").is_some_and(|value| value != "0")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A full pipe: a program that writes to it waits until it is read, or gets an error once the reader
/// is dropped.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // pipe(7): the capacity is 16 pages.
    writer.write_all(&[b' '; 65_536]).unwrap();
    (reader, writer.into())
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(300), "{what}: never");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The weights, and the table without its wall times: the same whatever happened.
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

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let root = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    succeeds(root.path(), &training());
    Reference {
        took: begun.elapsed(),
        outcome: Outcome::of(&root.path().join("run")),
        root,
    }
});

/// The run came to what an undisturbed one comes to, and is finished and tidy.
#[track_caller]
fn assert_as_undisturbed(run: &Path, what: &str) {
    let found = Outcome::of(run);
    assert_eq!(found.table, REFERENCE.outcome.table, "{what}");
    assert!(found == REFERENCE.outcome, "{what}: other weights");
    assert!(run.join("report.html").exists(), "{what}: not finished");
    assert_eq!(leftovers(run), Vec::<PathBuf>::new(), "{what}");
}

/// Temporary files of a run.
fn leftovers(run: &Path) -> Vec<PathBuf> {
    let mut paths = snapshot(run).into_keys().collect::<Vec<_>>();
    paths.retain(|path| path.extension().is_some_and(|end| end == "tmp"));
    paths
}

/// Goes on with a run that was stopped at any moment. One that was stopped before its configuration
/// was written says so, and is begun again.
#[track_caller]
fn go_on(root: &Path, what: &str) {
    let run = root.join("run");
    if run.join("config.toml").exists() {
        succeeds(root, "train --resume run");
    } else {
        if run.exists() {
            let message = fails(root, "train --resume run", 5);
            assert!(message.contains("config.toml"), "{what}: {message}");
        }
        succeeds(root, &training());
    }
    assert_as_undisturbed(&run, what);
}

/// A copy of the reference's run, in a folder of its own.
fn finished() -> tempfile::TempDir {
    copied(REFERENCE.root.path())
}

/// The same with its last four steps left to do.
fn unfinished() -> tempfile::TempDir {
    let root = finished();
    for name in ["summary.json", "checkpoint/step-0000000024.safetensors"] {
        fs::remove_file(root.path().join("run").join(name)).unwrap();
    }
    root
}
