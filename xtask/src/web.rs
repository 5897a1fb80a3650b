//! The page on which one draws a digit: network and preprocessing as WebAssembly, and what calls
//! them.
//!
//! The built page is committed, so that the program serves it without this task having run. Beside
//! it lies a record of what it was built from: the digest of every source file that the compiler
//! read, and the other packages with their versions and features. Whether the page is that of the
//! sources can be told from it without a compiler for WebAssembly.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run::{Workspace, checked, empty_folder};
use crate::usage_error;

const TARGET: &str = "wasm32-unknown-unknown";
/// What the page is made of besides the module.
const PAGE: &str = "crates/web/page";
/// Where the program takes the built page from.
const BUILT: &str = "crates/serve/page";
const RECORD: &str = "crates/web/built.json";
/// All files of the page together.
const LIMIT: u64 = 1_500_000;

/// `cargo xtask web [--output DIR | --check]`.
pub fn main(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let output = match arguments.as_slice() {
        [] => None,
        [check] if check == "--check" => {
            check_committed(workspace)?;
            return Ok(ExitCode::SUCCESS);
        }
        [flag, folder] if flag == "--output" => Some(std::path::absolute(folder)?),
        _ => {
            return Ok(usage_error(
                "web",
                "web takes --output DIR, --check or nothing",
            ));
        }
    };
    let page = build(workspace)?;
    let size = total(&page);
    ensure!(size < LIMIT, "the page has {size} bytes, limit {LIMIT}");
    let folder = output.clone().unwrap_or_else(|| workspace.root.join(BUILT));
    write(&folder, &page)?;
    if output.is_none() {
        let record = json!({ "page": digests(&page), "sources": sources(workspace)?,
            "packages": packages(workspace)? });
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(workspace.root.join(RECORD), text)?;
    }
    println!("web: {size} bytes in {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// The files of a page by their names.
type Page = BTreeMap<String, Vec<u8>>;

fn total(page: &Page) -> u64 {
    page.values().map(|bytes| bytes.len() as u64).sum()
}

fn build(workspace: &Workspace) -> Result<Page> {
    let libraries =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    ensure!(
        Path::new(libraries.trim()).is_dir(),
        "the compiler has no standard library for {TARGET}: `rustup target add {TARGET}` installs it"
    );
    // No wasm-opt: it would take 4 % off a module that the compiler has optimised as a whole, and
    // that of Debian 12, binaryen 108, confuses the tables of modules with reference types.
    let bindgen = wasm_bindgen(workspace)?;
    checked(&mut cargo_build(workspace)?)?;
    let folder = empty_folder(workspace, "web")?;
    let module = workspace.target.join(TARGET).join("web/lenet_web.wasm");
    checked(
        Command::new(bindgen)
            .args([
                "--target",
                "web",
                "--no-typescript",
                "--remove-name-section",
                "--out-dir",
            ])
            .arg(&folder)
            .arg(module),
    )?;
    let mut page = read(&folder)?;
    page.append(&mut read(&workspace.root.join(PAGE))?);
    Ok(page)
}

/// Cargo, compiling the module.
fn cargo_build(workspace: &Workspace) -> Result<Command> {
    let mut flags = vec![
        // Of the two ways to random numbers that a browser's module may have, neither is used.
        r#"--cfg=getrandom_backend="wasm_js""#.to_owned(),
        // In every browser since 2023.
        "-Ctarget-feature=+simd128".to_owned(),
        // Places in messages are not those of this machine.
        format!("--remap-path-prefix={}=.", workspace.root.display()),
    ];
    for folder in registry_folders()? {
        flags.push(format!("--remap-path-prefix={}=registry", folder.display()));
    }
    let mut command = workspace.cargo("build");
    command
        .args([
            "--package",
            "lenet-web",
            "--profile",
            "web",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&workspace.target)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    Ok(command)
}

/// Where cargo keeps the sources of packages, a folder for each registry.
fn registry_folders() -> Result<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = home.context("no home folder")?.join("registry/src");
    match fs::read_dir(&sources) {
        Ok(folders) => Ok(folders.flatten().map(|folder| folder.path()).collect()),
        // Vendored sources lie in the workspace.
        Err(_) => Ok(Vec::new()),
    }
}

/// The program that writes the module's JavaScript, of the very version of the library; installed
/// below target/ unless it is on PATH.
fn wasm_bindgen(workspace: &Workspace) -> Result<PathBuf> {
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let version =
        locked_version(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?;
    let is_it = |program: &Path| {
        let line = output(Command::new(program).arg("--version")).unwrap_or_default();
        line.split_whitespace().nth(1) == Some(version)
    };
    let on_path = PathBuf::from("wasm-bindgen");
    if is_it(&on_path) {
        return Ok(on_path);
    }
    let folder = workspace.target.join("xtask/wasm-bindgen");
    let program = folder.join(format!("bin/wasm-bindgen{EXE_SUFFIX}"));
    if !is_it(&program) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        checked(
            Command::new(cargo)
                .args([
                    "install",
                    "wasm-bindgen-cli",
                    "--version",
                    version,
                    "--root",
                ])
                .arg(&folder),
        )?;
    }
    Ok(program)
}

/// The version of a package in the text of Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    entry.split('"').next()
}

/// The files in a folder that has no folders.
fn read(folder: &Path) -> Result<Page> {
    let mut page = Page::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {folder:?}"))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {path:?}"))?;
        page.insert(name.into_owned(), bytes);
    }
    Ok(page)
}

