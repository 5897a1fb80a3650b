//! The trained weights that lenet-model embeds.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::run::{PROFILE, Workspace, checked, empty_folder};
use crate::usage_error;

/// `cargo xtask weights [--check]`: trains them and puts them in place, or only compares.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let check = match arguments.as_slice() {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Ok(usage_error("weights", "weights takes --check or nothing")),
    };
    let run = empty_folder(workspace, "weights")?.join("run");
    let mut train = Command::new(workspace.build_program(PROFILE)?);
    train.args(["train", "--recipe", "best", "--seed", "42", "--output"]);
    checked(train.arg(&run))?;
    let file = workspace
        .root
        .join("crates/model/weights/mnist.safetensors");
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {path:?}"));
    let trained = read(&run.join("model.safetensors"))?;
    if read(&file).is_ok_and(|embedded| embedded == trained) {
        println!("weights: {} bytes, as embedded", trained.len());
        return Ok(ExitCode::SUCCESS);
    }
    if check {
        // Other instruction sets round otherwise: no failure of the weights, but to be seen.
        println!("weights: not the bytes that are embedded; were those trained on another CPU?");
        return Ok(ExitCode::FAILURE);
    }
    fs::write(&file, &trained).with_context(|| format!("cannot write {file:?}"))?;
    println!(
        "weights: {} bytes, new in {}",
        trained.len(),
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}
