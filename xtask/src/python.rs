//! Python environments in target/, each made once from a file of requirements, and what runs in
//! them: the golden file, and other programs reading our exports and event files.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::run::{PROFILE, Skipped, Workspace, cargo_on, checked, output};
use crate::usage_error;

const GOLDEN: &str = "crates/model/tests/golden";
const EXPORTS: &str = "crates/cli/tests/cli/exports";

/// The interpreter of the environment `target/NAME-venv`, which is made unless it is there and has
/// what the file lists.
pub fn install(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let environment = workspace.target.join(format!("{name}-venv"));
    let python = environment.join("bin/python");
    let requirements = workspace.root.join(requirements);
    let wanted = fs::read(&requirements)?;
    // Written last: an installation that was interrupted has none.
    let installed = environment.join("installed.txt");
    if fs::read(&installed).is_ok_and(|text| text == wanted) && python.exists() {
        return Ok(python);
    }
    if output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        let reason = "needs python3 and its venv module (Debian's package python3-venv)";
        bail!(Skipped(reason.to_owned()));
    }
    let mut venv = Command::new("python3");
    checked(venv.args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(&python);
    pip.args("-m pip install --quiet --disable-pip-version-check --requirement".split(' '));
    checked(pip.arg(&requirements))?;
    fs::write(&installed, wanted)?;
    Ok(python)
}

/// `cargo xtask golden [--check]`; crates/model/tests/golden/README.md says what the file holds.
pub fn golden(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let file = workspace.root.join(GOLDEN).join("lenet5.safetensors");
    let mut script = Command::new(torch(workspace)?);
    script.arg(workspace.root.join(GOLDEN).join("golden.py"));
    match arguments.as_slice() {
        [] => checked(script.arg("--output").arg(file))?,
        [flag] if flag == "--check" => {
            let again = workspace.target.join("golden.safetensors");
            checked(script.arg("--check").arg(file).arg("--output").arg(again))?;
        }
        _ => return Ok(usage_error("golden", "golden takes --check or nothing")),
    }
    Ok(ExitCode::SUCCESS)
}

/// The interpreter of an environment with PyTorch.
fn torch(workspace: &Workspace) -> Result<PathBuf> {
    install(workspace, "golden", &format!("{GOLDEN}/requirements.txt"))
}

/// Has onnxruntime, ONNX's checker, the hub's library and a C compiler read exported files.
pub fn exports(workspace: &Workspace) -> Result<()> {
    checked(&mut export_tests(workspace)?)
}

/// The same with PyTorch and tract.
pub fn all_exports(workspace: &Workspace) -> Result<()> {
    let target = workspace.target.join("exports-tract");
    let manifest = workspace.root.join(EXPORTS).join("tract/Cargo.toml");
    let mut build = cargo_on(&manifest, "build --locked --target-dir");
    checked(build.arg(&target))?;
    let mut tests = export_tests(workspace)?;
    tests.env("LENET_TORCH_PYTHON", torch(workspace)?);
    checked(tests.env("LENET_TRACT", target.join("debug/exports-tract")))
}

fn export_tests(workspace: &Workspace) -> Result<Command> {
    tests(workspace, "exports", EXPORTS)
}

/// Has TensorBoard read the event files of a training.
pub fn tensorboard(workspace: &Workspace) -> Result<()> {
    let folder = "crates/cli/tests/cli/tensorboard";
    checked(&mut tests(workspace, "tensorboard", folder)?)
}

/// Has Optuna, Ray and GNU parallel drive the program.
pub fn examples(workspace: &Workspace) -> Result<()> {
    checked(&mut tests(workspace, "examples", "crates/cli/examples")?)
}

/// The tests of this name, with an environment of what the folder's file lists.
fn tests(workspace: &Workspace, name: &str, folder: &str) -> Result<Command> {
    let python = install(workspace, name, &format!("{folder}/requirements.txt"))?;
    let tests = format!("test --workspace --profile {PROFILE} --test cli -- --nocapture {name}::");
    let mut tests = workspace.cargo(&tests);
    tests.env(format!("LENET_{}_PYTHON", name.to_uppercase()), python);
    Ok(tests)
}
