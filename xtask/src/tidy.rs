//! A check of the sources as text, for what rustfmt and clippy do not see or can be told to ignore.
//!
//! It reports all findings, one a line, as `path:line: what`. Patterns are pieced together with
//! `concat!`, so that this file passes its own check.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::Workspace;

/// A Rust file longer than this is two files.
const MAX_LINES: usize = 500;

/// What no Rust code may hold outside of comments.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("todo", "!("), "unfinished code"),
    (concat!("unimplemented", "!("), "unfinished code"),
    (concat!("dbg", "!("), "debugging output"),
    (
        concat!("#[", "ignore]"),
        "an ignored test gives no reason: `ignore = \"...\"`",
    ),
];

const ALLOW: [&str; 2] = [concat!("#[", "allow("), concat!("#![", "allow(")];
const FORBID_UNSAFE: &str = "#![forbid(unsafe_code)]";
const NATIVE: &str = concat!("target-cpu", "=native");

/// The one crate that may hold unsafe code.
const UNSAFE_CRATE: &str = "crates/engine/";

/// Checks the workspace's `.rs`, `.md` and `.toml` files and prints every finding.
pub fn check(workspace: &Workspace) -> Result<()> {
    let mut findings = Vec::new();
    let files = files(workspace)?;
    for path in &files {
        let bytes =
            fs::read(workspace.root.join(path)).with_context(|| format!("cannot read {path}"))?;
        findings.extend(check_file(path, &String::from_utf8_lossy(&bytes)));
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, findings: {}", files.len(), findings.len());
    if !findings.is_empty() {
        bail!("findings: {}", findings.len());
    }
    Ok(())
}

/// What git tracks or would add, from the root, without what is deleted but not yet committed.
fn files(workspace: &Workspace) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .args(["--", "*.rs", "*.md", "*.toml"])
        .current_dir(&workspace.root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut files: Vec<String> = output
        .stdout
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .filter(|name| workspace.root.join(name).is_file())
        .collect();
    files.sort();
    // A file in a merge conflict is listed once a side.
    files.dedup();
    if files.is_empty() {
        bail!("git lists no files: is this a git checkout?");
    }
    Ok(files)
}

/// All findings in one file.
fn check_file(path: &str, text: &str) -> Vec<String> {
    let rust = path.ends_with(".rs");
    let mut findings = Vec::new();
    let mut report = |line: usize, what: &str| findings.push(format!("{path}:{line}: {what}"));
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let content = line.trim_end_matches(['\r', '\n']);
        if content.ends_with([' ', '\t']) {
            report(number, "trailing white space");
        }
        if rust && content.contains('\t') {
            report(number, "a tab: write `\\t` in a string, spaces elsewhere");
        }
        // Prose may name it, as the record of a peer's measurement must.
        if content.contains(NATIVE) && !path.ends_with(".md") {
            report(
                number,
                &format!("{NATIVE}: the program must run on other machines"),
            );
        }
        if rust && !content.trim_start().starts_with("//") {
            for (pattern, what) in FORBIDDEN {
                if content.contains(pattern) {
                    report(number, &format!("`{pattern}`: {what}"));
                }
            }
            for pattern in ALLOW {
                if let Some(at) = content.find(pattern)
                    && !attribute(&text[start + at..]).contains("reason =")
                {
                    report(
                        number,
                        &format!("`{pattern}..)]` gives no `reason = \"...\"`"),
                    );
                }
            }
        }
        start += line.len();
    }
    if rust && text.lines().count() > MAX_LINES {
        report(
            text.lines().count(),
            &format!("more than {MAX_LINES} lines"),
        );
    }
    let root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    let forbids = || text.lines().any(|line| line.trim_end() == FORBID_UNSAFE);
    if root && !path.starts_with(UNSAFE_CRATE) && !forbids() {
        report(1, &format!("a crate root without `{FORBID_UNSAFE}`"));
    }
    findings
}

