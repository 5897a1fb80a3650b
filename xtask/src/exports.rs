//! Exported files, read by the programs that they are for: onnxruntime, ONNX's checker, the Hugging
//! Face hub's library and a C compiler; nightly also by tract and PyTorch.

use std::process::Command;

use anyhow::{Result, bail};

use crate::ci::Skipped;
use crate::run::{PROFILE, Workspace, cargo_on, checked};
use crate::{golden, python};

/// Where the tests, their scripts and requirements lie, from the root.
const FOLDER: &str = "crates/cli/tests/exports";

/// Runs the tests with what installs in a minute.
pub fn check(workspace: &Workspace) -> Result<()> {
    checked(&mut tests(workspace)?)
}

/// Runs the tests with all that they can use.
pub fn check_all(workspace: &Workspace) -> Result<()> {
    let mut tests = tests(workspace)?;
    // PyTorch is large: one installation serves this step and `golden`.
    tests.env("LENET_TORCH_PYTHON", golden::python(workspace)?);
    let target = workspace.target.join("exports-tract");
    let manifest = workspace.root.join(FOLDER).join("tract/Cargo.toml");
    let mut tract = cargo_on(&manifest, "build");
    tract.args(["--locked", "--target-dir"]).arg(&target);
    checked(&mut tract)?;
    let program = format!("debug/exports-tract{}", std::env::consts::EXE_SUFFIX);
    checked(tests.env("LENET_TRACT", target.join(program)))
}

fn tests(workspace: &Workspace) -> Result<Command> {
    if let Some(reason) = python::why_missing() {
        bail!(Skipped(reason));
    }
    let requirements = workspace.root.join(FOLDER).join("requirements.txt");
    let environment = workspace.target.join("exports-venv");
    let python = python::install(&environment, &requirements)?;
    // The selection of `cargo xtask test`, so that nothing is compiled again.
    let mut tests = workspace.cargo("test");
    tests.args(["--workspace", "--profile", PROFILE, "--test", "exports"]);
    tests.args(["--", "--nocapture"]);
    tests.env("LENET_EXPORTS_PYTHON", python);
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_check_are_there() {
        let folder = Workspace::of_this_program().root.join(FOLDER);
        for name in [
            "check_card.py",
            "check_onnx.py",
            "check_pytorch.py",
            "requirements.txt",
            "tract/Cargo.lock",
        ] {
            assert!(folder.join(name).is_file(), "{name}");
        }
    }
}