fn write(folder: &Path, page: &Page) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
    for (name, bytes) in page {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {path:?}"))?;
    }
    Ok(())
}

fn digests(page: &Page) -> Value {
    let digests = page
        .iter()
        .map(|(name, bytes)| (name.clone(), digest(bytes).into()));
    Value::Object(digests.collect())
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests of the sources that the last build read, by their places from the root.
fn sources(workspace: &Workspace) -> Result<Value> {
    let list = workspace.target.join(TARGET).join("web/liblenet_web.d");
    let list = fs::read_to_string(&list).with_context(|| format!("cannot read {list:?}"))?;
    let mut digests = serde_json::Map::new();
    let files = dependencies(&list).into_iter();
    let page = read(&workspace.root.join(PAGE))?;
    let page = page.keys().map(|name| workspace.root.join(PAGE).join(name));
    for path in files.map(PathBuf::from).chain(page) {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {path:?}"))?;
        let place = path.strip_prefix(&workspace.root).unwrap_or(&path);
        let place = place.to_string_lossy().replace('\\', "/");
        digests.insert(place, digest(&bytes).into());
    }
    Ok(Value::Object(digests))
}

/// The files behind the colon of a Makefile's rule, as the compiler lists what it read; in their
/// names a space is escaped.
fn dependencies(rule: &str) -> Vec<String> {
    let Some((_, files)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let files = files.replace("\\ ", "\0");
    let files = files.split_whitespace().map(|file| file.replace('\0', " "));
    files.collect()
}

/// The packages in the module that are not of this workspace, with versions and features.
fn packages(workspace: &Workspace) -> Result<Vec<String>> {
    let mut tree = workspace.cargo("tree");
    tree.args([
        "--package",
        "lenet-web",
        "--target",
        TARGET,
        "--edges",
        "normal",
    ])
    .args(["--prefix", "none", "--no-dedupe", "--format", "{p} {f}"]);
    let tree = output(&mut tree)?;
    let foreign = |line: &&str| !line.contains(" (/") && !line.starts_with("lenet-");
    let mut packages: Vec<String> = tree.lines().filter(foreign).map(str::to_owned).collect();
    packages.sort_unstable();
    packages.dedup();
    Ok(packages)
}

/// Fails where the committed page is not that of the sources.
pub fn check_committed(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join(RECORD);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let record: Value = serde_json::from_str(&text).with_context(|| format!("{path:?}"))?;
    let page = read(&workspace.root.join(BUILT))?;
    let mut wrong = Vec::new();
    if digests(&page) != record["page"] {
        wrong.push(format!("{BUILT} holds other files than were built"));
    }
    let sources = record["sources"]
        .as_object()
        .context("the record names no sources")?;
    for (place, expected) in sources {
        match fs::read(workspace.root.join(place)) {
            Ok(bytes) if digest(&bytes) == *expected => {}
            Ok(_) => wrong.push(format!("{place} has changed")),
            Err(_) => wrong.push(format!("{place} is gone")),
        }
    }
    for name in read(&workspace.root.join(PAGE))?.keys() {
        if !sources.contains_key(&format!("{PAGE}/{name}")) {
            wrong.push(format!("{PAGE}/{name} is new"));
        }
    }
    let packages = packages(workspace)?;
    let recorded: Vec<&str> = record["packages"].as_array().map_or_else(Vec::new, |all| {
        all.iter().filter_map(Value::as_str).collect()
    });
    for package in &packages {
        if !recorded.contains(&package.as_str()) {
            wrong.push(format!("{package}is another dependency than before"));
        }
    }
    for package in recorded {
        if !packages.iter().any(|found| found == package) {
            wrong.push(format!("{package} is a dependency no more"));
        }
    }
    if !wrong.is_empty() {
        bail!(
            "the committed page is not that of the sources; `cargo xtask web` builds it anew:\n  {}",
            wrong.join("\n  ")
        );
    }
    let (files, size) = (page.len(), total(&page));
    println!("web: {files} files, {size} bytes, built from these sources");
    Ok(())
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_a_build_is_read() {
        let rule = "/t/liblenet_web.rlib: /w/a.rs /w/my\\ house/b.rs\n\n/w/a.rs:\n";
        assert_eq!(dependencies(rule), ["/w/a.rs", "/w/my house/b.rs"]);
        assert!(dependencies("").is_empty());
    }

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.1\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn digests_are_sha256() {
        assert!(digest(b"abc").starts_with("ba7816bf8f01cfea"));
    }
}
