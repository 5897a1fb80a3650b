//! crates/cli/examples: run where their engines are there, and checked for syntax.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{run_by, skipped};

/// Names a Python that has Optuna, Ray and PyYAML; `cargo xtask ci examples` sets it.
const PYTHON: &str = "LENET_EXAMPLES_PYTHON";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A program that finds `lenet` in its path.
fn driver(root: &Path, program: &str, arguments: &str) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_lenet")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = run_by(root, program, arguments);
    command.env("PATH", format!("{}:{path}", ours.display()));
    // Engines leave files in it.
    command.env("HOME", root);
    command.env("RAY_USAGE_STATS_ENABLED", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The Python with those engines.
fn python(root: &Path) -> Option<Command> {
    let Some(python) = std::env::var_os(PYTHON) else {
        let reason = format!("{PYTHON} is not set; `cargo xtask ci examples` sets it");
        skipped(&reason);
        return None;
    };
    Some(driver(root, python.to_str()?, ""))
}

/// The same, about to run a script.
fn script(root: &Path, script: &str, arguments: &str) -> Option<Command> {
    let mut command = python(root)?;
    command.arg(examples().join(script));
    command.args(arguments.split_whitespace());
    Some(command)
}

/// What all print that run at the same time.
fn printed(commands: impl IntoIterator<Item = Command>) -> Vec<String> {
    let children = commands.into_iter().map(|mut child| child.spawn().unwrap());
    let children: Vec<_> = children.collect();
    let printed = children.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    });
    printed.collect()
}

#[test]
fn workers_of_optuna_share_a_search() {
    let root = tempfile::tempdir().unwrap();
    let flags = ". --trials 4 --epochs 1 --limit-train 2000";
    let worker = || script(root.path(), "optuna/search.py", flags);
    let Some(workers) = [worker(), worker()].into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    for best in printed(workers) {
        let best: serde_json::Value = serde_json::from_str(&best).unwrap();
        assert!(best["value"].as_f64().unwrap() > 0.5, "{best}");
    }
    let trials = fs::read_dir(root.path()).unwrap().count() - 1;
    assert!((4..=5).contains(&trials), "{trials} trials");
}

#[test]
fn ray_trains_with_seeds() {
    let root = tempfile::tempdir().unwrap();
    let flags = "3 --recipe fast --limit-train 2000";
    let Some(seeds) = script(root.path(), "ray/seeds.py", flags) else {
        return;
    };
    let printed = printed([seeds]);
    assert!(printed[0].contains("seeds 1 to 3"), "{printed:?}");
}

#[test]
fn parallel_given_again_trains_nothing() {
    if Command::new("parallel").arg("--version").output().is_err() {
        return skipped("there is no GNU parallel; Debian's package is `parallel`");
    }
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let command = "--will-cite -j2 lenet train --recipe fast --limit-train 2000 --seed {} \
                   --threads 1 --output seed-{} --continue --keep result --quiet ::: 1 2 3";
    let results = || {
        let printed = printed([driver(root, "parallel", command)]).remove(0);
        let seeds = [1, 2, 3].map(|seed| root.join(format!("seed-{seed}/results.csv")));
        (
            printed,
            seeds.map(|table| fs::metadata(table).unwrap().modified().unwrap()),
        )
    };
    let (first, times) = results();
    assert_eq!(first.matches("test accuracy").count(), 3, "{first}");
    let (again, same) = results();
    assert_eq!(again.matches("already finished").count(), 3, "{again}");
    assert_eq!(same, times);
}

#[test]
fn what_is_not_run_is_right_in_its_syntax() {
    for script in ["seeds", "mpi"] {
        let path = examples().join(format!("slurm/{script}.sbatch"));
        let checked = Command::new("bash").arg("-n").arg(&path).status();
        assert!(checked.unwrap().success(), "{script}");
        let text = fs::read_to_string(&path).unwrap();
        let mut is_command = false;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(option) = line.strip_prefix("#SBATCH ") {
                assert!(
                    !is_command,
                    "{script}: sbatch reads no option after a command"
                );
                let option = option.strip_prefix("--").unwrap();
                let name = option.split('=').next().unwrap();
                let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
                assert!(
                    !name.is_empty() && name.chars().all(is_plain),
                    "{script}: {line}"
                );
                assert!(!option.contains(' '), "{script}: {line}");
            } else if !line.starts_with('#') {
                is_command = true;
            }
        }
    }
    let root = tempfile::tempdir().unwrap();
    let Some(mut check) = python(root.path()) else {
        return;
    };
    let read = "import sys, yaml\n\
                job = yaml.safe_load(open(sys.argv[1]))\n\
                rules = job['spec']['podFailurePolicy']['rules']\n\
                print(job['kind'], [rule['onExitCodes']['values'] for rule in rules])";
    check.args(["-c", read]);
    check.arg(examples().join("kubernetes/job.yaml"));
    assert_eq!(printed([check]), ["Job [[2, 3], [143]]\n"]);
}
