//! The tasks of this workspace, called as `cargo xtask <task>`.
//!
//! | module | holds |
//! |---|---|
//! | `main` | the table of tasks, and the way from the command line to one of them |
//! | `run` | where the workspace is, and how a task starts another program |
//! | `ci` | the longer checks: a table of steps, all run, every failure reported |
//! | `trainings` | those of the steps that train: accuracies, equal bytes |
//! | `tidy` | the text check over the sources, one of those steps |
//! | `aarch64` | the kernels' tests under emulation, another of them |
//! | `golden` | the file of numbers that PyTorch computed |
//! | `tensorboard` | event files as TensorBoard reads them, another of the steps |
//! | `exports` | exported files as other programs read them, another |
//! | `load` | `lenet serve` under clients that ask without a pause |
//! | `peers` | the comparison with other libraries: programs, turns, tables |
//! | `reproduce` | the recipes with several seeds, and what they come to |
//! | `weights` | the trained weights that the program comes with |
//! | `web` | the page to draw on, as WebAssembly |
//! | `python` | environments for the scripts of those that need Python |
//!
//! It depends on no crate of the workspace, so that it builds in seconds and works when they do not.
#![forbid(unsafe_code)]

mod aarch64;
mod ci;
mod exports;
mod golden;
mod load;
mod peers;
mod python;
mod reproduce;
mod run;
mod tensorboard;
mod tidy;
mod trainings;
mod web;
mod weights;

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::run::{PROFILE, Workspace};

/// What a misuse of the command line exits with.
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
        run: |workspace, arguments| {
            let mut program = Command::new(workspace.build_program(PROFILE)?);
            run::hand_over(program.arg("train").args(passed_on(arguments)))
        },
    },
    Task {
        name: "download",
        arguments: "[-- ARGS]",
        about: "Download data sets; ARGS go to `lenet data download`",
        details: "Example: cargo xtask download -- kmnist emnist-letters, or -- all\n\
                  The program's own options: cargo xtask download -- --help",
        run: |workspace, arguments| {
            let mut program = Command::new(workspace.build_program(PROFILE)?);
            run::hand_over(
                program
                    .args(["data", "download"])
                    .args(passed_on(arguments)),
            )
        },
    },
    Task {
        name: "bench",
        arguments: "[--peers|--scaling|--serve] [-- ARGS]",
        about: "Measure throughput; ARGS go to `cargo bench`",
        details: BENCH_DETAILS,
        run: |workspace, arguments| {
            if arguments.first().is_some_and(|first| first == "--peers") {
                return peers::main(workspace, &arguments[1..]);
            }
            if arguments.first().is_some_and(|first| first == "--serve") {
                return load::main(workspace, &arguments[1..]);
            }
            if arguments.first().is_some_and(|first| first == "--scaling") {
                return scaling(workspace, &arguments[1..]);
            }
            let mut command = workspace.cargo("bench");
            run::hand_over(
                command
                    .args(["--package", "lenet-benches"])
                    .args(passed_on(arguments)),
            )
        },
    },
    Task {
        name: "test",
        arguments: "[-- ARGS]",
        about: "Run all tests of the workspace; ARGS go to `cargo test`",
        details: "Example: cargo xtask test -- --package lenet-data idx",
        run: |workspace, arguments| {
            let mut command = workspace.cargo("test");
            command.args(["--workspace", "--no-fail-fast", "--profile", PROFILE]);
            run::hand_over(command.args(passed_on(arguments)))
        },
    },
    Task {
        name: "reproduce",
        arguments: "[--recipe NAME] [--seeds N] [-- ARGS]",
        about: "Train every recipe with several seeds and tabulate accuracies and times",
        details: "classic and best with seeds 1 to 5, fast with 1 to 20, fashion with 1 to 3, or each with\n\
                  1 to N; some minutes. fashion needs Fashion-MNIST: cargo xtask download fashion-mnist\n\
                  The runs are in target/reproduce. ARGS go to `lenet train`.",
        run: reproduce::main,
    },
    Task {
        name: "weights",
        arguments: "[--check]",
        about: "Train the weights that the program comes with, or check the committed ones",
        details: "A minute. Where the instruction set is that of the committed weights, AVX-512, the\n\
                  bytes are the same.",
        run: weights::main,
    },
    Task {
        name: "web",
        arguments: "[--check]",
        about: "Build the page's WebAssembly, or check that the committed one is up to date",
        details: "Needs `rustup target add wasm32-unknown-unknown`; wasm-bindgen is installed below\n\
                  target/ unless it is on PATH. The page is the folder crates/serve/page: static\n\
                  files, which any web server hosts from any path.",
        run: web::main,
    },
    Task {
        name: "golden",
        arguments: "[--check]",
        about: "Write the golden file with PyTorch, or check the committed one",
        details: "Needs python3 with its venv module. The first run installs PyTorch into\n\
                  target/golden-venv: several GB on Linux, minutes.",
        run: golden::main,
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

const BENCH_DETAILS: &str = "\
A name runs the benches that contain it: cargo xtask bench -- forward
Criterion's own options follow a second `--`: cargo xtask bench -- -- --save-baseline before

--peers compares training and inference with PyTorch, ONNX Runtime, candle and burn instead, in
turns on this machine (Linux). Needs python3 with its venv module, and g++ for torch.compile; the
first run installs and builds them in target/: several GB, many minutes.
  --rounds N       turns of each peer, 5 unless given
  --only A,B       the peers whose names begin so
  --batch N        images of a step, 128 unless given
  --threads N      of each peer, the number of physical cores unless given
  --quick          one round of a few steps: whether it works, not how fast
  -- ARGS          go to our own program, benches/src/bin/peer.rs: -- --precision bf16
LENET_PEERS_PYTHON names a Python that has benches/peers/requirements.txt already, and
LENET_ISA=avx2 keeps our own program from AVX-512.

--scaling measures training against threads, batch size and images instead, and draws it in
target/scaling, or the folder of --scaling --output FOLDER.

--serve [CONNECTIONS [SECONDS]] starts `lenet serve` and asks it over that many connections of
loopback, 64 and 10 unless given: predictions a second and latencies. Every answer is checked.";

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1).collect()) {
        Request::List => {
            print!("{}", help());
            ExitCode::SUCCESS
        }
        Request::Help(task) => {
            print!("{}", task_help(task));
            ExitCode::SUCCESS
        }
        Request::Unknown(name) => {
            eprint!("error: no task {name:?}\n\n{}", help());
            ExitCode::from(USAGE_ERROR)
        }
        Request::Run(task, arguments) => (task.run)(&Workspace::of_this_program(), arguments)
            .unwrap_or_else(|error| {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }),
    }
}

