//! Where the workspace is, and how a task starts another program.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

/// Cargo's profile of the program and the tests; Cargo.toml says what it leaves out.
pub const PROFILE: &str = "quick";

/// Not a failure: the error of a step that lacks what the machine need not have, with the reason.
#[derive(Debug)]
pub struct Skipped(pub String);

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// The folders that the tasks work in.
pub struct Workspace {
    /// Holds the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder, where the tasks put what is not committed.
    pub target: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub fn of_this_program() -> Self {
        // `cargo run` sets the variable; the constant serves the program when called by its path.
        let package = std::env::var_os("CARGO_MANIFEST_DIR");
        let package = PathBuf::from(package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()));
        let root = package
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf);
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || root.join("target"),
            // A relative one means the caller's folder, to cargo as to us.
            |folder| std::path::absolute(&folder).unwrap_or_else(|_| PathBuf::from(folder)),
        );
        Workspace { root, target }
    }

    /// `cargo LINE` on this workspace, in the caller's working directory. Nothing in the line is
    /// quoted; `NAME=value` before the subcommand sets an environment variable.
    pub fn cargo(&self, line: &str) -> Command {
        cargo_on(&self.root.join("Cargo.toml"), line)
    }

    /// Where a build in this profile puts the program `lenet`.
    pub fn program(&self, profile: &str) -> PathBuf {
        let program = self.target.join(profile).join("lenet");
        program.with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Builds the program `lenet` in a profile and returns its path.
    pub fn build_program(&self, profile: &str) -> Result<PathBuf> {
        let program = self.program(profile);
        if !program.exists() {
            eprintln!("building lenet: the first build takes about three minutes on two cores");
        }
        // Selecting the whole workspace gives the dependencies the features that its tests need,
        // so that `cargo xtask test` does not compile them again.
        checked(&mut self.cargo(&format!(
            "build --workspace --bin lenet --profile {profile}"
        )))?;
        Ok(program)
    }

    /// An empty folder in target/ for a task to write to.
    pub fn empty_folder(&self, task: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(task);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {folder:?}"))?;
        Ok(folder)
    }
}

/// `cargo LINE` on the workspace or package of this manifest.
pub fn cargo_on(manifest: &Path, line: &str) -> Command {
    // The cargo that called us, for it may not be the first on PATH.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` says of xtask makes some build scripts of others run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let mut words = line.split_whitespace().peekable();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        command.env(name, value);
        words.next();
    }
    command.args(words.next());
    command.arg("--manifest-path").arg(manifest).args(words);
    command
}

/// The arguments of the program called: all but a leading `--`, which only ends ours.
pub fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

/// Becomes the command, so that its signals and its exit code are ours; returns only on failure.
#[cfg(unix)]
pub fn hand_over(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}", shown(command)))
}

/// Runs the command and exits with its exit code.
#[cfg(not(unix))]
pub fn hand_over(command: &mut Command) -> Result<ExitCode> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {}", shown(command)))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Prints the command line, runs it, and fails when it fails.
pub fn checked(command: &mut Command) -> Result<()> {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {line}"))?;
    ensure!(status.success(), "{status} from {line}");
    Ok(())
}

/// Runs the command and returns what it prints on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {line}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as typed in a shell, its program by name and without `--manifest-path`.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut line = name.to_string_lossy().into_owned();
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--manifest-path" {
            arguments.next();
        } else {
            line = line + " " + &argument.to_string_lossy();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_command() {
        let command = cargo_on(Path::new("Cargo.toml"), "A=-b test --workspace -- x=y");
        assert!(shown(&command).ends_with("cargo test --workspace -- x=y"));
        let mut variables = command.get_envs();
        assert!(variables.any(|(name, value)| name == "A" && value == Some("-b".as_ref())));
    }

    #[test]
    fn a_failing_command_is_an_error_and_a_missing_one_too() {
        let cargo = || Command::new(env!("CARGO"));
        assert!(
            output(cargo().arg("--version"))
                .unwrap()
                .starts_with("cargo")
        );
        let error = output(cargo().arg("--no-such-flag")).unwrap_err();
        assert!(error.to_string().contains("--no-such-flag"), "{error}");
        let error = checked(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
