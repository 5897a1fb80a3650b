//! Tells the program the commit and the compiler that it is built from, where they are known.
//! What is not known is left out: a build without git, or from a packed crate, works too.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(version) = env::var_os("RUSTC").and_then(|rustc| output(rustc, &["--version"])) {
        println!("cargo::rustc-env=LENET_RUSTC={version}");
    }
    if let Some(commit) = commit() {
        println!("cargo::rustc-env=LENET_COMMIT={commit}");
    }
}

/// The commit of this repository, with `-dirty` after it if tracked files differ from it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| output("git", arguments);
    // A crate that was unpacked within another project does not have that project's commit.
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let here = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).canonicalize();
    let expected = Path::new(&root).join("crates/cli").canonicalize();
    if here.ok()? != expected.ok()? {
        return None;
    }
    println!("cargo::rerun-if-changed=../../crates");
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        // cargo takes a missing file for a changed one, at every build.
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let changes = git(&[
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=no",
    ])?;
    let dirty = if changes.is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{dirty}"))
}

/// What a command prints, if it runs and succeeds.
fn output(command: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
