//! Draws the curves, the confusion matrix and the page of a training run from its files.
//!
//! The way of the data: a run folder holds `results.csv`, `summary.json` and `config.toml`;
//! [`read_results`] and [`read_summary`] make plain numbers of them; the pictures are laid out once
//! and written twice, as SVG and as PNG; and [`write_report`] does all of it for a folder.
//!
//! Beside that, [`contact_sheet_png`] draws samples of a data set.
//!
//! This crate knows no tensor and no training: whatever writes these files can be reported on.
#![forbid(unsafe_code)]

mod axis;
mod canvas;
mod confusion;
mod curves;
mod error;
mod page;
mod results;
mod sheet;
mod summary;
mod write;

pub use confusion::{confusion_matrix_png, confusion_matrix_svg};
pub use curves::{curves_png, curves_svg};
pub use error::Error;
pub use results::{Epoch, Results, read_results};
pub use sheet::{ContactSheet, SheetRow, contact_sheet_png};
pub use summary::{ClassScore, Summary, TestScore, ValidationScore, read_summary};
pub use write::write_report;
