//! The page to draw on: its WebAssembly, built from `crates/web` into `crates/serve/page`.
//!
//! The module is committed, so that the program serves the page without a compiler for WebAssembly.
//! A record beside it, in the format of `sha256sum`, holds the digests of the module and of every
//! file that the compiler read for it: `--check` tells by them whether the module is up to date.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::run::{Workspace, checked, output};
use crate::usage_error;

const TARGET: &str = "wasm32-unknown-unknown";
const PAGE: &str = "crates/serve/page";
const MODULE: [&str; 2] = [
    "crates/serve/page/lenet_web.js",
    "crates/serve/page/lenet_web_bg.wasm",
];
/// The page's network, for hosts of files; `lenet serve` serves its own by this name.
const NETWORK: &str = "crates/serve/page/model.safetensors";
pub const WEIGHTS: &str = "crates/model/weights/mnist.safetensors";
const RECORD: &str = "crates/web/built.sha256";
/// Bytes of the WebAssembly, which holds no weights.
const LIMIT: u64 = 1_100_000;

/// `cargo xtask web [--check]`.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    match arguments.as_slice() {
        [] => build(workspace)?,
        [flag] if flag == "--check" => check(workspace)?,
        _ => return Ok(usage_error("web", "web takes --check or nothing")),
    }
    Ok(ExitCode::SUCCESS)
}

fn build(workspace: &Workspace) -> Result<()> {
    let target = &workspace.target;
    let bindgen = wasm_bindgen(workspace)?;
    let mut cargo = workspace.cargo("build --package lenet-web --profile web");
    cargo.args(["--target", TARGET, "--target-dir"]).arg(target);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?);
    checked(&mut cargo).with_context(|| format!("no module (`rustup target add {TARGET}`?)"))?;

    let build = target.join(TARGET).join("web");
    let mut command = Command::new(bindgen);
    // No wasm-opt: it takes 4 % off what the compiler has optimised as a whole.
    command.args(["--target=web", "--no-typescript", "--remove-name-section"]);
    command.arg("--out-dir").arg(workspace.root.join(PAGE));
    checked(command.arg(build.join("lenet_web.wasm")))?;

    let root = &workspace.root;
    fs::copy(root.join(WEIGHTS), root.join(NETWORK))?;
    let rule = fs::read_to_string(build.join("liblenet_web.d"))?;
    let module = MODULE.map(|path| workspace.root.join(path));
    let mut record = String::new();
    for path in dependencies(&rule).into_iter().chain(module) {
        let place = path.strip_prefix(&workspace.root)?.display();
        record += &format!("{}  {place}\n", digest(&path)?);
    }
    fs::write(workspace.root.join(RECORD), record)?;
    check(workspace)
}

/// The compiler's flags, separated as cargo wants them.
fn flags(workspace: &Workspace) -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let home = home.context("no home folder")?;
    let flags = [
        // getrandom has two ways to a browser's random numbers and must be told one.
        r#"--cfg=getrandom_backend="wasm_js""#.to_owned(),
        // In every browser since 2023.
        "-Ctarget-feature=+simd128".to_owned(),
        // Equal sources make an equal module: messages name no folder of this machine.
        format!("--remap-path-prefix={}=.", workspace.root.display()),
        format!("--remap-path-prefix={}=cargo", home.display()),
    ];
    Ok(flags.join("\u{1f}"))
}

/// The program that writes the module's JavaScript, of the version of the library, in target/.
fn wasm_bindgen(workspace: &Workspace) -> Result<PathBuf> {
    let library = output(&mut workspace.cargo("pkgid --package wasm-bindgen"))?;
    let (_, version) = library.trim().rsplit_once('@').context("cargo pkgid")?;
    let folder = workspace.target.join("xtask/wasm-bindgen");
    let mut install = Command::new("cargo");
    // Without optimisation, which takes longer than the program ever runs.
    install.args("install --debug wasm-bindgen-cli --version".split(' '));
    checked(install.args([version, "--root"]).arg(&folder))?;
    Ok(folder.join("bin/wasm-bindgen"))
}

/// The files of a Makefile's rule, as the compiler lists what it read; a space in a name is escaped.
fn dependencies(rule: &str) -> Vec<PathBuf> {
    let rule = rule.lines().next().unwrap_or_default().replace("\\ ", "\0");
    let files = rule.split_whitespace().skip(1);
    files.map(|file| file.replace('\0', " ").into()).collect()
}

fn digest(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Fails if the committed module, or a source of it, is not the recorded one.
pub fn check(workspace: &Workspace) -> Result<()> {
    let record = fs::read_to_string(workspace.root.join(RECORD))?;
    let digest = |path: &str| digest(&workspace.root.join(path));
    let records = record.lines().filter_map(|line| line.split_once("  "));
    let is_other = |(old, path): &(&str, &str)| digest(path).map_or(true, |new| new != *old);
    let changed: Vec<_> = records.filter(is_other).map(|(_, path)| path).collect();
    let changed = changed.join(" ");
    if !changed.is_empty() {
        bail!("the page's module is out of date (`cargo xtask web` builds it): {changed}");
    }
    if digest(NETWORK)? != digest(WEIGHTS)? {
        bail!("{NETWORK} is not a copy of {WEIGHTS}: `cargo xtask web` copies it");
    }
    let size = fs::metadata(workspace.root.join(MODULE[1]))?.len();
    println!("web: the module has {size} bytes, limit {LIMIT}");
    ensure!(size < LIMIT, "the module has {size} bytes, limit {LIMIT}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_a_build_is_read() {
        let rule = "/t/liblenet_web.rlib: /w/a.rs /w/my\\ house/b.rs\n\n/w/a.rs:\n";
        assert_eq!(
            dependencies(rule),
            [Path::new("/w/a.rs"), Path::new("/w/my house/b.rs")]
        );
    }
}
