//! `cargo xtask bench`: criterion's benches, the comparison with peers, or the server under load.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::python;
use crate::run::{Workspace, checked, hand_over, passed_on};

/// What `cargo xtask bench --help` prints.
pub const DETAILS: &str = "\
A name runs the benches that contain it: cargo xtask bench -- forward
Criterion's own options follow a second `--`: cargo xtask bench -- -- --save-baseline before

--peers compares training and inference with PyTorch, ONNX Runtime, candle and burn instead, in
turns on this machine (Linux). Needs python3 with its venv module, and g++ for torch.compile; the
first run installs and builds them in target/: several GB, many minutes.
  --rounds N       turns of each peer, 5 unless given
  --seconds N      of training in a turn, 4 unless given; 0 shows quickly whether it works
  --only A,B       the peers whose names begin so
  --batch N        images of a step, 128 unless given
  --threads N      of each peer, all unless given
  --precision bf16 of our own program; LENET_ISA=avx2 keeps it from AVX-512

--serve [CLIENTS [SECONDS]] starts `lenet serve` and asks it on that many connections, 64 and 10
unless given: predictions a second and latencies. Every answer is checked.

--scale [ROUNDS] measures what processes that share a training by MPI cost on this machine, in 5
turns unless given, and computes what 1 to 1,024 nodes would do: tables, and a plot. Needs an MPI
(apt-get install libopenmpi-dev openmpi-bin libclang-dev), python3 with its venv module, idle cores;
for TCP between two networks also root.";

/// `cargo xtask bench [--peers|--serve|--scale] [-- ARGS]`.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--peers") => crate::peers::main(workspace, &arguments[1..]),
        Some("--serve") => serve(workspace, &arguments[1..]),
        Some("--scale") => scale(workspace, &arguments[1..]),
        _ => {
            let mut command = workspace.cargo("bench --package lenet-benches");
            hand_over(command.args(passed_on(arguments)))
        }
    }
}

fn scale(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let features = "--features lenet/mpi,lenet-mpi/mpi";
    let build = format!("build --release --workspace {features} --bin lenet --example collectives");
    checked(&mut workspace.cargo(&build))?;
    let requirements = "benches/scale/requirements.txt";
    let mut command = Command::new(python::install(workspace, "scale", requirements)?);
    command
        .arg(workspace.root.join("benches/scale/scale.py"))
        .arg(workspace.program("release"))
        .arg(workspace.target.join("release/examples/collectives"))
        .arg(workspace.target.join("scale"))
        .arg(arguments.first().map_or("5".as_ref(), OsString::as_os_str));
    checked(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    let build = "build --release --package lenet --package lenet-benches --bin lenet --bin load";
    checked(&mut workspace.cargo(build))?;
    let mut server = Command::new(workspace.program("release"))
        .args(["--quiet", "serve", "--addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = server.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut load = Command::new(workspace.target.join("release/load"));
    let result = checked(load.arg(address).args(arguments));
    server.kill()?;
    result.map(|()| ExitCode::SUCCESS)
}
