//! The tests of lenet-engine on an aarch64 that QEMU emulates, so that the paths written with NEON
//! are tested on x86-64 too.
//!
//! The standard library of the target comes from rustup, where it is installed, or is built from
//! Debian's packages of a compiler and its sources, which are unpacked below target/ and not
//! installed, for they conflict with rustup's. Without either the step is skipped.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::ci::Skipped;
use crate::run::{Workspace, checked};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// The first that is on PATH; Debian's qemu-user-static has the one, its qemu-user the other.
const EMULATORS: [&str; 2] = ["qemu-aarch64-static", "qemu-aarch64"];
/// Where Debian's cross compiler keeps the target's C library.
const C_LIBRARY: &str = "/usr/aarch64-linux-gnu";

/// What is not ours is compiled for the time of this step: emulated tests of a few seconds are not
/// worth minutes of optimisation. gemm-f16 names half-precision instructions that the assembler
/// takes only where their functions are inlined into one that has the feature.
const PROFILE: [&str; 2] = [
    r#"profile.dev.package."*".opt-level=0"#,
    "profile.dev.package.gemm-f16.opt-level=1",
];

/// Property tests that name no number of cases of their own draw this many.
const CASES: &str = "16";

/// Tests lenet-engine under emulation and type-checks the whole program for the target.
pub fn check(workspace: &Workspace) -> Result<()> {
    if OS != "linux" {
        skip("user-mode emulation is of Linux")?;
    }
    if ARCH == "aarch64" {
        skip("this machine is an aarch64: `cargo xtask test` has run these tests")?;
    }
    let emulator = EMULATORS.into_iter().find(|program| runs(program));
    let (Some(emulator), true) = (emulator, runs(LINKER) && Path::new(C_LIBRARY).exists()) else {
        return skip(
            "needs an emulator and a cross compiler: on Debian and Ubuntu \
             `apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static`",
        );
    };
    let toolchain = Toolchain::find(workspace)?;
    let cargo = |subcommand| {
        let mut command = toolchain.cargo(workspace, subcommand);
        command.env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{emulator} -L {C_LIBRARY}"),
        );
        command
    };
    checked(cargo("test").args(["--package", "lenet-engine", "--tests"]))?;
    checked(cargo("check").args(["--package", "lenet"]))
}

/// Ends the step without a failure.
fn skip(reason: &str) -> Result<()> {
    bail!(Skipped(reason.to_owned()))
}

/// Whether the program is there and runs.
fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A compiler that has, or can build, the target's standard library.
enum Toolchain {
    /// The current one.
    Current,
    /// This compiler, with the sources of its library.
    Sources(PathBuf),
}

impl Toolchain {
    fn find(workspace: &Workspace) -> Result<Toolchain> {
        if has_target()? {
            return Ok(Toolchain::Current);
        }
        match debian::unpack(&workspace.target.join("xtask/aarch64-rust")) {
            Ok(compiler) => Ok(Toolchain::Sources(compiler)),
            Err(error) => {
                let reason = format!(
                    "no standard library for {TARGET}: `rustup target add {TARGET}` installs it \
                     (Debian's compiler does not serve either: {error:#})"
                );
                bail!(Skipped(reason))
            }
        }
    }

    fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut command = workspace.cargo(subcommand);
        command.args(["--target", TARGET]).arg("--target-dir");
        // Its own, for the host's build scripts are compiled otherwise than elsewhere.
        command.arg(workspace.target.join("xtask/aarch64"));
        for setting in PROFILE {
            command.args(["--config", setting]);
        }
        command
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
            .env("CC_aarch64_unknown_linux_gnu", LINKER)
            .env("PROPTEST_CASES", CASES);
        if let Toolchain::Sources(compiler) = self {
            command
                .args(["-Z", "build-std=std,panic_abort,panic_unwind"])
                .env("RUSTC", compiler)
                // Cargo takes `-Z` from a release compiler only so.
                .env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }
}

/// Whether the current compiler has the target's standard library.
fn has_target() -> Result<bool> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // The path is printed whether it exists or not.
    Ok(output.status.success() && has_library(&folder))
}

