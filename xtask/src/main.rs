//! The tasks of this workspace, called as `cargo xtask <task>`.
//!
//! | module | holds |
//! |---|---|
//! | `main` | the table of tasks, and the way from the command line to one of them |
//! | `run` | where the workspace is, and how a task starts another program |
//! | `ci` | the longer checks: a table of steps, all run, every failure reported |
//! | `trainings` | tasks that train: accuracies, equal bytes, the weights of the program |
//! | `claims` | the recipes with several seeds, as a table |
//! | `bench` | the benches; `peers` compares with other libraries |
//! | `web` | the WebAssembly of the page to draw on |
//! | `python` | Python environments, and the checks that use them |
//!
//! It depends on no crate of the workspace, so that it builds in seconds and works when they do not.

mod bench;
mod ci;
mod claims;
mod peers;
mod python;
mod run;
mod trainings;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::run::{PROFILE, Workspace, hand_over, passed_on};

/// The exit code for a wrong command line.
const USAGE_ERROR: u8 = 2;

/// One line of the table that help, parsing and dispatch share.
struct Task {
    name: &'static str,
    arguments: &'static str,
    /// One line of the list of tasks.
    about: &'static str,
    /// What `--help` adds to it.
    details: &'static str,
    run: fn(&Workspace, Vec<OsString>) -> Result<ExitCode>,
}

const TASKS: &[Task] = &[
    Task {
        name: "train",
        arguments: "[-- ARGS]",
        about: "Train LeNet-5; ARGS go to `lenet train`",
        details: "Example: cargo xtask train -- --epochs 1\n\
                  The program's own options: cargo xtask train -- --help",
        run: |workspace, arguments| lenet(workspace, &["train"], arguments),
    },
    Task {
        name: "download",
        arguments: "[-- ARGS]",
        about: "Download data sets; ARGS go to `lenet data download`",
        details: "Example: cargo xtask download -- kmnist emnist-letters, or -- all\n\
                  The program's own options: cargo xtask download -- --help",
        run: |workspace, arguments| lenet(workspace, &["data", "download"], arguments),
    },
    Task {
        name: "bench",
        arguments: "[--peers|--serve] [-- ARGS]",
        about: "Measure throughput; ARGS go to `cargo bench`",
        details: bench::DETAILS,
        run: bench::main,
    },
    Task {
        name: "test",
        arguments: "[-- ARGS]",
        about: "Run all tests of the workspace; ARGS go to `cargo test`",
        details: "Example: cargo xtask test -- --package lenet-data idx",
        run: test,
    },
    Task {
        name: "claims",
        arguments: "[--recipe NAME] [--seeds N] [-- ARGS]",
        about: "Train every recipe with several seeds and tabulate accuracies and times",
        details: "classic and best with seeds 1 to 5, fast with 1 to 20, fashion with 1 to 3, or each with\n\
                  1 to N; some minutes. fashion needs Fashion-MNIST: cargo xtask download fashion-mnist\n\
                  ARGS go to `lenet sweep`.",
        run: claims::main,
    },
    Task {
        name: "weights",
        arguments: "[--check]",
        about: "Train the weights that the program comes with, or check the committed ones",
        details: "A minute. On a processor with AVX-512, as the committed weights were trained on, the\n\
                  bytes are the same.",
        run: trainings::weights,
    },
    Task {
        name: "web",
        arguments: "[--check]",
        about: "Build the page's WebAssembly, or check that the committed one is up to date",
        details: "Needs `rustup target add wasm32-unknown-unknown`; wasm-bindgen is installed in\n\
                  target/. The page is the folder crates/serve/page: static\n\
                  files, which any web server hosts from any path.",
        run: web::main,
    },
    Task {
        name: "golden",
        arguments: "[--check]",
        about: "Write the golden file with PyTorch, or check the committed one",
        details: "Needs python3 with its venv module. The first run installs PyTorch into\n\
                  target/golden-venv: several GB on Linux, minutes.",
        run: python::golden,
    },
    Task {
        name: "ci",
        arguments: "[--list] [--nightly] [STEP]...",
        about: "Run the longer checks, all of them or those named",
        details: "Every step runs, whatever fails before it; the last lines name the failures.\n\
                  --list prints the steps, --nightly adds those that take long or install gigabytes.",
        run: ci::main,
    },
];

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_help = |word: &OsString| word == "--help" || word == "-h";
    let mut asks_for_help = false;
    if arguments
        .first()
        .is_none_or(|word| is_help(word) || word == "help")
    {
        arguments.drain(..arguments.len().min(1));
        asks_for_help = true;
    }
    let Some(name) = arguments.first().cloned() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    let Some(task) = TASKS.iter().find(|task| name == task.name) else {
        eprint!("error: no task {name:?}\n\n{}", help());
        return ExitCode::from(USAGE_ERROR);
    };
    arguments.remove(0);
    // Only in first place: what follows `--` belongs to the program called.
    if asks_for_help || arguments.first().is_some_and(is_help) {
        println!(
            "{}.\n\nUsage: cargo xtask {} {}\n",
            task.about, task.name, task.arguments
        );
        println!("{}", task.details);
        return ExitCode::SUCCESS;
    }
    (task.run)(&Workspace::of_this_program(), arguments).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Builds the program and calls it in our place.
fn lenet(workspace: &Workspace, command: &[&str], arguments: Vec<OsString>) -> Result<ExitCode> {
    let mut program = Command::new(workspace.build_program(PROFILE)?);
    hand_over(program.args(command).args(passed_on(arguments)))
}

/// Runs the tests and repeats at the end which failed, and which were skipped and why.
fn test(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let line = format!("test --workspace --no-fail-fast --profile {PROFILE}");
    let mut command = workspace.cargo(&line);
    command.args(passed_on(arguments)).stdout(Stdio::piped());
    let mut cargo = command.spawn()?;
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in BufReader::new(cargo.stdout.take().context("no standard output")?).lines() {
        let line = line?;
        println!("{line}");
        if let Some((outcome, test)) = outcome(&line) {
            tests.entry(outcome).or_default().insert(test);
        }
    }
    println!();
    for (outcome, tests) in tests {
        println!("{outcome}: {}", Vec::from_iter(tests).join(", "));
    }
    let status = cargo.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What a line of the tests' output says of one that has not run to a good end.
fn outcome(line: &str) -> Option<(String, String)> {
    // A test that lacks something prints this and passes; its name may stand before it already.
    if let Some((_, skipped)) = line.split_once("skipped: ") {
        let (test, reason) = skipped.split_once(": ")?;
        return Some((format!("skipped, {reason}"), test.to_owned()));
    }
    let test = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(("FAILED".to_owned(), test.to_owned()))
}

/// Says what is wrong with a task's arguments.
fn usage_error(task: &str, message: &str) -> ExitCode {
    eprintln!("error: {message}\nSee `cargo xtask {task} --help`.");
    ExitCode::from(USAGE_ERROR)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <task> [arguments]\n\nTasks:\n");
    for task in TASKS {
        let synopsis = format!("{} {}", task.name, task.arguments);
        text += &format!("  {synopsis:<47}  {}\n", task.about);
    }
    text + "\n`cargo xtask <task> --help` says more about one.\n"
}
