//! The longer checks: `cargo xtask ci` runs every step and reports every failure at the end.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::run::{PROFILE, Workspace, checked, empty_folder};
use crate::{aarch64, exports, golden, tensorboard, tidy, trainings, usage_error, web};

/// The registry takes files up to 10 MiB; the margin is for a limit counted in another way.
const CRATE_LIMIT: u64 = 10_000_000;

/// Not a failure: the error of a step that lacks what the machine need not have, with the reason.
#[derive(Debug)]
pub struct Skipped(pub String);

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// The benches, as cargo selects them.
const BENCHES: &str = "--bench throughput --bench kernels --bench pool --bench data";

/// The daily steps, in the order in which they run: the quick ones first.
const STEPS: &[Step] = &[
    Step {
        name: "tidy",
        about: "the sources as text: unfinished code, unexplained exceptions, long files",
        run: tidy::check,
    },
    Step {
        name: "fmt",
        about: "the sources are formatted",
        run: |workspace| checked(workspace.cargo("fmt").args(["--all", "--check"])),
    },
    Step {
        name: "web",
        about: "the committed WebAssembly is up to date with its sources",
        run: web::check,
    },
    Step {
        name: "clippy",
        about: "no lint, in any target of any crate",
        run: |workspace| {
            checked(
                quick(workspace, "clippy", "--workspace --all-targets")
                    .args(words("-- -D warnings")),
            )
        },
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        run: |workspace| {
            checked(
                quick(workspace, "doc", "--workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"),
            )
        },
    },
    Step {
        name: "bench",
        about: "every bench runs once",
        run: |workspace| {
            let mut command = quick(workspace, "bench", "--workspace");
            checked(command.args(words(BENCHES)).args(words("-- --test")))
        },
    },
    Step {
        name: "package",
        about: "lenet-data with its embedded MNIST fits the registry's limit",
        run: package,
    },
    Step {
        name: "determinism",
        about: "two trainings from one seed, on one thread and on all, write the same bytes",
        run: trainings::determinism,
    },
    Step {
        name: "accuracy",
        about: "recipes reach their accuracies: digits, clothes, a folder of letters",
        run: trainings::accuracy,
    },
    Step {
        name: "exports",
        about: "onnxruntime, ONNX's checker, the hub's library and a C compiler read the exports",
        run: exports::check,
    },
];

/// The steps that compile all dependencies once more, install gigabytes or take an hour: only
/// `--nightly` and their names run them.
const NIGHTLY: &[Step] = &[
    Step {
        name: "portable",
        about: "nightly: data, kernels and model compile without their default features",
        run: |workspace| {
            let crates = "-p lenet-data -p lenet-engine -p lenet-model --no-default-features";
            checked(&mut quick(workspace, "check", crates))?;
            let crates = "-p lenet -p lenet-train --no-default-features --all-targets";
            checked(&mut quick(workspace, "check", crates))
        },
    },
    Step {
        name: "hub",
        about: "nightly: lints and tests of lenet-data with the Hugging Face hub",
        run: |workspace| {
            // The hub's client changes the features of many dependencies.
            let lints = "-p lenet-data --all-targets --features hub -- -D warnings";
            checked(&mut quick(workspace, "clippy", lints))?;
            let tests = "-p lenet-data --features hub --test hub --test download";
            checked(&mut quick(workspace, "test", tests))
        },
    },
    Step {
        name: "assertions",
        about: "nightly: all tests with debug assertions and overflow checks",
        run: |workspace| {
            checked(
                workspace
                    .cargo("test")
                    .args(words("--workspace --no-fail-fast")),
            )
        },
    },
    Step {
        name: "aarch64",
        about: "nightly: the kernels' tests on an emulated aarch64; the program compiles for it",
        run: aarch64::check,
    },
    Step {
        name: "tensorboard",
        about: "nightly: TensorBoard reads what a training wrote for it",
        run: tensorboard::check,
    },
    Step {
        name: "golden",
        about: "nightly: PyTorch still computes what the golden file says",
        run: golden::check,
    },
    Step {
        name: "exports-all",
        about: "nightly: the step exports, and tract and PyTorch read the exports too",
        run: exports::check_all,
    },
    Step {
        name: "faults",
        about: "nightly: trainings killed, starved and damaged at every place; a server under siege",
        run: |workspace| {
            let tests = "--workspace --no-fail-fast --test faults --test damaged";
            checked(quick(workspace, "test", tests).env("LENET_NIGHTLY", "1"))?;
            // One after the other: the descriptors of a thousand clients and of the server are those
            // of one process.
            let tests = "--workspace --test server -- --test-threads 1 --nocapture";
            checked(quick(workspace, "test", tests).env("LENET_NIGHTLY", "1"))
        },
    },
];

/// `cargo SUBCOMMAND` in the profile of the program and the tests.
fn quick(workspace: &Workspace, subcommand: &str, arguments: &str) -> Command {
    let mut command = workspace.cargo(subcommand);
    command.args(["--profile", PROFILE]).args(words(arguments));
    command
}

