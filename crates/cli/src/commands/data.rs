//! `lenet data`.

mod check;
mod reporter;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use lenet_data::download::{self, Options};
use lenet_data::{DatasetSpec, Loaded, Origin, Reading, Search, Source, locate, registry};
use lenet_files::{Error, Kind};
use serde::Serialize;

use crate::arguments::{Data, DataCommand, Format, Verbosity};
use crate::commands::contents::Contents;
use crate::commands::show;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::signals::StopFlag;
use reporter::Reporter;

pub fn run(arguments: &Data, verbosity: &Verbosity) -> Outcome {
    match &arguments.command {
        DataCommand::List { data_dir, format } => {
            list(&Search::new(data_dir.clone()), *format)?;
            Ok(ExitCode::SUCCESS)
        }
        DataCommand::Verify {
            datasets,
            data_dir,
            format,
        } => {
            let search = Search::new(data_dir.clone());
            for source in datasets {
                verify(source, &search, *format)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        DataCommand::Check(arguments) => check::run(arguments),
        DataCommand::Show(arguments) => show::run(arguments),
        DataCommand::Download {
            datasets,
            data_dir,
            mirror,
            force,
            offline,
        } => {
            let search = Search::new(data_dir.clone());
            let options = Options {
                mirrors: (!mirror.is_empty()).then(|| mirror.clone()),
                force: *force,
                offline: *offline,
                ..Options::default()
            };
            let stop = StopFlag::install()?;
            for spec in named(datasets) {
                match download(spec, &search, &options, verbosity, &stop) {
                    // The signal decides on the exit code.
                    Err(Failure::Error(error)) if error.kind() == Kind::Interrupted => {
                        return Ok(stop.exit_code());
                    }
                    Err(failure) => return Err(failure),
                    Ok(folder) => output::line(format!(
                        "{}: four genuine files in {}",
                        spec.title,
                        folder.display()
                    ))?,
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The entries of the registry that are named; `all` names every one.
fn named(names: &[String]) -> Vec<&'static DatasetSpec> {
    let all = names.iter().any(|name| name == "all");
    let wanted = |spec: &&DatasetSpec| all || names.iter().any(|name| name == spec.name);
    registry::ALL.iter().filter(wanted).collect()
}

#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
    classes: usize,
    train_images: usize,
    test_images: usize,
    licence: &'static str,
    citation: &'static str,
    /// Where the data set is; null if it is not on this machine.
    location: Option<String>,
}

fn list(search: &Search, format: Format) -> Outcome<()> {
    search.check()?;
    for spec in registry::ALL.iter() {
        let entry = Entry {
            name: spec.name,
            title: spec.title,
            classes: spec.class_names.len(),
            train_images: spec.counts[0],
            test_images: spec.counts[1],
            licence: spec.licence,
            citation: spec.citation,
            location: locate(spec, search).ok().map(|origin| origin.to_string()),
        };
        match format {
            Format::Json => output::json(&entry)?,
            Format::Text => {
                let location = entry.location.as_deref().unwrap_or("not here");
                output::line(format!(
                    "{:<16}{} ({} classes, {} + {} images): {location}",
                    entry.name, entry.title, entry.classes, entry.train_images, entry.test_images
                ))?;
                output::line(format!("{:<16}{}; {}", "", entry.licence, entry.citation))?;
            }
        }
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Verified {
    dataset: String,
    origin: String,
    train: Contents,
    test: Contents,
    /// SHA-256 of each decompressed file, or of each split of own data.
    sha256: BTreeMap<String, String>,
}

fn verify(source: &Source, search: &Search, format: Format) -> Outcome<()> {
    let Loaded {
        splits,
        origin,
        sha256,
    } = source.load(search, Reading::default())?;
    if origin == Origin::Embedded {
        verify_embedded()?;
    }
    let verified = Verified {
        dataset: source.name(),
        origin: origin.to_string(),
        train: Contents::of(&splits.train),
        test: Contents::of(&splits.test),
        sha256,
    };
    if format == Format::Json {
        return output::json(&verified);
    }
    let judged = match source {
        Source::Known(_) => "genuine",
        // There is nothing to hold it against.
        Source::Own(_) => "well-formed",
    };
    output::line(format!("{}, {}: {judged}", source.title(), verified.origin))?;
    for (name, contents) in [("train", &verified.train), ("test", &verified.test)] {
        contents.print(name, splits.train.class_names())?;
    }
    Ok(())
}

/// Loading does not hash the embedded files, since a test did; this command does.
fn verify_embedded() -> Outcome<()> {
    #[cfg(feature = "embedded-mnist")]
    for (file, bytes) in std::iter::zip(&registry::mnist().files, lenet_data::embedded::files()?) {
        file.check(&bytes)?;
    }
    Ok(())
}

/// What to do without a folder to download to.
const CHOOSE_FOLDER: &str =
    "name another folder with --data-dir or the environment variable LENET_DATA";

/// Downloads a data set, and returns its folder.
pub fn download(
    spec: &'static DatasetSpec,
    search: &Search,
    options: &Options,
    verbosity: &Verbosity,
    stop: &StopFlag,
) -> Outcome<PathBuf> {
    search.check()?;
    let message = || format!("there is no home folder to download to: {CHOOSE_FOLDER}");
    let folder = search.download_folder(spec);
    let folder = folder.ok_or_else(|| Failure::usage(message()))?;
    let mut reporter = Reporter::new(verbosity);
    let result = download::download(
        spec,
        &folder,
        options,
        &mut |progress| reporter.report(&progress),
        &|| stop.is_raised(),
    );
    reporter.finish();
    // If a folder cannot be created or written to, the user can choose another.
    result.map_err(|error| match error.kind() {
        Kind::Io => Error::new(Kind::Io, format!("{error}; {CHOOSE_FOLDER}")),
        _ => error,
    })?;
    Ok(folder)
}
