//! `lenet sweep`: many trainings side by side, from one file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use lenet_data::{Loaded, Search, Source};
use lenet_engine::pool::{Pool, cores};
use lenet_files::{Error, Kind, no_threads, outputs, printable, read_text, write_atomic};
use lenet_picture::Preparation;
use lenet_report::{Comparison, Group, spread};
use lenet_run::{State, create_numbered_folder, is_finished};
use lenet_train::{Backend, OtherTraining, Trial};
use tracing::{info, warn};

use crate::arguments::{Format, Sweep, Values};
use crate::commands::load_for;
use crate::commands::train::configuration::{self, Resolved};
use crate::commands::train::{Context, RUNS, complete_finished, train};
use crate::device::{DeviceName, set_threads};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::signals::StopFlag;

/// The largest file that is read.
const MAX_BYTES: usize = 1 << 20;

pub fn run(arguments: &Sweep) -> Outcome {
    let text = read_text(&arguments.file, MAX_BYTES)?;
    let sweep = lenet_train::Sweep::from_toml(&text).map_err(|error| error.at(&arguments.file))?;
    let trials = sweep.trials().map_err(|error| error.at(&arguments.file))?;
    if arguments.list {
        trials
            .iter()
            .try_for_each(|trial| output::line(command(arguments, &sweep, trial)))?;
        return Ok(ExitCode::SUCCESS);
    }
    set_threads(Some(arguments.threads))?;
    let stop = StopFlag::install()?;
    let dataset = sweep.dataset.as_ref();
    let dataset = dataset.map(|name| Source::parse(name.as_ref()));
    let dataset = dataset.transpose()?;
    // Whatever is wrong is found before the first of them is trained.
    let values = |trial: &Trial| Values {
        recipe: sweep.recipe.clone(),
        set: trial.values.clone(),
        seed: Some(trial.seed),
        ..Values::default()
    };
    let resolved = trials.iter().map(|trial| {
        let resolved = configuration::resolve(None, dataset.as_ref(), &values(trial))?;
        Ok((trial, resolved))
    });
    let resolved = resolved.collect::<Outcome<Vec<(&Trial, Resolved)>>>()?;
    let search = Search::new(arguments.data_dir.clone());
    let mut sets = HashMap::new();
    let mut fitted = Vec::new();
    for (trial, resolved) in resolved {
        let config = &resolved.config;
        let pictures = config.pictures.map(Preparation::name);
        let key = (config.dataset.clone(), pictures, config.transposed);
        let data = Arc::clone(match sets.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let source = Source::parse(config.dataset.as_ref())?;
                let loaded = load_for(config, &source, &search, false)?;
                entry.insert(Arc::new((source, loaded)))
            }
        });
        let resolved = resolved.fitted(&data.0, &data.1, &values(trial))?;
        fitted.push((trial, resolved, data));
    }

    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => create_numbered_folder(Path::new(RUNS), &arguments.name)?,
    };
    let runs: Vec<_> = fitted
        .iter()
        .map(|(trial, ..)| folder.join(&trial.name))
        .collect();
    let files = outputs::SWEEP.map(|name| folder.join(name));
    output::check_beside(&runs, &files)?;
    let [record, table, page] = files;
    let training = Trainings {
        arguments,
        folder: &folder,
        trials: fitted,
        next: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        failure: Mutex::new(None),
        stop: &stop,
    };
    training.train_all()?;
    if stop.is_raised() {
        let folder = printable(folder.display(), &[]);
        warn!("stopped; the same command with --output {folder} continues");
        return Ok(stop.exit_code());
    }
    write_atomic(&record, text.as_bytes())?;
    summarise(arguments, &folder, &trials, [table, page])
}

/// A training, with its configuration and what it trains on.
type Planned<'a> = (&'a Trial, Resolved, Arc<(Source, Loaded)>);

/// The trainings of a sweep, shared by the threads that make them.
struct Trainings<'a> {
    arguments: &'a Sweep,
    folder: &'a Path,
    /// With what each trains on, read once for all.
    trials: Vec<Planned<'a>>,
    /// The next that no thread has begun.
    next: AtomicUsize,
    ended: AtomicUsize,
    /// The first failure that concerns all of them.
    failure: Mutex<Option<Failure>>,
    stop: &'a StopFlag,
}

