//! The golden file of lenet-model: its Python environment, and its writing and checking.
//!
//! What the file holds, and how: crates/model/tests/golden/README.md.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::run::{Workspace, checked};
use crate::{python, usage_error};

/// Where script, requirements and golden file lie, from the root.
const FOLDER: &str = "crates/model/tests/golden";

/// `cargo xtask golden [--check]`.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    match arguments.as_slice() {
        [] => write(workspace)?,
        [flag] if flag == "--check" => check(workspace)?,
        _ => return Ok(usage_error("golden", "only --check is understood")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the golden file anew.
fn write(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    let mut command = script(workspace)?;
    checked(
        command
            .arg("--output")
            .arg(folder.join("lenet5.safetensors")),
    )
}

/// Makes the golden file anew in target/ and compares the committed one with it.
pub fn check(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    let mut command = script(workspace)?;
    command
        .arg("--check")
        .arg(folder.join("lenet5.safetensors"));
    checked(
        command
            .arg("--output")
            .arg(workspace.target.join("golden.safetensors")),
    )
}

/// The interpreter of an environment with PyTorch and safetensors.
pub fn python(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.root.join(FOLDER).join("requirements.txt");
    python::install(&workspace.target.join("golden-venv"), &requirements)
}

/// `python golden.py` in an environment that has what it imports.
fn script(workspace: &Workspace) -> Result<Command> {
    let mut command = Command::new(python(workspace)?);
    command.arg(workspace.root.join(FOLDER).join("golden.py"));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_golden_folder_are_there() {
        let folder = Workspace::of_this_program().root.join(FOLDER);
        for name in [
            "golden.py",
            "requirements.txt",
            "lenet5.safetensors",
            "README.md",
        ] {
            assert!(folder.join(name).is_file(), "{name}");
        }
    }
}
