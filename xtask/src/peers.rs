//! `cargo xtask bench --peers`: our speed beside that of other libraries, on this machine, in turns.
//!
//! | module | holds |
//! |---|---|
//! | `programs` | which peers there are, how they are built and started |
//! | `process` | a running peer: a child process that answers a line with a line |
//! | `contest` | the turns, the ratios of neighbours, and whether the peers really trained |
//! | `machine` | what the figures hold for, and what else ran meanwhile |
//! | `report` | the tables and results.json |
//!
//! How the comparison is made, and why: benches/README.md.

mod contest;
mod machine;
mod process;
mod programs;
mod report;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::peers::contest::{Contest, Entrant};
use crate::peers::process::Process;
use crate::peers::programs::{OURS, PEERS, Programs, Spec};
use crate::run::Workspace;
use crate::usage_error;

/// `cargo xtask bench --peers ...`, without the `--peers`.
pub fn main(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => return Ok(usage_error("bench", &message)),
    };
    ensure!(
        cfg!(target_os = "linux"),
        "the comparison reads /proc: it runs on Linux alone"
    );
    let mut programs = Programs::new(workspace)?;
    let data = programs.data()?;
    let mut start = |spec: &Spec| -> Result<Entrant> {
        let mut command = programs.command(spec)?;
        let threads = options.threads.to_string();
        // Whatever a library makes its threads with.
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, &threads);
        }
        command.arg("--data").arg(&data);
        command.args(["--threads", &threads]);
        command.args(["--batch", &options.batch.to_string()]);
        if spec.name == OURS.name {
            command.args(&options.ours);
        }
        eprintln!("{}: starts and warms up", spec.name);
        let log = programs.folder().join(format!("{}.log", spec.name));
        let (process, about) = Process::start(&mut command, &log)?;
        Entrant::new(spec.name, process, about, &options)
    };

    let ours = start(&OURS).context("our own program")?;
    let mut contest = Contest::new(ours);
    for spec in PEERS.iter().filter(|spec| options.chosen(spec.name)) {
        match start(spec) {
            Ok(entrant) => contest.enter(entrant),
            Err(error) => {
                let reason = format!("{error:#}");
                eprintln!("{}: left out: {reason}", spec.name);
                contest.left_out.push((spec.name.to_owned(), reason));
            }
        }
    }
    contest.run(&options)?;
    contest.verify(&options)?;

    let facts = machine::facts(workspace);
    print!("{}", report::tables(&contest, &options, &facts));
    let path = programs.folder().join("results.json");
    std::fs::write(&path, report::json(&contest, &options, &facts))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nall runs: {}", path.display());
    if contest.wrong() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub struct Options {
    pub rounds: usize,
    pub batch: usize,
    pub threads: usize,
    /// A few steps of everything.
    pub quick: bool,
    /// Beginnings of names; all peers if there is none.
    only: Vec<String>,
    /// Arguments for our own program.
    pub ours: Vec<OsString>,
}

impl Options {
    fn parse(arguments: &[OsString]) -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            batch: 128,
            threads: machine::physical_cores(),
            quick: false,
            only: Vec::new(),
            ours: Vec::new(),
        };
        let mut rounds = None;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.to_string_lossy();
            let mut value = || {
                let value = arguments.next().map(|value| value.to_string_lossy());
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match &*name {
                "--rounds" => rounds = Some(positive(&name, &value()?)?),
                "--batch" => options.batch = positive(&name, &value()?)?,
                "--threads" => options.threads = positive(&name, &value()?)?,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--quick" => options.quick = true,
                "--" => options.ours = arguments.by_ref().cloned().collect(),
                _ => return Err(format!("no argument {name:?}")),
            }
        }
        let known = |start: &&String| PEERS.iter().any(|spec| spec.name.starts_with(&***start));
        if let Some(unknown) = options.only.iter().find(|start| !known(start)) {
            let names: Vec<_> = PEERS.iter().map(|spec| spec.name).collect();
            return Err(format!("no peer {unknown:?}: {}", names.join(", ")));
        }
        // The test images have to make a batch.
        if options.batch > 10_000 {
            return Err(format!("--batch {}: 10000 at most", options.batch));
        }
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { options.rounds });
        Ok(options)
    }

    fn chosen(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| name.starts_with(&**start))
    }
}

fn positive(name: &str, value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} {value}: must be a whole number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        Options::parse(&words)
    }

    #[test]
    fn arguments_are_understood() {
        let options = parse("--rounds 3 --only pytorch,onnx --batch 64 --threads 1").unwrap();
        assert_eq!((options.rounds, options.batch, options.threads), (3, 64, 1));
        assert!(options.chosen("pytorch-eager") && options.chosen("onnxruntime"));
        assert!(!options.chosen("candle"));

        let options = parse("--quick -- --isa avx2").unwrap();
        assert_eq!((options.rounds, options.batch), (1, 128));
        assert_eq!(options.ours, ["--isa", "avx2"]);
        assert!(options.chosen("candle"));
        assert_eq!(parse("--quick --rounds 2").unwrap().rounds, 2);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--round 3", "--round"),
            ("--rounds", "--rounds needs"),
            ("--rounds 0", "--rounds 0"),
            ("--batch 10001", "10000 at most"),
            ("--only keras", "pytorch-compile"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
