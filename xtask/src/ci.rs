//! The longer checks: `cargo xtask ci` runs every step and reports every failure at the end.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::run::{Skipped, Workspace, checked, output};
use crate::{python, trainings, usage_error, web};

/// The registry takes files up to 10 MiB; the margin is for a limit counted in another way.
const CRATE_LIMIT: u64 = 10_000_000;

/// Name, what it checks, and how.
type Step = (&'static str, &'static str, Way);

enum Way {
    /// These commands of cargo, one after another, see [`Workspace::cargo`].
    Cargo(&'static [&'static str]),
    Task(fn(&Workspace) -> Result<()>),
}
use Way::{Cargo, Task};

/// The daily steps, in the order in which they run: the quick ones first.
const STEPS: &[Step] = &[
    (
        "fmt",
        "the sources are formatted",
        Cargo(&["fmt --all --check"]),
    ),
    (
        "web",
        "the committed WebAssembly is up to date with its sources",
        Task(web::check),
    ),
    (
        "clippy",
        "no lint, in any target of any crate",
        Cargo(&["clippy --profile quick --workspace --all-targets -- -D warnings"]),
    ),
    (
        "doc",
        "the documentation builds without a warning",
        Cargo(&["RUSTDOCFLAGS=-Dwarnings doc --profile quick --workspace --no-deps"]),
    ),
    (
        "bench",
        "every bench runs once",
        Cargo(&["bench --profile quick --workspace --bench throughput --bench data -- --test"]),
    ),
    (
        "package",
        "the crates can be packaged and fit the registry's limit",
        Task(package),
    ),
    (
        "determinism",
        "two trainings from one seed, on one thread and on all, write the same bytes",
        Task(trainings::determinism),
    ),
    (
        "accuracy",
        "recipes reach their accuracies: digits, clothes, a folder of letters",
        Task(trainings::accuracy),
    ),
    (
        "mpi",
        "processes share a training, by MPI",
        Task(|workspace| mpi(workspace, "test WITH --test cli -- mpi::")),
    ),
    (
        "exports",
        "onnxruntime, ONNX's checker, the hub's library and a C compiler read the exports",
        Task(python::exports),
    ),
];

/// The steps that compile all dependencies once more, install gigabytes or take an hour: only
/// `--nightly` and their names run them.
const NIGHTLY: &[Step] = &[
    (
        "portable",
        "nightly: the program and the data compile without their default features",
        Cargo(&[
            "check --profile quick -p lenet-data --no-default-features",
            "check --profile quick -p lenet --no-default-features --all-targets",
        ]),
    ),
    (
        "mpi-lints",
        "nightly: no lint with the feature `mpi`",
        Task(|workspace| mpi(workspace, "clippy WITH --all-targets -- -D warnings")),
    ),
    (
        "hub",
        "nightly: lints and tests of lenet-data with the Hugging Face hub",
        Cargo(&[
            "clippy --profile quick -p lenet-data --all-targets --features hub -- -D warnings",
            "test --profile quick -p lenet-data --features hub --test data -- hub:: download::",
        ]),
    ),
    (
        "assertions",
        "nightly: all tests with debug assertions and overflow checks",
        Cargo(&["test --workspace --no-fail-fast"]),
    ),
    (
        "aarch64",
        "nightly: the engine's tests on an emulated aarch64; the program compiles for it",
        Task(aarch64),
    ),
    (
        "tensorboard",
        "nightly: TensorBoard reads what a training wrote for it",
        Task(python::tensorboard),
    ),
    (
        "examples",
        "nightly: Optuna, Ray and GNU parallel drive the program; Slurm's and Kubernetes' files parse",
        Task(python::examples),
    ),
    (
        "golden",
        "nightly: PyTorch still computes what the golden file says",
        Task(|workspace| python::golden(workspace, vec!["--check".into()]).map(drop)),
    ),
    (
        "exports-all",
        "nightly: the step exports, and tract and PyTorch read the exports too",
        Task(python::all_exports),
    ),
    (
        "fuzz",
        "nightly: every reader of bytes from outside reads mutated ones for a minute",
        Cargo(&[
            "LENET_FUZZ=60s test --profile quick --workspace --lib --tests -- fuzz:: --nocapture",
        ]),
    ),
    (
        "faults",
        "nightly: trainings killed, starved and damaged at every place; a server under siege",
        Cargo(&[
            "LENET_NIGHTLY=1 test --profile quick --workspace --no-fail-fast --test cli --test train \
                 -- faults:: damaged::",
            // One after the other: the descriptors of a thousand clients and of the server are
            // those of one process.
            "LENET_NIGHTLY=1 test --profile quick --workspace --test serve -- --test-threads 1 --nocapture",
        ]),
    ),
];

