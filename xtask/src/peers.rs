//! `cargo xtask bench --peers`: our speed beside that of other libraries, in turns on this machine.
//!
//! A turn is a process that warms up, trains, classifies and prints what it measured. Each peer's
//! turn follows one of ours, and ratios are of these neighbours, so that what slows the machine for
//! some seconds slows both. How it is measured: benches/peers/harness.rs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::run::{PROFILE, Workspace, cargo_on, checked, output};
use crate::{python, usage_error};

/// Name, program and mode; our own first.
const PEERS: [(&str, &str, &str); 10] = [
    ("lenet", "peer", "f32"),
    ("candle", "peer", "candle"),
    ("burn", "burn", "f32"),
    ("pytorch-eager", "python", "eager"),
    ("pytorch-compile", "python", "compile"),
    ("pytorch-step", "python", "step"),
    ("pytorch-bf16", "python", "eager-bf16"),
    ("pytorch-bf16-step", "python", "step-bf16"),
    ("pytorch-avx2", "python", "step"),
    ("onnxruntime", "python", "onnxruntime"),
];

/// Keeps ATen, oneDNN, MKL and TorchInductor from AVX-512.
const AVX2: [(&str, &str); 4] = [
    ("ATEN_CPU_CAPABILITY", "avx2"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
    ("TORCHINDUCTOR_CPP_MARCH", "x86-64-v3"),
];

/// Each turn trains at least so many steps, after which a network that learns is far above this
/// accuracy; a guess has 0.1.
const STEPS: &str = "150";
const ACCURACY: f64 = 0.8;

/// Key of the answer, heading, and whether more is better.
const MEASURES: [(&str, &str, bool); 3] = [
    ("train", "training, images/s", true),
    ("infer", "inference, images/s", true),
    ("latency", "one image, us", false),
];

/// What the figures hold for.
const MACHINE: &str = "date -u +%F; git describe --always --dirty; rustc --version; uptime
    lscpu | grep -E '^(Model name|CPU family|Model|CPU.s.):'";

/// A peer: its name, the command of a turn, and the answers of the turns, each after ours.
type Peer = (&'static str, Command, Vec<[Value; 2]>);

/// `cargo xtask bench --peers ...`, without the `--peers`.
pub fn main(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let mut options = BTreeMap::from([
        ("--rounds", "5".to_owned()),
        ("--seconds", "4".to_owned()),
        ("--batch", "128".to_owned()),
        ("--threads", available_parallelism()?.to_string()),
        ("--precision", "f32".to_owned()),
        ("--only", String::new()),
    ]);
    for pair in arguments.chunks(2) {
        let option = options.get_mut(&*pair[0].to_string_lossy());
        let (Some(option), Some(value)) = (option, pair.get(1)) else {
            let message = format!("not understood: {}", pair[0].display());
            return Ok(usage_error("bench", &message));
        };
        *option = value.to_string_lossy().into_owned();
    }
    let rounds: usize = options["--rounds"].parse()?;

    checked(&mut workspace.cargo("build --release --package lenet-benches --bin peer"))?;
    let mut ours = command(workspace, &options, PEERS[0])?;
    let mut peers: Vec<Peer> = Vec::new();
    for peer in &PEERS[1..] {
        let mut starts = options["--only"].split(',');
        if starts.any(|start| peer.0.starts_with(start)) {
            peers.push((peer.0, command(workspace, &options, *peer)?, Vec::new()));
        }
    }
    for round in 1..=rounds {
        for (name, command, turns) in &mut peers {
            let turn = [turn("lenet", &mut ours)?, turn(name, command)?];
            eprintln!("round {round}: {} | {name}: {}", turn[0], turn[1]);
            turns.push(turn);
        }
    }
    let machine = output(Command::new("sh").args(["-c", MACHINE]))?;
    println!("{machine}\n{options:?}");
    for measure in MEASURES {
        print!("\n{}", table(measure, &peers));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds or installs what a peer needs, and returns the command of its turns.
fn command(
    workspace: &Workspace,
    options: &BTreeMap<&str, String>,
    (name, program, mode): (&str, &str, &str),
) -> Result<Command> {
    let folder = workspace.target.join("peers");
    let data = folder.join("mnist");
    let ours = workspace.target.join("release/peer");
    let mut command = match program {
        "python" => {
            let requirements = "benches/peers/requirements.txt";
            let mut command = Command::new(python::install(workspace, "peers", requirements)?);
            command.arg(workspace.root.join("benches/peers/peers.py"));
            command
        }
        "burn" => {
            let manifest = workspace.root.join("benches/peers/burn/Cargo.toml");
            let mut build = cargo_on(&manifest, "build --release --target-dir");
            checked(build.arg(folder.join("burn")))?;
            Command::new(folder.join("burn/release/peer-burn"))
        }
        _ => Command::new(&ours),
    };
    checked(Command::new(ours).arg("write-data").arg(&data))?;
    let precision = &options["--precision"];
    command
        .arg(data)
        .args([&options["--batch"], &options["--threads"]])
        .args([STEPS, &options["--seconds"]])
        .arg(if name == "lenet" { precision } else { mode })
        // Where TorchInductor keeps its kernels.
        .env("TORCHINDUCTOR_CACHE_DIR", folder.join("inductor"));
    for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, &options["--threads"]);
    }
    command.envs(AVX2.into_iter().filter(|_| name == "pytorch-avx2"));
    if name == "onnxruntime" {
        let file = folder.join("lenet.onnx");
        let mut export = Command::new(workspace.build_program(PROFILE)?);
        export.args("export --quiet --force --normalize --format onnx --output".split(' '));
        checked(export.arg(&file))?;
        command.arg(file);
    }
    Ok(command)
}

/// Runs a peer and returns its answer.
fn turn(name: &str, command: &mut Command) -> Result<Value> {
    let answer: Value = serde_json::from_str(&output(command)?)?;
    let accuracy = answer["accuracy"].as_f64().unwrap_or_default();
    ensure!(accuracy > ACCURACY, "{name} has not learned: {answer}");
    Ok(answer)
}

/// A Markdown table of one measure: medians, extremes and the ratio of neighbouring turns.
fn table((key, heading, more_is_better): (&str, &str, bool), peers: &[Peer]) -> String {
    let mut text = format!(
        "| {heading} | median | min - max | lenet | lenet is so many times as fast |\n\
         |---|---|---|---|---|\n"
    );
    for (name, _, turns) in peers {
        let figures = |index: usize| {
            turns
                .iter()
                .filter_map(move |turn| turn[index][key].as_f64())
        };
        let sign = if more_is_better { 1 } else { -1 };
        let ratio = |(ours, theirs): (f64, f64)| (ours / theirs).powi(sign);
        let ratios = figures(0).zip(figures(1)).map(ratio).collect();
        if let (Some([_, ours, _]), Some([least, theirs, most]), Some(ratio)) = (
            extremes(figures(0).collect()),
            extremes(figures(1).collect()),
            extremes(ratios),
        ) {
            text += &format!(
                "| {name} | {theirs:.1} | {least:.1} - {most:.1} | {ours:.1} | {:.2} ({:.2} - {:.2}) |\n",
                ratio[1], ratio[0], ratio[2]
            );
        }
    }
    text
}

/// Minimum, median and maximum, if there are values.
fn extremes(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2)?;
    Some([*values.first()?, *middle, *values.last()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_and_ratios_of_neighbours() {
        let answers = |train: [f64; 2]| train.map(|train| serde_json::json!({ "train": train }));
        let turns = [[300., 100.], [400., 200.], [1., 1.]].map(answers).into();
        let text = table(MEASURES[0], &[("candle", Command::new("candle"), turns)]);
        let row = "| candle | 100.0 | 1.0 - 200.0 | 300.0 | 2.00 (1.00 - 3.00) |";
        assert_eq!(text.lines().last(), Some(row), "{text}");
    }
}
