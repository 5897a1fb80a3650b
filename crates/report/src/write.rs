//! From a run folder to the files of its report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::page::{Page, page};
use crate::{
    Error, Summary, confusion_matrix_png, confusion_matrix_svg, curves_png, curves_svg,
    read_results, read_summary,
};

/// Reads `results.csv`, `summary.json` and `config.toml` of a run folder, and writes beside them
/// `curves.svg`, `curves.png`, `report.html` and, if the test split was evaluated,
/// `confusion_matrix.svg` and `confusion_matrix.png`. Answers their paths.
///
/// Only `results.csv` must be there: a run that was stopped has no summary. Each file is complete or
/// not there at all, and the same input makes the same bytes.
///
/// # Errors
/// Those of [`read_results`] and [`read_summary`]; [`Error::Draw`] if a picture cannot be drawn;
/// [`Error::Write`] if a file cannot be written.
pub fn write_report(run_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let results = read_results(&run_dir.join("results.csv"))?;
    let summary = match read_summary(&run_dir.join("summary.json")) {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        read => Some(read?),
    };
    let config = read_config(&run_dir.join("config.toml"))?;

    let best_epoch = summary.as_ref().and_then(|summary| summary.best_epoch);
    let best_epoch = best_epoch.or_else(|| results.best_epoch());
    let subject = subject(summary.as_ref());
    let curves_title = format!("{subject}: learning curves");
    let matrix_title = format!("{subject}: confusion matrix of the test split");

    let mut files = vec![
        (
            "curves.svg",
            curves_svg(&results.epochs, best_epoch, &curves_title).into_bytes(),
        ),
        (
            "curves.png",
            curves_png(&results.epochs, best_epoch, &curves_title)?,
        ),
    ];
    if let Some((matrix, names)) = summary.as_ref().and_then(Summary::confusion_with_names) {
        let svg = confusion_matrix_svg(matrix, names, &matrix_title);
        files.push(("confusion_matrix.svg", svg.into_bytes()));
        let png = confusion_matrix_png(matrix, names, &matrix_title)?;
        files.push(("confusion_matrix.png", png));
    }
    let page = page(&Page {
        title: &subject,
        results: &results,
        summary: summary.as_ref(),
        best_epoch,
        config: config.as_deref(),
    });
    files.push(("report.html", page.into_bytes()));

    let mut paths = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = run_dir.join(name);
        write_atomically(&path, &bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

fn subject(summary: Option<&Summary>) -> String {
    match summary.and_then(|summary| summary.dataset.as_deref()) {
        Some(dataset) => format!("LeNet-5 on {dataset}"),
        None => "LeNet-5".to_owned(),
    }
}

/// The configuration is only shown: bytes that are no text do not spoil the report.
fn read_config(path: &Path) -> Result<Option<String>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a neighbour and renames it, for a rename replaces the file at once or not at all.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // It may not even have been created; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        Error::Write {
            path: path.to_owned(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_names_the_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // A folder that is not empty cannot be replaced by a file.
        let target = folder.path().join("report.html");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "").unwrap();
        let error = write_atomically(&target, b"page").unwrap_err();
        assert!(error.to_string().contains("report.html: "), "{error}");
        let temporary = format!("{}.tmp", std::process::id());
        assert!(!error.to_string().contains(&temporary), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("curves.svg");
        fs::write(&target, "older and longer").unwrap();
        write_atomically(&target, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