/// `cargo xtask ci [--list] [--nightly] [STEP]...`.
pub fn main(workspace: &Workspace, mut arguments: Vec<OsString>) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS.iter().chain(NIGHTLY) {
            println!("{:<12} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let count = arguments.len();
    arguments.retain(|argument| argument != "--nightly");
    if arguments.is_empty() && count > 0 {
        let all: Vec<&Step> = STEPS.iter().chain(NIGHTLY).collect();
        return Ok(run_all(&all, workspace));
    }
    match chosen(&arguments) {
        Ok(steps) => Ok(run_all(&steps, workspace)),
        Err(unknown) => {
            let message = format!("no step {unknown:?}; `cargo xtask ci --list` prints them");
            Ok(usage_error("ci", &message))
        }
    }
}

/// The steps of these names, or all; an unknown name is the error.
fn chosen(names: &[OsString]) -> Result<Vec<&'static Step>, OsString> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let find = |name: &OsString| {
        STEPS
            .iter()
            .chain(NIGHTLY)
            .find(|step| *name == *step.name)
            .ok_or_else(|| name.clone())
    };
    names.iter().map(find).collect()
}

/// Runs the steps, whatever fails, and prints a line for each at the end.
fn run_all(steps: &[&Step], workspace: &Workspace) -> ExitCode {
    let mut lines = Vec::new();
    let (mut failures, mut skipped) = (0, 0);
    for step in steps {
        eprintln!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        let result = (step.run)(workspace);
        let seconds = start.elapsed().as_secs_f64();
        let verdict = match &result {
            Ok(()) => "ok".to_owned(),
            Err(error) if error.is::<Skipped>() => {
                skipped += 1;
                eprintln!("ci: skipped {}: {error}", step.name);
                format!("skipped: {error}")
            }
            Err(error) => {
                failures += 1;
                eprintln!("{}: {error:#}", step.name);
                format!("FAILED: {error:#}")
            }
        };
        lines.push(format!("{:<12} {seconds:>6.1} s  {verdict}", step.name));
    }
    println!("\n{}", lines.join("\n"));
    let passed = steps.len() - failures - skipped;
    println!("ci: {passed} passed, {failures} failed, {skipped} skipped");
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The arguments of a command line that quotes nothing.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// Packages lenet-data as for publishing and weighs the result.
fn package(workspace: &Workspace) -> Result<()> {
    let folder = empty_folder(workspace, "package")?;
    let mut command = workspace.cargo("package");
    command
        .args(words(
            "-p lenet-data --no-verify --allow-dirty --target-dir",
        ))
        .arg(&folder);
    // All that the lock file names is here by now: publishing is not what is checked.
    checked(command.arg("--offline"))?;
    let files = fs::read_dir(folder.join("package")).context("cargo package wrote no folder")?;
    let files: Vec<PathBuf> = files
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "crate")
        })
        .collect();
    ensure!(
        files.len() == 1,
        "cargo package wrote {} .crate files",
        files.len()
    );
    files.iter().try_for_each(|file| weigh(file, CRATE_LIMIT))
}

fn weigh(file: &Path, limit: u64) -> Result<()> {
    let size = fs::metadata(file)?.len();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    println!("{name}: {size} bytes, limit {limit}");
    ensure!(size < limit, "{name} has {size} bytes, limit {limit}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>, OsString> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Ok(chosen(&arguments)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(&["fmt", "tidy"]).unwrap(), ["fmt", "tidy"]);
        assert_eq!(names(&["faults"]).unwrap(), ["faults"]);
        assert_eq!(names(&["fmt", "tydi"]).unwrap_err(), "tydi");
    }

    #[test]
    fn a_failure_does_not_stop_the_next_step() {
        let workspace = Workspace::scratch("steps");
        let fails = Step {
            name: "fails",
            about: "",
            run: |_| bail!("on purpose"),
        };
        let writes = Step {
            name: "writes",
            about: "",
            run: |workspace| empty_folder(workspace, "proof").map(drop),
        };
        assert_eq!(run_all(&[&fails, &writes], &workspace), ExitCode::FAILURE);
        assert!(
            workspace.target.join("xtask/proof").is_dir(),
            "the second step ran"
        );
        assert_eq!(run_all(&[&writes], &workspace), ExitCode::SUCCESS);
        let lacks = Step {
            name: "lacks",
            about: "",
            run: |_| bail!(Skipped("no emulator".to_owned())),
        };
        assert_eq!(run_all(&[&lacks], &workspace), ExitCode::SUCCESS);
        assert_eq!(run_all(&[&fails, &lacks], &workspace), ExitCode::FAILURE);
        fs::remove_dir_all(&workspace.target).unwrap();
    }

    #[test]
    fn a_crate_at_the_limit_fails() {
        let workspace = Workspace::scratch("weight");
        let file = empty_folder(&workspace, "weight").unwrap().join("a.crate");
        fs::write(&file, [0; 8]).unwrap();
        weigh(&file, 9).unwrap();
        let error = weigh(&file, 8).unwrap_err().to_string();
        assert!(error.contains("8 bytes, limit 8"), "{error}");
        fs::remove_dir_all(&workspace.target).unwrap();
    }
}