impl Trainings<'_> {
    fn train_all(self) -> Outcome<()> {
        let threads = usize::from(self.arguments.threads);
        let jobs = self.arguments.jobs.map_or(cores() / threads, usize::from);
        let jobs = jobs.clamp(1, self.trials.len());
        info!(
            "{} trainings, {jobs} at a time, in {}",
            self.trials.len(),
            printable(self.folder.display(), &[])
        );
        thread::scope(|scope| {
            for _ in 0..jobs {
                let work = || self.work();
                let spawned = thread::Builder::new().spawn_scoped(scope, work);
                if let Err(error) = spawned {
                    self.fail(no_threads(error).into());
                }
            }
        });
        let failure = self.failure.into_inner();
        let failure = failure.unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    fn fail(&self, failure: Failure) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(failure);
        self.next.store(self.trials.len(), Ordering::SeqCst);
    }

    /// Makes one training after another, until none is left.
    fn work(&self) {
        let context = Context {
            backend: Backend::Fused(Arc::new(Pool::new(usize::from(self.arguments.threads)))),
            device: DeviceName::Cpu,
            threads: usize::from(self.arguments.threads),
            tensorboard: false,
            keep: self.arguments.keep.into(),
            lines: None,
            shown: None,
            stop: self.stop.clone(),
        };
        while !self.stop.is_raised() {
            let next = self.next.fetch_add(1, Ordering::SeqCst);
            let Some((trial, resolved, data)) = self.trials.get(next) else {
                return;
            };
            let run = self.folder.join(&trial.name);
            let trained = Self::train(&context, &run, resolved, data);
            let ended = 1 + self.ended.fetch_add(1, Ordering::SeqCst);
            let count = format!("{ended} of {}: {}", self.trials.len(), trial.name);
            match trained {
                Ok(said) => info!("{count}: {said}"),
                // That it diverges is the result of a setting.
                Err(Failure::Error(error)) if error.kind() == Kind::Diverged => {
                    warn!("{count}: {error}");
                }
                Err(failure) => return self.fail(failure),
            }
        }
    }

    fn train(
        context: &Context<'_>,
        run: &Path,
        resolved: &Resolved,
        (source, loaded): &(Source, Loaded),
    ) -> Outcome<String> {
        let state = configuration::state(run, &resolved.config)?;
        if state == State::Finished {
            complete_finished(run, context.keep)?;
            return Ok("already finished".to_owned());
        }
        let resume = (state == State::Begun).then_some(OtherTraining::Refuse);
        let (resolved, loaded) = (resolved.clone(), loaded.clone());
        let open = || state.open(run);
        let trained = train(context, resolved, source, loaded, resume, open)?;
        Ok(trained.map_or("stopped".to_owned(), |(summary, _)| {
            format!("test accuracy {}", output::percent(summary.test.accuracy))
        }))
    }
}

/// The table and the page of all runs that are finished, and the settings on standard output.
fn summarise(
    arguments: &Sweep,
    folder: &Path,
    trials: &[Trial],
    [table, page]: [PathBuf; 2],
) -> Outcome {
    let runs = trials.iter().map(|trial| folder.join(&trial.name));
    let (finished, others): (Vec<PathBuf>, Vec<PathBuf>) = runs.partition(|run| is_finished(run));
    let comparison = Comparison::read(&finished)?;
    write_atomic(&table, output::csv(comparison.table())?.as_bytes())?;
    write_atomic(&page, comparison.page()?.as_bytes())?;
    let groups = comparison.groups();
    match arguments.format {
        Format::Json => groups.iter().try_for_each(output::json)?,
        Format::Text => {
            let heading = "setting,seeds,validation,test,against the first";
            let row = |group: &Group| {
                let difference = group.difference;
                vec![
                    group.name.clone(),
                    group.test.len().to_string(),
                    spread(&group.validation, 2, " %"),
                    spread(&group.test, 2, " %"),
                    difference.map_or_else(String::new, |difference| difference.to_string()),
                ]
            };
            let rows = groups.iter().map(row).collect();
            output::table(heading.split(','), rows, |column| column == 0)?;
            output::line(format!("all runs: {}", page.display()))?;
        }
    }
    if others.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{} of {} trainings diverged", others.len(), trials.len());
    Err(Error::new(Kind::Diverged, message).into())
}

/// The command that makes one of the runs.
fn command(arguments: &Sweep, sweep: &lenet_train::Sweep, trial: &Trial) -> String {
    let folder = arguments.output.clone();
    let folder = folder.unwrap_or_else(|| Path::new(RUNS).join(&arguments.name));
    let mut words = vec!["lenet".to_owned(), "train".to_owned()];
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    if let Some(recipe) = &sweep.recipe {
        flag("--recipe", recipe);
    }
    if let Some(dataset) = &sweep.dataset {
        flag("--dataset", dataset);
    }
    if let Some(folder) = &arguments.data_dir {
        flag("--data-dir", &folder.to_string_lossy());
    }
    for value in &trial.values {
        flag("--set", value);
    }
    flag("--seed", &trial.seed.to_string());
    flag("--threads", &arguments.threads.to_string());
    let keep = arguments.keep.to_possible_value();
    flag("--keep", keep.as_ref().map_or("", PossibleValue::get_name));
    flag("--output", &folder.join(&trial.name).to_string_lossy());
    words.push("--continue --quiet".to_owned());
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
