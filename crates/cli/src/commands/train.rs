//! `lenet train`.

pub mod configuration;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use lenet_data::{Loaded, Search, Source};
use lenet_run::{
    DataRecord, Environment, Event, Observer, RunFolder, Summary, TestScores, is_finished, name,
    read_summary,
};
use lenet_train::{Config, Ending, Images, OtherTraining, Run, Setup, TensorBoard};
use tracing::{info, warn};

use crate::arguments::{Format, Train, Verbosity};
use crate::console::Console;
use crate::device::{CANDLE_VERSION, instruction_set, set_threads};
use crate::failure::Outcome;
use crate::signals::StopFlag;
use crate::{output, pictures};
use configuration::Resolved;

/// The folder of numbered run folders.
pub const RUNS: &str = "runs";

pub fn run(arguments: &Train, verbosity: &Verbosity) -> Outcome {
    let resolved = configuration::resolve(
        arguments.resume.as_deref(),
        arguments.source.dataset.as_ref(),
        &arguments.values,
    )?;
    if let Some(folder) = &arguments.resume
        && is_finished(folder)
        && !configuration::changes(folder, &resolved.config)?
    {
        return already_finished(folder, arguments.format);
    }
    if arguments.print_config {
        output::line(resolved.config.to_toml()?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = StopFlag::install()?;
    let threads = set_threads(arguments.hardware.threads)?;
    if let Some((summary, run)) = train(arguments, resolved, threads, verbosity, &stop)? {
        match arguments.format {
            Format::Json => output::json(&summary)?,
            Format::Text => print(&summary, run.folder())?,
        }
    }
    // A signal that came while the pictures were drawn still decides the exit code.
    Ok(stop.exit_code())
}

/// From a configuration to a finished run; `None` if a signal stopped it.
pub fn train(
    arguments: &Train,
    resolved: Resolved,
    threads: usize,
    verbosity: &Verbosity,
    stop: &StopFlag,
) -> Outcome<Option<(Summary, Run)>> {
    let setup = setup(arguments, resolved, threads)?;
    // After the data is read, so that no folder is left behind if something is wrong with it.
    let folder = match (&arguments.resume, &arguments.output) {
        (Some(path), _) => RunFolder::open(path)?,
        (None, Some(path)) => RunFolder::create(path)?,
        (None, None) => RunFolder::create_numbered(Path::new(RUNS), &arguments.name)?,
    };
    announce(&setup, &folder);
    let epochs = setup.config.epochs;
    let mut run = match (&arguments.resume, arguments.force_config) {
        (None, _) => Run::start(folder, setup)?,
        (Some(_), false) => Run::resume(folder, setup, OtherTraining::Refuse)?,
        (Some(_), true) => Run::resume(folder, setup, OtherTraining::Accept)?,
    };

    let mut console = Console::new(verbosity, epochs);
    // A training needs no TensorBoard.
    let board = arguments
        .tensorboard
        .then(|| TensorBoard::create(run.folder().path()));
    let mut board = board.and_then(|board| {
        board
            .inspect_err(|error| warn!("no event file for TensorBoard: {error}"))
            .ok()
    });
    let mut stop_on_signal = |_: &Event| {
        if stop.is_raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut observers: Vec<&mut dyn Observer> = vec![&mut console, &mut stop_on_signal];
    observers.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let fitted = run.fit(&mut observers);
    drop(console);
    if fitted.is_err() {
        draw(run.folder());
    }
    if fitted? == Ending::Stopped || stop.is_raised() {
        draw(run.folder());
        warn!(
            "stopped after {} steps; resume with `lenet train --resume {}`",
            run.progress().steps_done,
            run.folder().path().display()
        );
        return Ok(None);
    }

    let (summary, inspection) = run.finish()?;
    if let Some(board) = &mut board {
        let steps = run.progress().steps_done;
        let added = pictures::add(board, steps, &inspection, &summary.class_names);
        if let Err(error) = added {
            warn!("no pictures for TensorBoard: {error}");
        }
    }
    draw(run.folder());
    Ok(Some((summary, run)))
}

/// The images, and what trains on them.
fn setup(arguments: &Train, resolved: Resolved, threads: usize) -> Outcome<Setup> {
    let Resolved {
        mut config,
        validation_is_stated,
    } = resolved;
    let device = arguments.hardware.device.open()?;
    let backend = arguments.hardware.backend();
    backend.check(config.precision)?;
    let source = Source::parse(OsStr::new(&config.dataset))?;
    let loaded = source.load(&Search::new(arguments.source.data_dir.clone()))?;
    if !validation_is_stated {
        config.validation = fitting_validation(&source, &loaded, config.validation);
    }
    let record = DataRecord {
        name: source.name(),
        title: source.title(),
        origin: loaded.origin.to_string(),
        sha256: loaded.sha256,
    };
    Ok(Setup {
        images: Images::divide(record, loaded.splits, &config)?,
        config,
        backend,
        device,
        environment: Environment {
            commit: option_env!("LENET_COMMIT").map(str::to_owned),
            rustc: option_env!("LENET_RUSTC").map(str::to_owned),
            candle: CANDLE_VERSION.to_owned(),
            device: arguments.hardware.device.to_string(),
            threads,
            ..Environment::here()
        },
    })
}

/// The recipe's number of validation images, made for sets of MNIST's size; a tenth of own data that
/// is small.
fn fitting_validation(source: &Source, loaded: &Loaded, of_recipe: usize) -> usize {
    let images = loaded.splits.train.len();
    if matches!(source, Source::Known(_)) || of_recipe <= images / 5 {
        return of_recipe;
    }
    info!(
        "{images} training images: {} are held out for validation, not {of_recipe}; --validation \
         sets another number",
        images / 10
    );
    images / 10
}

/// What is needed to judge a run comes first: what computes where, on what, with which settings.
fn announce(setup: &Setup, folder: &RunFolder) {
    let Environment {
        lenet,
        candle,
        device,
        threads,
        ..
    } = &setup.environment;
    info!(
        "lenet {lenet}, candle {candle}, engine {}, {device} ({}), {threads} threads",
        setup.backend,
        instruction_set(),
    );
    let data = &setup.images.record;
    info!("data set {}, {}", data.title, data.origin);
    info!("{}", configuration::in_a_line(&setup.config));
    info!("run folder {}", folder.path().display());
}

fn already_finished(folder: &Path, format: Format) -> Outcome {
    // The page is the last file of a run: without it, the process was killed while it drew.
    if !folder.join(name::PAGE).exists() {
        draw(&RunFolder::open(folder)?);
    }
    let epochs = Config::read(&folder.join(name::CONFIG))?.epochs;
    let message = format!("{folder:?} is already finished: {epochs} of {epochs} epochs");
    match format {
        Format::Text => output::line(message)?,
        Format::Json => output::json(&read_summary(&folder.join(name::SUMMARY))?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A run without pictures is still a run: its weights and figures are written.
fn draw(folder: &RunFolder) {
    if let Err(error) = lenet_report::write_report(folder.path()) {
        warn!("no pictures of this run: {error}");
    }
}

fn print(summary: &Summary, folder: &RunFolder) -> Outcome<()> {
    let TestScores {
        loss,
        accuracy,
        errors,
        count,
    } = summary.test;
    output::line(format!(
        "test accuracy {}, {errors} errors in {count} images, loss {}",
        output::percent(accuracy),
        output::decimal(loss)
    ))?;
    output::line(format!(
        "best epoch {} of {}, validation accuracy {}",
        summary.best_epoch,
        summary.epochs,
        output::percent(summary.validation.map(|scores| scores.accuracy)),
    ))?;
    output::line(format!(
        "trained in {:.1} s, {:.0} images/s",
        summary.train_seconds, summary.images_per_second
    ))?;
    let page = folder.file(name::PAGE);
    output::line(format!("weights, curves and report: {}", page.display()))
}
