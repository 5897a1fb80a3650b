//! Draws the curves, the confusion matrix and the page of a training run from its records.
//!
//! [`write_report`] does all of it for a run folder, [`write_comparison`] puts several runs on one
//! page. Each picture is described once, as a [`Picture`], and written as SVG and PNG from that;
//! the pages are rendered from `templates/`. Beside that, [`contact_sheet`] draws samples of a data
//! set.
//!
//! This crate knows no tensor and no training: it reads what [`lenet_run`] records.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod axis;
mod bitmap;
mod calibration;
mod chart;
mod check;
mod colour;
mod comparison;
mod confusion;
mod curves;
mod format;
mod frame;
mod page;
mod picture;
mod png;
mod settings;
mod sheet;
mod svg;

use std::path::{Path, PathBuf};

use lenet_files::{Result, write_atomic};
use lenet_run::{Records, name};

pub use check::{Check, Section, Shown, write_check};
pub use confusion::confusion_matrix;
pub use curves::curves;
pub use picture::Picture;
pub use sheet::{ContactSheet, SheetRow, contact_sheet};

/// Reads the records of a run folder and writes beside them `curves.svg`, `curves.png`, `report.html`
/// and, if the run is finished, `confusion_matrix.svg` and `confusion_matrix.png`. Returns their
/// paths.
///
/// The same records make the same bytes. The page is written last.
///
/// # Errors
/// Those of [`Records::read`]; [`Kind::Io`](lenet_files::Kind::Io) if a file cannot be written.
pub fn write_report(folder: &Path) -> Result<Vec<PathBuf>> {
    let run = Records::read(folder)?;
    let summary = run.summary.as_ref();
    let subject = match summary {
        Some(summary) => format!("LeNet-5 on {}", summary.dataset),
        None => "LeNet-5".to_owned(),
    };
    let title = format!("{subject}: learning curves");
    let curves = curves(&run.epochs, run.best_epoch(), &title);
    let mut files = vec![
        (name::CURVES_SVG, curves.svg().into_bytes()),
        (name::CURVES_PNG, curves.png()?),
    ];
    if let Some(summary) = summary.filter(|summary| !summary.confusion.is_empty()) {
        let title = format!("{subject}: confusion matrix of the test images");
        let matrix = confusion_matrix(&summary.confusion, &summary.class_names, &title);
        files.push((name::CONFUSION_SVG, matrix.svg().into_bytes()));
        files.push((name::CONFUSION_PNG, matrix.png()?));
    }
    files.push((name::PAGE, page::report(&subject, &run)?.into_bytes()));
    let written = files.into_iter().map(|(name, bytes)| {
        let path = folder.join(name);
        write_atomic(&path, &bytes)?;
        Ok(path)
    });
    written.collect()
}

/// Reads the records of several run folders and writes one page that compares them.
///
/// # Errors
/// Those of [`Records::read`]; [`Kind::Input`](lenet_files::Kind::Input) if a configuration is not
/// TOML; [`Kind::Io`](lenet_files::Kind::Io) if the page cannot be written.
pub fn write_comparison(folders: &[PathBuf], output: &Path) -> Result<()> {
    let runs = folders.iter().map(|folder| Records::read(folder));
    let page = comparison::comparison(runs.collect::<Result<_>>()?)?;
    write_atomic(output, page.as_bytes())
}
