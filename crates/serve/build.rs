//! Puts the files of `page/` into the crate, whatever they are; a build without that folder is a
//! build too, of a server with the API alone.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The types of files that pages have, by their names' ends; others are left out.
const TYPES: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("json", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("txt", "text/plain; charset=utf-8"),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .ok_or(io::ErrorKind::NotFound)
    };
    let page = variable("CARGO_MANIFEST_DIR")?.join("page");
    let mut files = Vec::new();
    if page.is_dir() {
        println!("cargo::rerun-if-changed=page");
        collect(&page, &mut files)?;
    } else {
        // cargo takes a folder that is not there for a changed one, at every build.
        println!("cargo::rerun-if-changed=.");
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let Some((_, kind)) = TYPES.iter().find(|(end, _)| *end == extension) else {
            continue;
        };
        let inside = file.strip_prefix(&page).unwrap_or(file);
        let parts = inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy());
        let path = parts.fold(String::new(), |path, part| path + "/" + &part);
        let mut hasher = DefaultHasher::new();
        fs::read(file)?.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        // Writing to a string does not fail.
        let _ = writeln!(
            list,
            "File {{ path: {path:?}, kind: {kind:?}, tag: {tag:?}, bytes: include_bytes!({:?}) }},",
            file.display().to_string()
        );
    }
    list.push(']');
    fs::write(variable("OUT_DIR")?.join("page.rs"), list)
}

/// All files of a folder and of those in it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
