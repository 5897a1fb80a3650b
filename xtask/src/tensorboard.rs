//! The event files of a training, read by PyPI's TensorBoard.

use anyhow::{Result, bail};

use crate::ci::Skipped;
use crate::python;
use crate::run::{PROFILE, Workspace, checked};

/// Where the script and its requirements lie, from the root.
const FOLDER: &str = "crates/cli/tests/tensorboard";

/// Runs the test that needs TensorBoard, in an environment of its own.
pub fn check(workspace: &Workspace) -> Result<()> {
    if let Some(reason) = python::why_missing() {
        bail!(Skipped(reason));
    }
    let requirements = workspace.root.join(FOLDER).join("requirements.txt");
    let environment = workspace.target.join("tensorboard-venv");
    let python = python::install(&environment, &requirements)?;
    let mut command = workspace.cargo("test");
    // Of the whole workspace, as `cargo xtask test` has compiled it: one crate alone would have
    // dependencies with other features.
    command.args(["--workspace", "--profile", PROFILE, "--test", "cli"]);
    command.args(["--", "--nocapture", "tensorboard"]);
    checked(command.env("LENET_TENSORBOARD_PYTHON", python))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_check_are_there() {
        let folder = Workspace::of_this_program().root.join(FOLDER);
        for name in ["check.py", "requirements.txt"] {
            assert!(folder.join(name).is_file(), "{name}");
        }
    }
}
