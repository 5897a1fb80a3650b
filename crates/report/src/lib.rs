//! Draws the curves, the confusion matrix and the page of a training run from its records.
//!
//! [`write_report`] does all of it for a run folder, [`Comparison`] puts several runs side by
//! side. Each picture is described once, as a [`Picture`], and written as SVG and PNG from that;
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

pub use check::{Check, Section, Shown, check_page};
pub use comparison::{Comparison, Group, Interval};
pub use confusion::confusion_matrix;
pub use curves::curves;
pub use format::spread;
pub use picture::Picture;
pub use sheet::{ContactSheet, SheetRow, contact_sheet};

/// Reads the records of a run folder and draws `curves.svg`, `curves.png`, `report.html` and, if the
/// run is finished, `confusion_matrix.svg` and `confusion_matrix.png`. Returns their names and bytes,
/// the page last.
///
/// The same records make the same bytes.
///
/// # Errors
/// Those of [`Records::read`].
pub fn report(folder: &Path) -> Result<Vec<(&'static str, Vec<u8>)>> {
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
    Ok(files)
}

/// Writes what [`report`] draws into the run folder, and returns the paths.
///
/// # Errors
/// Those of [`report`]; [`Kind::Io`](lenet_files::Kind::Io) if a file cannot be written.
pub fn write_report(folder: &Path) -> Result<Vec<PathBuf>> {
    let written = report(folder)?.into_iter().map(|(name, bytes)| {
        let path = folder.join(name);
        write_atomic(&path, &bytes)?;
        Ok(path)
    });
    written.collect()
}
