//! `lenet report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lenet_files::Error;
use lenet_report::Comparison;
use lenet_run::name;

use crate::arguments::{Report, ReportFormat};
use crate::failure::{Failure, Outcome};
use crate::output;

/// The page of several runs.
const COMPARISON: &str = "comparison.html";

pub fn run(arguments: &Report) -> Outcome {
    let (runs, by_pattern) = folders(&arguments.runs)?;
    if arguments.format == ReportFormat::Csv {
        let path = arguments.output.as_deref().unwrap_or(Path::new("-"));
        let table = output::csv(Comparison::read(&runs)?.table())?;
        output::file(path, table.as_bytes(), arguments.force)?;
        return Ok(ExitCode::SUCCESS);
    }
    match (runs.as_slice(), &arguments.output) {
        ([_], Some(_)) if !by_pattern => {
            return Err(Failure::usage(
                "--output is only for several runs; the page of one run is in its folder",
            ));
        }
        ([run], None) if !by_pattern => {
            for path in lenet_report::write_report(run)? {
                output::line(path.display())?;
            }
        }
        (runs, output) => {
            let path = output.as_deref().unwrap_or(Path::new(COMPARISON));
            output::check(path, arguments.force)?;
            let page = Comparison::read(runs)?.page()?;
            output::file(path, page.as_bytes(), arguments.force)?;
            if !output::is_stdout(path) {
                output::line(path.display())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The folders that are named, and those of runs that match a pattern; and whether there was a
/// pattern. Shells expand patterns too, but not more than a command line can hold.
fn folders(named: &[PathBuf]) -> Outcome<(Vec<PathBuf>, bool)> {
    let (mut folders, mut by_pattern) = (Vec::new(), false);
    for path in named {
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        let Some(pattern) = pattern.filter(|_| !path.exists()) else {
            folders.push(path.clone());
            continue;
        };
        by_pattern = true;
        let matches = glob::glob(pattern)
            .map_err(|error| Failure::usage(format!("{pattern:?} is not a pattern: {error}")))?;
        let before = folders.len();
        let is_run = |path: &PathBuf| path.join(name::RESULTS).exists();
        folders.extend(matches.filter_map(Result::ok).filter(is_run));
        if folders.len() == before {
            return Err(Error::input("no run folder matches").at(path).into());
        }
    }
    Ok((folders, by_pattern))
}
