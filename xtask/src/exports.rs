//! Exported files, read by the programs that they are for: onnxruntime, ONNX's checker, tract,
//! PyTorch, the Hugging Face hub's library and a C compiler.

use anyhow::{Result, bail};

use crate::ci::Skipped;
use crate::run::{Workspace, cargo_on, checked};
use crate::{golden, python};

/// Where the tests, their scripts and requirements lie, from the root.
const FOLDER: &str = "crates/cli/tests/exports";

/// Runs the tests with all that they can use.
pub fn check(workspace: &Workspace) -> Result<()> {
    if let Some(reason) = python::why_missing() {
        bail!(Skipped(reason));
    }
    let folder = workspace.root.join(FOLDER);
    let environment = workspace.target.join("exports-venv");
    let python = python::install(&environment, &folder.join("requirements.txt"))?;
    // PyTorch is large: one installation serves both steps.
    let torch = golden::python(workspace)?;
    let target = workspace.target.join("exports-tract");
    let mut tract = cargo_on(&folder.join("tract/Cargo.toml"), "build");
    tract.args(["--locked", "--target-dir"]).arg(&target);
    checked(&mut tract)?;
    // The selection of `cargo xtask test`, so that nothing is compiled anew.
    let mut command = workspace.cargo("test");
    command.args(["--workspace", "--test", "exports", "--", "--nocapture"]);
    command.env("LENET_EXPORTS_PYTHON", python);
    command.env("LENET_TORCH_PYTHON", torch);
    let program = format!("debug/exports-tract{}", std::env::consts::EXE_SUFFIX);
    checked(command.env("LENET_TRACT", target.join(program)))
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