/// The engine's tests under QEMU, so that the kernels in NEON are tested on x86-64 too.
fn aarch64(workspace: &Workspace) -> Result<()> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    const LINKER: &str = "aarch64-linux-gnu-gcc";
    let runs = |program: &&str| output(Command::new(program).arg("--version")).is_ok();
    // Debian's qemu-user-static has the one, its qemu-user the other.
    let mut emulators = ["qemu-aarch64-static", "qemu-aarch64"].into_iter();
    let libraries = ["--print", "target-libdir", "--target", TARGET];
    let libraries = output(Command::new("rustc").args(libraries))?;
    let is_complete = runs(&LINKER) && Path::new(libraries.trim()).exists();
    let Some(emulator) = emulators.find(runs).filter(|_| is_complete) else {
        let reason = "needs `apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
                      qemu-user-static` and `rustup target add aarch64-unknown-linux-gnu`";
        bail!(Skipped(reason.to_owned()));
    };
    // Property tests that name no number of cases draw this many.
    for line in [
        "PROPTEST_CASES=16 test -p lenet-engine --tests",
        "check -p lenet",
    ] {
        let mut command = workspace.cargo(line);
        command
            .args(["--profile", "quick", "--target", TARGET])
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", emulator)
            .env("CC_aarch64_unknown_linux_gnu", LINKER)
            // Where Debian's cross compiler keeps the target's C library.
            .env("QEMU_LD_PREFIX", "/usr/aarch64-linux-gnu");
        checked(&mut command)?;
    }
    Ok(())
}

/// A command of cargo with the feature `mpi`, for which an MPI must be installed. All dependencies are
/// compiled once more: bindgen wants more of what procedural macros are made with.
fn mpi(workspace: &Workspace, line: &str) -> Result<()> {
    if output(Command::new("mpicc").arg("--version")).is_err() {
        let reason = "needs `apt-get install libopenmpi-dev openmpi-bin libclang-dev`";
        bail!(Skipped(reason.to_owned()));
    }
    let features = "--profile quick --workspace --features lenet/mpi";
    checked(&mut workspace.cargo(&line.replace("WITH", features)))
}

/// Packages the crates as for publishing and weighs the results.
fn package(workspace: &Workspace) -> Result<()> {
    let folder = workspace.empty_folder("package")?;
    let mut command = workspace.cargo(
        "package --workspace --exclude lenet-benches --exclude lenet-fuzz --exclude lenet-web \
         --exclude xtask --no-verify --allow-dirty --offline --target-dir",
    );
    checked(command.arg(&folder))?;
    for entry in fs::read_dir(folder.join("package"))? {
        let path = entry?.path();
        if path.extension() == Some("crate".as_ref()) {
            let size = fs::metadata(&path)?.len();
            let name = path.file_name().unwrap_or_default().display();
            let found = format!("{name}: {size} bytes, limit {CRATE_LIMIT}");
            println!("{found}");
            ensure!(size < CRATE_LIMIT, found);
        }
    }
    Ok(())
}

/// `cargo xtask ci [--list] [--nightly] [STEP]...`.
pub fn main(workspace: &Workspace, mut arguments: Vec<OsString>) -> Result<ExitCode> {
    let all = || STEPS.iter().chain(NIGHTLY);
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, about, _) in all() {
            println!("{name:<12} {about}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let count = arguments.len();
    arguments.retain(|argument| argument != "--nightly");
    if arguments.is_empty() {
        let nightly = if count > 0 { NIGHTLY } else { &[] };
        return Ok(run_all(STEPS.iter().chain(nightly), workspace));
    }
    let mut chosen = Vec::new();
    for argument in arguments {
        match all().find(|(name, ..)| argument == *name) {
            Some(step) => chosen.push(step),
            None => {
                let message = format!("no step {argument:?}; `cargo xtask ci --list` prints them");
                return Ok(usage_error("ci", &message));
            }
        }
    }
    Ok(run_all(chosen, workspace))
}

/// Runs the steps, whatever fails, and prints a line for each at the end.
fn run_all<'a>(steps: impl IntoIterator<Item = &'a Step>, workspace: &Workspace) -> ExitCode {
    let mut lines = String::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, about, way) in steps {
        eprintln!("\n== {name}: {about}");
        let start = Instant::now();
        let result = match way {
            Task(task) => task(workspace),
            Cargo(lines) => {
                let mut lines = lines.iter();
                lines.try_for_each(|line| checked(&mut workspace.cargo(line)))
            }
        };
        let (count, verdict) = match result {
            Ok(()) => (&mut passed, "ok".to_owned()),
            Err(error) if error.is::<Skipped>() => (&mut skipped, format!("skipped: {error}")),
            Err(error) => (&mut failed, format!("FAILED: {error:#}")),
        };
        *count += 1;
        let seconds = start.elapsed().as_secs_f64();
        lines += &format!("{name:<12} {seconds:>6.1} s  {verdict}\n");
    }
    println!("\n{lines}ci: {passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_stop_the_next_step() {
        let workspace = Workspace::of_this_program();
        let fails: Step = ("fails", "", Task(|_| bail!("on purpose")));
        let lacks: Step = (
            "lacks",
            "",
            Task(|_| bail!(Skipped("no emulator".to_owned()))),
        );
        let works: Step = ("works", "", Cargo(&["locate-project"]));
        assert_eq!(run_all([&fails, &works], &workspace), ExitCode::FAILURE);
        assert_eq!(run_all([&works, &lacks], &workspace), ExitCode::SUCCESS);
    }
}
