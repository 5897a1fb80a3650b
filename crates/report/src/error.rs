//! What can go wrong between a run folder and its report.

use std::io;
use std::path::PathBuf;

/// An error of this crate. Each variant about a file names its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file that was to be written, not its temporary name.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A folder is none of a run, or not there.
    #[error("{} is no run folder: there is no {}", path.display(), path.join("results.csv").display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The heading of `results.csv` lacks a column.
    #[error("{}: the heading has no column `{column}`", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
    },
    /// A row of `results.csv` is not a row of numbers.
    #[error("{}, line {line}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; the heading is line 1.
        line: u64,
        /// What is wrong with the row.
        message: String,
    },
    /// `summary.json` is not the object that it should be.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// The confusion matrix of `summary.json` is not square, or its sides are not the classes.
    #[error("{}: confusion matrix: {message}", path.display())]
    Confusion {
        /// The file.
        path: PathBuf,
        /// What is wrong with the matrix.
        message: String,
    },
    /// Pictures of `inspection.json` are not of the size that it claims.
    #[error("{}: {layer}: {message}", path.display())]
    Maps {
        /// The file.
        path: PathBuf,
        /// The layer whose pictures they are.
        layer: String,
        /// What is wrong with them.
        message: String,
    },
    /// The configuration of a run that is to be compared cannot be read.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        message: String,
    },
    /// A picture could not be drawn or encoded.
    #[error("cannot draw the picture `{title}`: {message}")]
    Draw {
        /// The picture's title.
        title: String,
        /// What the drawing library answered.
        message: String,
    },
}
