//! Python environments in target/, each made once from a file of requirements.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::checked;

/// The interpreter of an environment with these requirements, which is made unless it is there.
pub fn install(environment: &Path, requirements: &Path) -> Result<PathBuf> {
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
    checked(pip.arg(requirements))
        .with_context(|| format!("cannot install what {} lists", requirements.display()))?;
    fs::write(&installed, wanted)
        .with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(python)
}

/// Why no environment can be made on this machine, where that is so.
pub fn why_missing() -> Option<String> {
    let system = if cfg!(windows) { "python" } else { "python3" };
    if let Err(error) = require_python(system) {
        return Some(format!("{error:#}"));
    }
    // Debian's python3 has the one, and an error message in place of the other.
    let modules = Command::new(system)
        .args(["-c", "import venv, ensurepip"])
        .output();
    match modules {
        Ok(output) if output.status.success() => None,
        _ => Some(format!(
            "{system} has no venv module (Debian and Ubuntu need the package python3-venv)"
        )),
    }
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
}
