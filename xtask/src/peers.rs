//! `cargo xtask bench --peers`: our speed beside that of other libraries, in turns on this machine.
//!
//! A turn is a process that warms up, trains, classifies and prints what it measured. Each peer's
//! turn follows one of ours, and ratios are of these neighbours, so that what slows the machine for
//! some seconds slows both. How it is measured: benches/peers/harness.rs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::run::{PROFILE, Workspace, cargo_on, checked, output};
use crate::{python, usage_error};

/// Name, program and mode; our own first.
const PEERS: [(&str, &str, &str); 10] = [
    ("lenet", OURS, "f32"),
    ("candle", OURS, "candle"),
    ("burn", BURN, ""),
    ("pytorch-eager", PYTHON, "eager"),
    ("pytorch-compile", PYTHON, "compile"),
    ("pytorch-step", PYTHON, "step"),
    ("pytorch-bf16", PYTHON, "eager-bf16"),
    ("pytorch-bf16-step", PYTHON, "step-bf16"),
    ("pytorch-avx2", PYTHON, "step"),
    ("onnxruntime", PYTHON, "onnxruntime"),
];
const OURS: &str = "peer";
const BURN: &str = "burn";
const PYTHON: &str = "python";

/// Keeps ATen, oneDNN, MKL and TorchInductor from AVX-512.
const AVX2: [(&str, &str); 4] = [
    ("ATEN_CPU_CAPABILITY", "avx2"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
    ("TORCHINDUCTOR_CPP_MARCH", "x86-64-v3"),
];

/// Each turn of training makes at least so many steps, after which a network that learns has long
/// passed this accuracy; a guess has 0.1.
const STEPS: &str = "150";
const ACCURACY: f64 = 0.8;

/// Key of the answer, heading, and whether more is better.
const MEASURES: [(&str, &str, bool); 3] = [
    ("train", "training, images/s", true),
    ("infer", "inference, images/s", true),
    ("latency", "one image, us", false),
];

/// What the command line asks for.
struct Options {
    rounds: usize,
    batch: String,
    threads: String,
    seconds: String,
    only: Option<String>,
    precision: String,
}

impl Options {
    fn parse(arguments: &[OsString]) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.to_string();
        let mut options = Options {
            rounds: 5,
            batch: "128".to_owned(),
            threads: cores,
            seconds: "4".to_owned(),
            only: None,
            precision: "f32".to_owned(),
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                bail!("{} needs a value", pair[0].display());
            };
            let value = value.to_string_lossy().into_owned();
            match name.to_str() {
                Some("--rounds") => options.rounds = value.parse()?,
                Some("--batch") => options.batch = value,
                Some("--threads") => options.threads = value,
                Some("--seconds") => options.seconds = value,
                Some("--only") => options.only = Some(value),
                Some("--precision") => options.precision = value,
                _ => bail!("no argument {}", name.display()),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| only.split(',').any(|start| name.starts_with(start)))
    }
}

/// `cargo xtask bench --peers ...`, without the `--peers`.
pub fn main(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => return Ok(usage_error("bench", &error.to_string())),
    };
    let folder = workspace.target.join("peers");
    checked(&mut workspace.cargo("build --release --package lenet-benches --bin peer"))?;
    let ours = workspace.target.join("release/peer");
    checked(
        Command::new(&ours)
            .arg("write-data")
            .arg(folder.join("mnist")),
    )?;

    let mut peers = Vec::new();
    for (name, program, mode) in PEERS {
        if name != "lenet" && !options.wants(name) {
            continue;
        }
        let mut command = match program {
            PYTHON => {
                let mut command = Command::new(python::install(
                    workspace,
                    "peers",
                    "benches/peers/requirements.txt",
                )?);
                command.arg(workspace.root.join("benches/peers/peers.py"));
                command
            }
            BURN => Command::new(burn(workspace, &folder)?),
            _ => Command::new(&ours),
        };
        command.arg(folder.join("mnist"));
        command.args([&options.batch, &options.threads, STEPS, &options.seconds]);
        command.arg(if name == "lenet" {
            &options.precision
        } else {
            mode
        });
        if name == "onnxruntime" {
            command.arg(export(workspace, &folder)?);
        }
        if name == "pytorch-avx2" {
            command.envs(AVX2);
        }
        // What the libraries make their threads with, and where TorchInductor keeps its kernels.
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, &options.threads);
        }
        command.env("TORCHINDUCTOR_CACHE_DIR", folder.join("inductor"));
        peers.push((name, command, Vec::new()));
    }
    for round in 0..options.rounds {
        let (ours, others) = peers.split_first_mut().context("no peers")?;
        for (name, command, turns) in others {
            let before = turn("lenet", &mut ours.1)?;
            let answer = turn(name, command)?;
            eprintln!(
                "round {}, lenet: {before}\nround {0}, {name}: {answer}",
                round + 1
            );
            ours.2.push((before.clone(), before.clone()));
            turns.push((before, answer));
        }
    }
    print!("\n{}", machine(workspace)?);
    println!(
        "- batch {}, {} threads, {} rounds",
        options.batch, options.threads, options.rounds
    );
    for (name, _, turns) in &peers {
        let version = turns
            .first()
            .and_then(|(_, answer)| answer["version"].as_str());
        println!("- {name}: {}", version.unwrap_or_default());
    }
    for measure in MEASURES {
        print!("\n{}", table(measure, &peers));
    }
    Ok(ExitCode::SUCCESS)
}

