//! `cargo xtask bench --serve`: `lenet serve` and clients that ask it without a pause.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::run::{Workspace, checked};

/// Stops the server however the task ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds and starts both; the arguments are the number of connections and the seconds.
pub fn main(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    // In one build, so that both have the same features.
    checked(workspace.cargo("build").args([
        "--release",
        "--package",
        "lenet",
        "--package",
        "lenet-serve",
        "--bin",
        "lenet",
        "--example",
        "load",
    ]))?;
    let mut server = Command::new(workspace.program("release"))
        .args(["--quiet", "serve", "--addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .map(Server)
        .context("cannot start lenet serve")?;
    let mut line = String::new();
    let output = server.0.stdout.take().context("no standard output")?;
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix("http://");
    let Some(address) = address.and_then(|address| address.strip_suffix('/')) else {
        bail!("lenet serve did not say where it listens");
    };
    let status = Command::new(workspace.target.join("release/examples/load"))
        .arg(address)
        .args(arguments)
        .status()
        .context("cannot start the clients")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