/// What the command line asks for.
enum Request {
    List,
    Help(&'static Task),
    Run(&'static Task, Vec<OsString>),
    Unknown(OsString),
}

fn parse(mut arguments: Vec<OsString>) -> Request {
    if arguments.is_empty() {
        return Request::List;
    }
    let name = arguments.remove(0);
    if is_help(&name) || name == "help" {
        return match arguments.first() {
            None => Request::List,
            Some(name) => find(name).map_or_else(|| Request::Unknown(name.clone()), Request::Help),
        };
    }
    match find(&name) {
        None => Request::Unknown(name),
        // Only in first place: what follows `--` belongs to the program called.
        Some(task) if arguments.first().is_some_and(|first| is_help(first)) => Request::Help(task),
        Some(task) => Request::Run(task, arguments),
    }
}

fn find(name: &OsStr) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.name == name)
}

fn is_help(argument: &OsStr) -> bool {
    argument == "--help" || argument == "-h"
}

/// The arguments of the program called: all but a leading `--`, which only ends ours.
fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

/// The program that measures how the training scales.
fn scaling(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let mut command = workspace.cargo("run");
    command
        .args(["--release", "--package", "lenet-benches"])
        .args(["--bin", "scaling", "--", "--output"])
        .arg(workspace.target.join("scaling"));
    run::hand_over(command.args(arguments))
}

/// Says what is wrong with a task's arguments.
fn usage_error(task: &str, message: &str) -> ExitCode {
    eprintln!("error: {message}\nSee `cargo xtask {task} --help`.");
    ExitCode::from(USAGE_ERROR)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <task> [arguments]\n\nTasks:\n");
    let synopsis = |task: &Task| format!("{} {}", task.name, task.arguments);
    let width = TASKS.iter().map(|task| synopsis(task).len()).max();
    let width = width.unwrap_or_default();
    for task in TASKS {
        text += &format!("  {:<width$}  {}\n", synopsis(task), task.about);
    }
    text + "\n`cargo xtask <task> --help` says more about one.\n"
}

fn task_help(task: &Task) -> String {
    let Task {
        name,
        arguments,
        about,
        details,
        ..
    } = task;
    format!("{about}.\n\nUsage: cargo xtask {name} {arguments}\n\n{details}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn everything_after_the_task_is_passed_on() {
        for (given, expected) in [
            (&["train"][..], &[][..]),
            (&["train", "--", "--epochs", "1"], &["--epochs", "1"]),
            (&["train", "--epochs", "1"], &["--epochs", "1"]),
            (&["train", "--", "--help"], &["--help"]),
            (&["train", "--", "--", "x"], &["--", "x"]),
            (&["train", "x", "--", "y"], &["x", "--", "y"]),
        ] {
            let Request::Run(task, arguments) = parse(os(given)) else {
                panic!("{given:?} does not run a task");
            };
            assert_eq!(task.name, "train");
            assert_eq!(passed_on(arguments), os(expected), "{given:?}");
        }
    }

    #[test]
    fn help_is_for_all_tasks_or_for_one() {
        for given in [&[][..], &["--help"], &["-h"], &["help"]] {
            assert!(matches!(parse(os(given)), Request::List), "{given:?}");
        }
        for task in TASKS {
            assert!(help().contains(task.about));
            for given in [
                [task.name, "--help"],
                [task.name, "-h"],
                ["help", task.name],
            ] {
                assert!(
                    matches!(parse(os(&given)), Request::Help(found) if found.name == task.name),
                    "{given:?}"
                );
            }
            assert!(task_help(task).contains(task.arguments));
        }
    }

    #[test]
    fn an_unknown_task_is_named() {
        for given in [&["tain"][..], &["help", "tain"], &["tain", "--help"]] {
            assert!(
                matches!(parse(os(given)), Request::Unknown(name) if name == "tain"),
                "{given:?}"
            );
        }
    }
}
