//! The golden file of lenet-model: its Python environment, and its writing and checking.
//!
//! What the file holds, and how: crates/model/tests/golden/README.md.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::run::{Workspace, checked};
use crate::usage_error;

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

/// `python golden.py` in an environment that has what it imports.
fn script(workspace: &Workspace) -> Result<Command> {
    let folder = workspace.root.join(FOLDER);
    let environment = workspace.target.join("golden-venv");
    let python = install(&environment, &folder.join("requirements.txt"))?;
    let mut command = Command::new(python);
    command.arg(folder.join("golden.py"));
    Ok(command)
}

/// The interpreter of an environment with these requirements, which is made unless it is there.
fn install(environment: &Path, requirements: &Path) -> Result<PathBuf> {
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let wanted = fs::read(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    // Written last: an installation that was interrupted has none.
    let installed = environment.join("installed.txt");
    if fs::read(&installed).is_ok_and(|text| text == wanted) && python.exists() {
        return Ok(python);
    }
    let system = if cfg!(windows) { "python" } else { "python3" };
    require_python(system)?;
    checked(
        Command::new(system)
            .args(["-m", "venv", "--clear"])
            .arg(environment),
    )
    .context("no Python environment (Debian and Ubuntu need the package python3-venv)")?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    checked(pip.arg(requirements)).context("cannot install the requirements of golden.py")?;
    fs::write(&installed, wanted)
        .with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(python)
}

fn require_python(program: &str) -> Result<()> {
    match Command::new(program).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{program} is not on PATH: install Python 3.11 or newer with its venv module")
        }
        Ok(output) => bail!("{program} --version fails with {}", output.status),
        Err(error) => Err(error).with_context(|| format!("cannot run {program}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_python_is_named() {
        let error = require_python("no-such-python").unwrap_err().to_string();
        assert!(error.contains("no-such-python is not on PATH"), "{error}");
    }

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