/// The attribute that the text starts with, which may go over several lines.
fn attribute(text: &str) -> &str {
    text.find(")]").map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings of a file, without `path:`.
    fn found(path: &str, text: &str) -> Vec<String> {
        let prefix = format!("{path}:");
        check_file(path, text)
            .iter()
            .map(|finding| {
                finding
                    .strip_prefix(&prefix)
                    .expect("it names the file")
                    .to_owned()
            })
            .collect()
    }

    #[track_caller]
    fn assert_found(path: &str, text: &str, line: usize, what: &str) {
        let findings = found(path, text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].starts_with(&format!("{line}: ")),
            "{findings:?}"
        );
        assert!(findings[0].contains(what), "{findings:?}");
    }

    #[track_caller]
    fn assert_clean(path: &str, text: &str) {
        assert_eq!(found(path, text), Vec::<String>::new());
    }

    #[test]
    fn unfinished_code_is_found_outside_of_comments() {
        for (pattern, what) in FORBIDDEN {
            assert_found("a.rs", &format!("fn f() {{\n    {pattern})\n}}\n"), 2, what);
            assert_clean("a.rs", &format!("// Never {pattern})\n"));
            assert_clean("a.md", &format!("Never {pattern})\n"));
        }
        assert_clean("a.rs", "#[ignore = \"takes an hour\"]\n");
    }

    #[test]
    fn white_space_is_found() {
        assert_found("a.rs", "fn f() {} \n", 1, "trailing");
        assert_found("a.md", "a line\n\nbroken  \n", 3, "trailing");
        assert_found("a.toml", "x = 1 ", 1, "trailing");
        assert_found("a.md", "windows \r\n", 1, "trailing");
        assert_found("a.rs", "\tfn f() {}\n", 1, "tab");
        assert_clean("a.md", "windows\r\na\ttab in a text\r\n");
    }

    #[test]
    fn native_code_is_found() {
        let text = format!("rustflags = [\"-C\", \"{NATIVE}\"]\n");
        assert_found(".cargo/config.toml", &text, 1, NATIVE);
        assert_clean("benches/README.md", &text);
    }

    #[test]
    fn an_allow_without_a_reason_is_found() {
        for pattern in ALLOW {
            let bare = format!("\n{pattern}dead_code)]\nfn f() {{}} // reason = \"x\"\n");
            assert_found("a.rs", &bare, 2, "reason");
            assert_clean("a.rs", &format!("{pattern}dead_code, reason = \"x\")]\n"));
            assert_clean(
                "a.rs",
                &format!("{pattern}\n    dead_code,\n    reason = \"x\"\n)]\n"),
            );
        }
    }

    #[test]
    fn a_crate_root_that_allows_unsafe_code_is_found() {
        for path in ["crates/data/src/lib.rs", "xtask/src/main.rs", "src/lib.rs"] {
            assert_found(path, "//! A crate.\n", 1, "forbid");
            // A comment is not an attribute.
            assert_found(path, &format!("//! {FORBID_UNSAFE}\n"), 1, "forbid");
            assert_clean(path, &format!("//! A crate.\n{FORBID_UNSAFE}\n"));
        }
        assert_clean("crates/engine/src/lib.rs", "//! Kernels.\n");
        assert_clean("crates/data/src/idx.rs", "//! IDX.\n");
    }

    #[test]
    fn a_long_file_is_found() {
        assert_clean("a.rs", &"\n".repeat(MAX_LINES));
        assert_found("a.rs", &"\n".repeat(MAX_LINES + 1), MAX_LINES + 1, "lines");
        assert_clean("a.md", &"\n".repeat(MAX_LINES + 1));
    }

    #[test]
    fn every_finding_is_reported() {
        let text = format!("{}) \n\t\n", FORBIDDEN[0].0);
        assert_eq!(
            found("a.rs", &text).len(),
            4,
            "two in the first line, two in the second"
        );
    }

    #[test]
    fn the_check_passes_its_own_source() {
        assert_clean("xtask/src/tidy.rs", include_str!("tidy.rs"));
    }
}
