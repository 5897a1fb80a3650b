//! From run folders to the files of their reports.

use std::fs;
use std::path::{Path, PathBuf};

use crate::page::page;
use crate::{
    Error, Run, Summary, comparison, confusion_matrix_png, confusion_matrix_svg, curves_png,
    curves_svg,
};

/// Reads the files of a run folder, as [`Run::read`] does, and writes beside them `curves.svg`,
/// `curves.png`, `report.html` and, if the test split was evaluated, `confusion_matrix.svg` and
/// `confusion_matrix.png`. Answers their paths.
///
/// Each file is complete or not there at all, and the same input makes the same bytes.
///
/// # Errors
/// Those of [`Run::read`]; [`Error::Draw`] if a picture cannot be drawn; [`Error::Write`] if a file
/// cannot be written.
pub fn write_report(run_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let run = Run::read(run_dir)?;
    let best_epoch = run.best_epoch();
    let epochs = &run.results.epochs;
    let subject = subject(run.summary.as_ref());
    let curves_title = format!("{subject}: learning curves");
    let matrix_title = format!("{subject}: confusion matrix of the test split");

    let svg = curves_svg(epochs, best_epoch, &curves_title);
    let mut files = vec![
        ("curves.svg", svg.into_bytes()),
        ("curves.png", curves_png(epochs, best_epoch, &curves_title)?),
    ];
    let summary = run.summary.as_ref();
    if let Some((matrix, names)) = summary.and_then(Summary::confusion_with_names) {
        let svg = confusion_matrix_svg(matrix, names, &matrix_title);
        files.push(("confusion_matrix.svg", svg.into_bytes()));
        let png = confusion_matrix_png(matrix, names, &matrix_title)?;
        files.push(("confusion_matrix.png", png));
    }
    files.push(("report.html", page(&subject, &run)?.into_bytes()));

    let mut paths = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = run_dir.join(name);
        write_atomically(&path, &bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Reads the files of several run folders and writes one page that lays them side by side, as
/// [`comparison`](crate::comparison) makes it.
///
/// # Errors
/// Those of [`Run::read`] and of [`comparison`](crate::comparison); [`Error::Write`] if the page
/// cannot be written.
pub fn write_comparison(run_dirs: &[PathBuf], output: &Path) -> Result<(), Error> {
    let runs = run_dirs.iter().map(|folder| Run::read(folder));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    write_atomically(output, comparison(&runs)?.as_bytes())
}

fn subject(summary: Option<&Summary>) -> String {
    match summary.and_then(|summary| summary.dataset.as_deref()) {
        Some(dataset) => format!("LeNet-5 on {dataset}"),
        None => "LeNet-5".to_owned(),
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
