//! `lenet report`.

use std::path::Path;
use std::process::ExitCode;

use crate::arguments::Report;
use crate::failure::{Failure, Outcome};
use crate::output;

/// The page of several runs.
const COMPARISON: &str = "comparison.html";

pub fn run(arguments: &Report) -> Outcome {
    match (arguments.runs.as_slice(), &arguments.output) {
        ([_], Some(_)) => {
            return Err(Failure::usage(
                "--output is only for several runs; the page of one run is in its folder",
            ));
        }
        ([run], None) => {
            for path in lenet_report::write_report(run)? {
                output::line(path.display())?;
            }
        }
        (runs, output) => {
            let path = output.as_deref().unwrap_or(Path::new(COMPARISON));
            let page = lenet_report::comparison(runs)?;
            output::file(path, page.as_bytes(), arguments.force)?;
            if !output::is_stdout(path) {
                output::line(path.display())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
