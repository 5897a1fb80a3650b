//! The arguments of `lenet report`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Draw the pictures and the page of a run anew, or lay several runs side by side on one page.
#[derive(Debug, Args)]
pub struct Report {
    /// Run folders: one gets its own pictures and page, several one page together.
    #[arg(required = true, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// The page of several runs [default: comparison.html].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}
