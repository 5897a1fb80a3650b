//! `lenet compare`: one recipe on several data sets.

use std::path::Path;
use std::process::ExitCode;

use lenet_data::{Loaded, Search, Source};
use lenet_files::{outputs, printable, write_atomic};
use lenet_report::Comparison;
use lenet_run::{Keep, State, create_numbered_folder, name, read_summary};
use lenet_train::OtherTraining;
use serde::Serialize;
use tracing::{info, warn};

use crate::arguments::{Compare, Format, Verbosity, is_plain};
use crate::commands::train::configuration::{self, Resolved};
use crate::commands::train::{RUNS, train};
use crate::commands::{context, load_for, short_name};
use crate::failure::{Failure, Outcome};
use crate::output::{self, decimal, percent};

pub fn run(arguments: &Compare, verbosity: &Verbosity) -> Outcome {
    let context = context(&arguments.hardware, Keep::All, verbosity)?;
    // Whatever is wrong is found before an hour is spent on the first of them.
    let mut names: Vec<String> = Vec::new();
    let mut sets = Vec::new();
    for source in &arguments.datasets {
        let plain = |c| if is_plain(c) { c } else { '_' };
        let name: String = short_name(source).chars().map(plain).collect();
        if names.contains(&name) {
            return Err(Failure::usage(format!(
                "--datasets: two data sets are called {name:?}, and each names its run folder"
            )));
        }
        names.push(name);
        let resolved = configuration::resolve(None, Some(source), &arguments.values)?;
        sets.push((source, resolved));
    }
    let search = Search::new(arguments.data_dir.clone());
    let sets = sets.into_iter().map(|(source, resolved)| {
        let loaded = load_for(&resolved.config, source, &search, arguments.strict)?;
        Ok((source, resolved, loaded))
    });
    let sets = sets.collect::<Outcome<Vec<_>>>()?;
    // What is compared has one recipe: `small` is the default only if it is that of every set.
    let are_small = |(source, resolved, loaded): &(&Source, Resolved, Loaded)| {
        resolved.is_small(source, loaded)
    };
    let all_are_small = sets.iter().all(are_small);
    let sets = sets.into_iter().map(|(source, mut resolved, loaded)| {
        resolved.recipe_is_default &= all_are_small;
        let resolved = resolved.fitted(source, &loaded, &arguments.values)?;
        Ok((source, resolved, loaded))
    });
    let sets = sets.collect::<Outcome<Vec<_>>>()?;

    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => create_numbered_folder(Path::new(RUNS), &arguments.name)?,
    };
    let runs: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let files = outputs::COMPARISON.map(|name| folder.join(name));
    output::check_beside(&runs, &files)?;
    let [table, page] = files;
    for ((source, resolved, loaded), run) in sets.into_iter().zip(&runs) {
        let state = configuration::state(run, &resolved.config)?;
        if state == State::Finished {
            let run = printable(run.display(), &[]);
            info!("{}: already finished, in {run}", source.title());
            continue;
        }
        let resume = (state == State::Begun).then_some(OtherTraining::Refuse);
        let open = || state.open(run);
        let trained = train(&context, resolved, source, loaded, resume, open)?;
        if trained.is_none() || context.stop.is_raised() {
            let folder = printable(folder.display(), &[]);
            warn!("stopped; the same command with --output {folder} continues");
            return Ok(context.stop.exit_code());
        }
    }
    let rows = runs.iter().map(|run| Row::read(run));
    let rows = rows.collect::<Outcome<Vec<_>>>()?;
    write_atomic(&table, output::csv(&rows)?.as_bytes())?;
    write_atomic(&page, Comparison::read(&runs)?.page()?.as_bytes())?;
    match arguments.format {
        Format::Json => rows.iter().try_for_each(output::json)?,
        Format::Text => {
            print(&rows)?;
            output::line(format!("curves and confusion matrices: {}", page.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
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

fn print(rows: &[Row]) -> Outcome<()> {
    let heading = "data set,classes,accuracy,error,errors,loss,parameters,trained";
    let rows = rows.iter().map(|row| {
        vec![
            row.dataset.clone(),
            row.classes.to_string(),
            percent(row.test_accuracy),
            percent(row.test_error),
            format!("{} of {}", row.test_errors, row.test_images),
            decimal(row.test_loss),
            row.parameters.to_string(),
            format!("{:.1} s", row.train_seconds),
        ]
    });
    output::table(heading.split(','), rows.collect(), |column| column == 0)
}