/// Turns of ours, each with the peer's that followed it.
type Turns = Vec<(Value, Value)>;

/// Runs a peer and returns its answer.
fn turn(name: &str, command: &mut Command) -> Result<Value> {
    let run = command.stderr(Stdio::inherit()).output();
    let run = run.with_context(|| format!("cannot run {name}"))?;
    ensure!(run.status.success(), "{name} ends with {}", run.status);
    let answer: Value = serde_json::from_slice(&run.stdout)?;
    let accuracy = answer["accuracy"].as_f64().unwrap_or_default();
    ensure!(
        accuracy > ACCURACY,
        "{name} has not learned: accuracy {accuracy}"
    );
    Ok(answer)
}

fn burn(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let manifest = workspace.root.join("benches/peers/burn/Cargo.toml");
    let mut build = cargo_on(&manifest, "build --release --target-dir");
    checked(build.arg(folder.join("burn")))?;
    Ok(folder.join("burn/release/peer-burn"))
}

/// The network that comes with the program, as ONNX Runtime reads it.
fn export(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let file = folder.join("lenet.onnx");
    let mut export = Command::new(workspace.build_program(PROFILE)?);
    export.args([
        "export",
        "--quiet",
        "--force",
        "--normalize",
        "--format",
        "onnx",
        "--output",
    ]);
    checked(export.arg(&file))?;
    Ok(file)
}

/// A Markdown table of one measure: medians, extremes and the ratio of neighbouring turns.
fn table(
    (key, heading, more_is_better): (&str, &str, bool),
    peers: &[(&str, Command, Turns)],
) -> String {
    let mut text = format!(
        "| {heading} | median | min - max | lenet is so many times as fast |\n|---|---|---|---|\n"
    );
    for (name, _, turns) in peers {
        let (mut figures, mut ratios) = (Vec::new(), Vec::new());
        for (ours, theirs) in turns {
            if let (Some(ours), Some(theirs)) = (ours[key].as_f64(), theirs[key].as_f64()) {
                figures.push(theirs);
                ratios.push(if more_is_better {
                    ours / theirs
                } else {
                    theirs / ours
                });
            }
        }
        if let (Some(figures), Some(ratios)) = (quantiles(figures), quantiles(ratios)) {
            let [least, median, most] = figures;
            text += &format!("| {name} | {median:.1} | {least:.1} - {most:.1} | ");
            let [least, median, most] = ratios;
            text += &format!("{median:.2} ({least:.2} - {most:.2}) |\n");
        }
    }
    text
}

/// Minimum, median and maximum.
fn quantiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let middle =
        (values.get(values.len().saturating_sub(1) / 2)? + values.get(values.len() / 2)?) / 2.;
    Some([*values.first()?, middle, *values.last()?])
}

/// What the figures hold for.
fn machine(workspace: &Workspace) -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("unknown", |(_, value)| value)
    };
    let flags = field("flags").split(' ');
    let vector = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];
    let flags: Vec<_> = flags.filter(|flag| vector.contains(flag)).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut git = Command::new("git");
    let revision = output(
        git.args(["describe", "--always", "--dirty"])
            .current_dir(&workspace.root),
    );
    Ok(format!(
        "- {}: {} (family {}, model {}), {}\n- {}, revision {}; load at the end {}\n",
        output(Command::new("date").args(["-u", "+%F"]))?.trim(),
        field("model name"),
        field("cpu family"),
        field("model\t"),
        flags.join(" "),
        output(Command::new("rustc").arg("--version"))?.trim(),
        revision.as_deref().unwrap_or("unknown").trim(),
        load.split(' ').next().unwrap_or("unknown"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_and_ratios_of_neighbours() {
        let answer = |train: f64| serde_json::json!({ "train": train });
        let turns = vec![(answer(300.), answer(100.)), (answer(400.), answer(200.))];
        let text = table(MEASURES[0], &[("candle", Command::new("candle"), turns)]);
        let row = "| candle | 150.0 | 100.0 - 200.0 | 2.50 (2.00 - 3.00) |";
        assert_eq!(text.lines().last(), Some(row), "{text}");
    }
}
