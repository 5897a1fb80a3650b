//! `lenet compare`: the same recipe on several data sets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lenet_data::{Loaded, Search, Source};
use lenet_files::write_atomic;
use lenet_report::write_comparison;
use lenet_run::{create_numbered_folder, is_finished, name, read_summary};
use lenet_train::Config;
use serde::Serialize;
use tracing::{info, warn};

use crate::arguments::{Compare, DataArguments, Format, Train, Values, Verbosity, is_plain};
use crate::commands::short_name;
use crate::commands::train::configuration::{self, Resolved};
use crate::commands::train::{RUNS, train};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use crate::output::{self, decimal, percent};
use crate::signals::StopFlag;

pub fn run(arguments: &Compare, verbosity: &Verbosity) -> Outcome {
    let sets = sets(arguments)?;
    // Whatever is wrong is found before an hour is spent on the first of them.
    let resolved = sets
        .iter()
        .map(|set| configuration::resolve(None, Some(&set.source), &arguments.values));
    let resolved = resolved.collect::<Outcome<Vec<_>>>()?;
    let stop = StopFlag::install()?;
    let threads = set_threads(arguments.hardware.threads)?;
    for set in &sets {
        load(set, arguments)?;
    }
    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => create_numbered_folder(Path::new(RUNS), &arguments.name)?,
    };
    let runs: Vec<PathBuf> = sets.iter().map(|set| folder.join(&set.folder)).collect();
    for (set, (resolved, run)) in sets.iter().zip(resolved.into_iter().zip(&runs)) {
        let begun = run.join(name::CONFIG).exists();
        if begun {
            check_same(run, &resolved)?;
        }
        if begun && is_finished(run) {
            info!(
                "{}: finished before, in {}",
                set.source.title(),
                run.display()
            );
            continue;
        }
        let (arguments, resolved) = match begun {
            false => (training(arguments, set, run), resolved),
            true => {
                let going_on = resumption(arguments, run);
                let its_own = configuration::resolve(Some(run), None, &going_on.values)?;
                (going_on, its_own)
            }
        };
        if train(&arguments, resolved, threads, verbosity, &stop)?.is_none() || stop.is_raised() {
            warn!(
                "stopped; the same command with --output {} goes on",
                folder.display()
            );
            return Ok(stop.exit_code());
        }
    }
    let rows = runs.iter().map(|run| Row::read(run));
    let rows = rows.collect::<Outcome<Vec<_>>>()?;
    write_atomic(&folder.join("comparison.csv"), csv(&rows)?.as_bytes())?;
    let page = folder.join("comparison.html");
    write_comparison(&runs, &page)?;
    match arguments.format {
        Format::Json => rows.iter().try_for_each(output::json)?,
        Format::Text => {
            print(&rows)?;
            output::line(format!("curves and confusion matrices: {}", page.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One of the data sets that are compared.
struct Set {
    source: Source,
    /// The name of its run folder.
    folder: String,
}

fn sets(arguments: &Compare) -> Outcome<Vec<Set>> {
    let mut sets: Vec<Set> = Vec::new();
    for source in &arguments.datasets {
        let plain = |c| if is_plain(c) { c } else { '_' };
        let folder: String = short_name(source).chars().map(plain).collect();
        if sets.iter().any(|set| set.folder == folder) {
            return Err(Failure::usage(format!(
                "--datasets: two of them are called {folder:?}, and each has a run folder of its name"
            )));
        }
        sets.push(Set {
            source: source.clone(),
            folder,
        });
    }
    Ok(sets)
}

/// What `lenet train` would be called with for this data set.
fn training(of: &Compare, set: &Set, run: &Path) -> Train {
    let begins = resumption(of, run);
    Train {
        source: DataArguments {
            dataset: Some(set.source.clone()),
            ..begins.source
        },
        values: of.values.clone(),
        output: begins.resume,
        resume: None,
        ..begins
    }
}

/// What `lenet train` would be called with to go on with this run, which has its own values.
fn resumption(of: &Compare, run: &Path) -> Train {
    Train {
        source: DataArguments {
            dataset: None,
            data_dir: of.data_dir.clone(),
        },
        values: Values::default(),
        print_config: false,
        output: None,
        name: String::new(),
        resume: Some(run.to_owned()),
        force_config: false,
        tensorboard: false,
        hardware: of.hardware.clone(),
        format: of.format,
    }
}

/// Reads the data set as its training will.
fn load(set: &Set, arguments: &Compare) -> Outcome<()> {
    let Loaded { splits, origin, .. } =
        set.source.load(&Search::new(arguments.data_dir.clone()))?;
    info!(
        "{}, {origin}: {} + {} images of {} classes",
        set.source.title(),
        splits.train.len(),
        splits.test.len(),
        splits.train.classes()
    );
    Ok(())
}

/// A run that an earlier command began must be of the configuration that this one asks for.
fn check_same(run: &Path, resolved: &Resolved) -> Outcome<()> {
    let found = Config::read(&run.join(name::CONFIG))?;
    let mut wanted = resolved.config.clone();
    if !resolved.validation_is_stated {
        // It may have been fitted to a small set.
        wanted.validation = found.validation;
    }
    if found == wanted {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{run:?} is a run of another configuration, as its config.toml tells: give the comparison \
         another folder with --output"
    )))
}

/// The figures of a data set.
#[derive(Debug, Serialize)]
struct Row {
    dataset: String,
    recipe: String,
    classes: usize,
    test_images: u64,
    test_accuracy: Option<f64>,
    test_error: Option<f64>,
    test_errors: u64,
    test_loss: Option<f64>,
    parameters: usize,
    epochs: u32,
    train_seconds: f64,
    images_per_second: f64,
}

impl Row {
    fn read(run: &Path) -> Outcome<Self> {
        let summary = read_summary(&run.join(name::SUMMARY))?;
        let test = summary.test;
        Ok(Self {
            dataset: summary.dataset,
            recipe: summary.recipe,
            classes: summary.class_names.len(),
            test_images: test.count,
            test_accuracy: test.accuracy,
            test_error: (test.count > 0).then(|| test.errors as f64 / test.count as f64),
            test_errors: test.errors,
            test_loss: test.loss,
            parameters: summary.parameters,
            epochs: summary.epochs,
            train_seconds: summary.train_seconds,
            images_per_second: summary.images_per_second,
        })
    }
}

fn csv(rows: &[Row]) -> Outcome<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::Output(error.into());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer.into_inner();
    let bytes = bytes.map_err(|error| Failure::Output(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print(rows: &[Row]) -> Outcome<()> {
    let longest = rows.iter().map(|row| row.dataset.chars().count()).max();
    let width = longest.unwrap_or_default().max("data set".len());
    let line = |name: &str, columns: [&str; 7]| {
        let [classes, accuracy, error, errors, loss, parameters, time] = columns;
        output::line(format!(
            "{name:<width$}{classes:>9}{accuracy:>11}{error:>9}{errors:>17}{loss:>9}{parameters:>12}\
             {time:>10}"
        ))
    };
    let heading = [
        "classes",
        "accuracy",
        "error",
        "errors",
        "loss",
        "parameters",
        "trained",
    ];
    line("data set", heading)?;
    for row in rows {
        line(
            &row.dataset,
            [
                &row.classes.to_string(),
                &percent(row.test_accuracy),
                &percent(row.test_error),
                &format!("{} of {}", row.test_errors, row.test_images),
                &decimal(row.test_loss),
                &row.parameters.to_string(),
                &format!("{:.1} s", row.train_seconds),
            ],
        )?;
    }
    Ok(())
}
