//! Results on standard output.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use lenet_files::{Error, check_output, printable, write_atomic};
use lenet_run::name;
use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// Writes a line to standard output, with what would break it escaped.
///
/// Unlike `println!` it returns an error, instead of panicking, if the reader is gone.
pub fn line(text: impl std::fmt::Display) -> Outcome<()> {
    verbatim(printable(text, &[]))
}

/// Writes text of this program's own, and a line break, to standard output.
pub fn verbatim(text: impl std::fmt::Display) -> Outcome<()> {
    writeln!(io::stdout(), "{text}").map_err(Failure::Output)
}

/// Writes a value as one line of JSON to standard output.
pub fn json(value: &impl Serialize) -> Outcome<()> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
    verbatim(text)
}

/// Writes rows in columns below a heading, some of them aligned to the left, the others to the right.
pub fn table(
    heading: impl IntoIterator<Item = impl Into<String>>,
    rows: Vec<Vec<String>>,
    is_left: impl Fn(usize) -> bool,
) -> Outcome<()> {
    let heading = heading.into_iter().map(Into::into).collect();
    let rows = std::iter::once(heading).chain(rows);
    let rows = rows.map(|row| row.iter().map(|cell| printable(cell, &[])).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if is_left(column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        line(cells.collect::<Vec<String>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Rows as CSV.
pub fn csv(rows: impl IntoIterator<Item = impl Serialize>) -> Outcome<String> {
    let failed = |error: csv::Error| Error::internal("cannot write CSV").caused_by(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| failed(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether an output is standard output, which then carries nothing else.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Checks that a file may be written there, before anything is computed.
pub fn check(path: &Path, force: bool) -> Outcome<()> {
    if is_stdout(path) {
        return Ok(());
    }
    Ok(check_output(path, force)?)
}

/// Checks that files may be written beside the runs of a command that can be continued: beside a run
/// that exists, they are the same command's.
pub fn check_beside(runs: &[PathBuf], files: &[PathBuf]) -> Outcome<()> {
    let is_continued = runs.iter().any(|run| run.join(name::CONFIG).exists());
    for file in files {
        if !is_continued && file.exists() {
            return Err(Failure::usage(format!(
                "{file:?} already exists, and none of these runs: choose another --output"
            )));
        }
        check_output(file, true)?;
    }
    Ok(())
}

/// Writes a result as a file, or to standard output.
pub fn file(path: &Path, bytes: &[u8], force: bool) -> Outcome<()> {
    check(path, force)?;
    if is_stdout(path) {
        let mut stdout = io::stdout();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        return written.map_err(Failure::Output);
    }
    Ok(write_atomic(path, bytes)?)
}

/// Creates a folder for results, or takes an empty one.
pub fn empty_folder(path: &Path) -> Outcome<()> {
    let first = fs::create_dir_all(path)
        .and_then(|()| fs::read_dir(path))
        .map_err(|source| Error::io("create", path, source))?
        .next();
    if first.is_some() {
        return Err(Failure::usage(format!("{path:?} is not an empty folder")));
    }
    Ok(())
}

/// A fraction as a percentage, `n/a` if there is none.
pub fn percent(fraction: Option<f64>) -> String {
    fraction.map_or("n/a".to_owned(), lenet_run::percent)
}

/// A number with four decimals, `n/a` if there is none.
pub fn decimal(number: Option<f64>) -> String {
    number.map_or("n/a".to_owned(), |number| format!("{number:.4}"))
}
