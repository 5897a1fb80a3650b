//! Where the workspace is, and how a task starts another program.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

/// Cargo's profile of the program and the tests; Cargo.toml says what it leaves out.
pub const PROFILE: &str = "quick";

/// The folders that the tasks work in.
pub struct Workspace {
    /// Holds the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder: all that the tasks write, except the golden file, lies in it.
    pub target: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub fn of_this_program() -> Self {
        // `cargo run` sets the variable; the constant serves the program when called by its path.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let package = PathBuf::from(package);
        let root = package
            .parent()
            .map_or_else(|| package.clone(), Path::to_path_buf);
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || root.join("target"),
            // A relative one means the caller's folder, to cargo as to us.
            |folder| std::path::absolute(&folder).unwrap_or_else(|_| PathBuf::from(folder)),
        );
        Workspace { root, target }
    }

    /// `cargo SUBCOMMAND` on this workspace, in the caller's working directory.
    pub fn cargo(&self, subcommand: &str) -> Command {
        cargo_on(&self.root.join("Cargo.toml"), subcommand)
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
            eprintln!("building lenet: the first build takes some minutes");
        }
        // Selecting the whole workspace gives the dependencies the features that its tests need,
        // so that `cargo xtask test` does not compile them again.
        let mut build = self.cargo("build");
        build.args(["--workspace", "--bin", "lenet", "--profile", profile]);
        checked(&mut build)?;
        Ok(program)
    }

    /// A workspace of a test's own, in the system's folder for temporary files.
    #[cfg(test)]
    pub fn scratch(name: &str) -> Self {
        let target = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        Workspace {
            root: target.clone(),
            target,
        }
    }
}

/// `cargo SUBCOMMAND` on the workspace or package of this manifest.
pub fn cargo_on(manifest: &Path, subcommand: &str) -> Command {
    // The cargo that called us, for it may not be the first on PATH.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.arg(subcommand).arg("--manifest-path").arg(manifest);
    // What `cargo run` says of xtask is nothing to the build scripts of others, some of which run
    // again for each change of it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(name);
        }
    }
    command
}

/// Becomes the command, so that its signals and its exit code are ours; returns only on failure.
#[cfg(unix)]
pub fn hand_over(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}", shown(command)))
}

/// Runs the command and exits with its exit code.
#[cfg(not(unix))]
pub fn hand_over(command: &mut Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Prints the command line, runs it, and fails when it fails.
pub fn checked(command: &mut Command) -> Result<()> {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("{status} from {line}");
    }
    Ok(())
}

/// Runs the command and returns what it prints on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as typed in a shell, its program by name and without `--manifest-path`.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy(),
    ];
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--manifest-path" {
            arguments.next();
        } else {
            words.push(argument.to_string_lossy());
        }
    }
    words.join(" ")
}

/// A fresh folder in target/ for a task to write to.
pub fn empty_folder(workspace: &Workspace, task: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("xtask").join(task);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn workspace() -> Workspace {
        Workspace {
            root: PathBuf::from("root"),
            target: PathBuf::from("root/target"),
        }
    }

    #[test]
    fn the_commands_are_cargos() {
        let workspace = workspace();
        let program = workspace.program("quick");
        assert!(program.starts_with("root/target/quick"), "{program:?}");
        let command = workspace.cargo("test");
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        assert_eq!(arguments[..2], ["test", "--manifest-path"]);
        assert!(Path::new(&*arguments[2]).ends_with("root/Cargo.toml"));
    }

    #[test]
    fn the_root_is_the_folder_of_the_workspace() {
        let root = Workspace::of_this_program().root;
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_failing_command_is_an_error_and_a_missing_one_too() {
        let cargo = || {
            let mut command = Command::new(env!("CARGO"));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        checked(cargo().arg("--version")).unwrap();
        let error = checked(cargo().arg("--no-such-flag"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("--no-such-flag"), "{error}");
        let error = checked(&mut Command::new("no-such-program-at-all"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-program-at-all"), "{error}");
    }
}