fn has_library(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// Debian's packages of a compiler new enough for browsers, as the stable releases have it too.
mod debian {
    use super::*;

    /// Unpacks the compiler below the folder, unless it is there, and returns a program to run it.
    pub fn unpack(folder: &Path) -> Result<PathBuf> {
        let compiler = folder.join("rustc");
        // Written last: an unpacking that was interrupted has none.
        if !compiler.exists() {
            // A list of months ago names files that are gone; whoever may not refresh it goes on.
            let _ = Command::new("apt-get").args(["update", "-qq"]).output();
            let depends = output("apt-cache", &DEPENDS)?;
            let packages = packages(&depends)?;
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            let debs = folder.join("debs");
            fs::create_dir_all(&debs)?;
            checked(
                Command::new("apt-get")
                    .args(["download", "-qq"])
                    .args(&packages)
                    .current_dir(&debs),
            )?;
            for deb in fs::read_dir(&debs)? {
                checked(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(folder))?;
            }
            fs::remove_dir_all(&debs)?;
            write_wrapper(folder, &compiler)?;
        }
        ensure!(
            new_enough(&output(&compiler.to_string_lossy(), &["--version"])?),
            "Debian's rustc-web is older than this workspace's {}",
            env!("CARGO_PKG_RUST_VERSION")
        );
        Ok(compiler)
    }

    const DEPENDS: [&str; 9] = [
        "depends",
        "--recurse",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
        "rustc-web",
    ];

    /// The compiler with its parts, whose names hold a version, and the sources.
    pub fn packages(depends: &str) -> Result<Vec<&str>> {
        let mut packages: Vec<_> = depends
            .lines()
            .filter(|line| {
                ["rustc-web", "libstd-rust-web", "libllvm"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        ensure!(
            packages.contains(&"rustc-web"),
            "apt knows no package rustc-web"
        );
        packages.push("rust-web-src");
        Ok(packages)
    }

    /// The compiler's libraries are not where the system looks for them.
    fn write_wrapper(folder: &Path, compiler: &Path) -> Result<()> {
        let libraries = "$here/usr/lib/x86_64-linux-gnu";
        let text = format!(
            "#!/bin/sh\nhere='{}'\nLD_LIBRARY_PATH=\"{libraries}\" exec \"$here/usr/bin/rustc\" \"$@\"\n",
            folder.display()
        );
        let unfinished = folder.join("rustc.new");
        fs::write(&unfinished, text)?;
        checked(Command::new("chmod").arg("+x").arg(&unfinished))?;
        Ok(fs::rename(&unfinished, compiler)?)
    }

    /// Whether this line of `rustc --version` is of the workspace's `rust-version` or newer.
    pub fn new_enough(line: &str) -> bool {
        let number = |version: &str| -> Option<(u32, u32)> {
            let mut parts = version.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        };
        let found = line.split(' ').nth(1).and_then(number);
        found.is_some() && found >= number(env!("CARGO_PKG_RUST_VERSION"))
    }

    fn output(program: &str, arguments: &[&str]) -> Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        ensure!(
            output.status.success(),
            "{program} fails with {}",
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_compiler_is_refused() {
        for (line, expected) in [
            ("rustc 1.96.0 (ac68faa20 2026-05-25)", true),
            ("rustc 1.95.0", true),
            ("rustc 2.0.0", true),
            ("rustc 1.85.0 (4d91de4e4 2025-02-17)", false),
            ("", false),
        ] {
            assert_eq!(debian::new_enough(line), expected, "{line}");
        }
    }

    #[test]
    fn the_packages_are_the_compiler_and_its_parts() {
        let depends = "rustc-web\n  Depends: libc6\n  Depends: libstd-rust-web-dev\nlibc6\n\
                       libstd-rust-web-dev\nlibstd-rust-web-1.96\nlibllvm22\n";
        let names = debian::packages(depends).unwrap();
        let expected = "rustc-web libstd-rust-web-dev libstd-rust-web-1.96 libllvm22 rust-web-src";
        assert_eq!(names.join(" "), expected);
        assert!(debian::packages("rustc\n").is_err());
    }

    #[test]
    fn what_is_missing_is_seen() {
        assert!(!runs("no-such-emulator"));
        assert!(!has_library(Path::new("no-such-folder")));
        let skipped = skip("no reason").unwrap_err();
        assert!(skipped.is::<Skipped>(), "{skipped}");
    }
}
