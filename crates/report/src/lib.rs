//! Draws the curves, the confusion matrix and the page of a training run from its files.
//!
//! The way of the data: a run folder holds `results.csv`, `summary.json`, `inspection.json`,
//! `environment.json` and `config.toml`; [`Run::read`] makes plain numbers of them; the pictures are
//! laid out once and written twice, as SVG and as PNG; [`write_report`] does all of it for a folder,
//! and [`write_comparison`] lays several runs side by side on one page.
//!
//! Beside that, [`contact_sheet_png`] draws samples of a data set.
//!
//! This crate knows no tensor and no training: whatever writes these files can be reported on.
#![forbid(unsafe_code)]

mod axis;
mod calibration;
mod canvas;
mod confusion;
mod curves;
mod environment;
mod error;
mod frame;
mod inspection;
mod page;
mod results;
mod run;
mod sheet;
mod summary;
mod write;

pub use confusion::{confusion_matrix_png, confusion_matrix_svg};
pub use curves::{curves_png, curves_svg};
pub use environment::{DataRecord, Environment};
pub use error::Error;
pub use inspection::{
    Bin, Calibration, Inspection, Maps, Mistake, Pixels, Sample, read_inspection,
};
pub use page::comparison;
pub use results::{Epoch, Results, read_results};
pub use run::Run;
pub use sheet::{ContactSheet, SheetRow, contact_sheet_png};
pub use summary::{ClassScore, Summary, TestScore, ValidationScore, read_summary};
pub use write::{write_comparison, write_report};
