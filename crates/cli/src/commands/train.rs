//! `lenet train`.

pub mod configuration;

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use lenet_data::download::Options;
use lenet_data::{Dataset, DatasetSpec, Loaded, Reading, Search, Source, locate};
use lenet_files::{Error, Kind, printable};
use lenet_run::{
    DataRecord, Environment, Event, Keep, Observer, RunFolder, State, Summary, is_finished,
    is_unused, name, read_summary,
};
use lenet_train::{
    Backend, Config, Ending, Images, OtherTraining, Run, Setup, TensorBoard, assist, meet,
    note_whole_checkpoints,
};
use serde::Serialize;
use tracing::subscriber::NoSubscriber;
use tracing::{info, warn};

use crate::arguments::{KeepFiles, Train, TrainFormat, Values, Verbosity};
use crate::commands::{data, recorded_source};
use crate::console::Console;
use crate::device::{CANDLE_VERSION, DeviceName, instruction_set};
use crate::failure::Outcome;
use crate::ranks::Ranks;
use crate::signals::StopFlag;
use crate::{output, pictures};
use configuration::Resolved;

/// The folder of numbered run folders.
pub const RUNS: &str = "runs";

pub fn run(arguments: &Train, verbosity: &Verbosity) -> Outcome {
    let ranks = Ranks::join()?;
    // The first process speaks for all.
    let _silent =
        (ranks.rank() > 0).then(|| tracing::subscriber::set_default(NoSubscriber::default()));
    let outcome = run_among(&ranks, arguments, verbosity);
    ranks.end(outcome)
}

fn run_among(ranks: &Ranks, arguments: &Train, verbosity: &Verbosity) -> Outcome {
    if let Some(folder) = &arguments.resume
        && is_unused(folder)
    {
        let message = "its run ended before its first file, config.toml: begin it again with \
                       --output, or delete the folder";
        return Err(Error::new(Kind::Io, message).at(folder).into());
    }
    let values = &Values {
        transposed: arguments.source.transposed(),
        ..arguments.values.clone()
    };
    let resolved = configuration::resolve(
        arguments.resume.as_deref(),
        arguments.source.dataset.as_ref(),
        values,
    )?;
    if let Some(folder) = &arguments.resume
        && is_finished(folder)
        && !configuration::changes(folder, &resolved.config)?
    {
        return already_finished(ranks, folder, arguments);
    }
    let source = match (&arguments.resume, &arguments.source.dataset) {
        (Some(run), None) => recorded_source(&resolved.config.dataset, Some(run))?,
        _ => Source::parse(OsStr::new(&resolved.config.dataset))?,
    };
    let print_config = |config: &Config| -> Outcome {
        if ranks.rank() == 0 {
            output::verbatim(config.to_toml()?.trim_end())?;
        }
        Ok(ExitCode::SUCCESS)
    };
    if arguments.print_config && !resolved.is_open(&source) {
        return print_config(&resolved.config);
    }
    let (backend, threads) = ranks.backend(&arguments.hardware)?;
    let context = Context {
        threads,
        backend,
        device: arguments.hardware.device,
        tensorboard: arguments.tensorboard,
        keep: arguments.keep.into(),
        lines: (arguments.format == TrainFormat::Jsonl).then_some(Lines {
            steps: arguments.steps,
        }),
        shown: Some(verbosity),
        stop: StopFlag::install()?,
    };
    let search = Search::new(arguments.source.data_dir.clone());
    let reading = Reading {
        pictures: resolved.config.pictures,
        strict: arguments.source.strict,
        transposed: resolved.config.transposed,
    };
    if let Source::Known(spec) = &source
        && locate(spec, &search).is_err()
        // Several processes would write the same files.
        && context.backend.exchange().is_none()
        && (arguments.download || is_answered_yes(spec))
    {
        let options = Options::default();
        data::download(spec, &search, &options, verbosity, &context.stop)?;
    }
    let loaded = source.load(&search, reading)?;
    let resolved = resolved.fitted(&source, &loaded, values)?;
    if arguments.print_config {
        return print_config(&resolved.config);
    }
    let mut resumed = arguments.resume.as_deref();
    if let Some(folder) = arguments.output.as_deref()
        && arguments.continues
    {
        match configuration::state(folder, &resolved.config)? {
            State::New => {}
            State::Begun => resumed = Some(folder),
            State::Finished => return already_finished(ranks, folder, arguments),
        }
    }
    let folder = || match (resumed, &arguments.output) {
        (Some(path), _) => RunFolder::open(path),
        (None, Some(path)) => RunFolder::create(path),
        (None, None) => RunFolder::create_numbered(Path::new(RUNS), &arguments.name),
    };
    let resume = match (resumed, arguments.force_config) {
        (None, _) => None,
        (Some(_), false) => Some(OtherTraining::Refuse),
        (Some(_), true) => Some(OtherTraining::Accept),
    };
    if ranks.rank() > 0 {
        let setup = setup(&context, resolved, &source, loaded)?;
        meet(&setup)?;
        assist(setup, resumed.zip(resume), |_: &Event| {
            context.stop.control_flow()
        })?;
        return Ok(context.stop.exit_code());
    }
    if let Some((summary, run)) = train(&context, resolved, &source, loaded, resume, folder)? {
        match arguments.format {
            TrainFormat::Text => print(&summary, &run, context.keep)?,
            format => print_object(format, run.folder().path(), summary)?,
        }
    }
    // A signal that came while the pictures were drawn still decides the exit code.
    Ok(context.stop.exit_code())
}

/// Asks on a terminal whether to download a data set.
fn is_answered_yes(spec: &DatasetSpec) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    let question = format!("{} is not on this machine. Download it? [y/N] ", spec.title);
    let asked = io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().read_line(&mut answer))
        .is_ok()
        && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

/// What a training needs besides its configuration, data and folder.
pub struct Context<'a> {
    pub backend: Backend,
    pub device: DeviceName,
    pub threads: usize,
    pub tensorboard: bool,
    pub keep: Keep,
    /// The lines that go to standard output while it trains.
    pub lines: Option<Lines>,
    /// How much of the training is said on standard error; nothing of one of many.
    pub shown: Option<&'a Verbosity>,
    pub stop: StopFlag,
}

/// From a configuration and its data to a finished run; `None` if a signal stopped it. The folder is
/// opened last, so that none is left behind if anything is wrong with the others.
pub fn train(
    context: &Context,
    resolved: Resolved,
    source: &Source,
    loaded: Loaded,
    resume: Option<OtherTraining>,
    folder: impl FnOnce() -> lenet_files::Result<RunFolder>,
) -> Outcome<Option<(Summary, Run)>> {
    let setup = setup(context, resolved, source, loaded)?;
    meet(&setup)?;
    let folder = folder()?;
    if context.shown.is_some() {
        announce(&setup, &folder);
    }
    let epochs = setup.config.epochs;
    let mut run = match resume {
        None => Run::start(folder, setup)?,
        Some(other) => Run::resume(folder, setup, other)?,
    };

    let mut console = context
        .shown
        .map(|verbosity| Console::new(verbosity, epochs));
    // A training needs no TensorBoard.
    let board = context
        .tensorboard
        .then(|| TensorBoard::create(run.folder().path()));
    let mut board = board.and_then(|board| {
        board
            .inspect_err(|error| warn!("no event file for TensorBoard: {error}"))
            .ok()
    });
    let mut stop_on_signal = |_: &Event| context.stop.control_flow();
    let mut observers: Vec<&mut dyn Observer> = vec![&mut stop_on_signal];
    observers.extend(console.as_mut().map(|console| console as &mut dyn Observer));
    let mut lines = context.lines;
    observers.extend(lines.as_mut().map(|lines| lines as &mut dyn Observer));
    observers.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let fitted = run.fit(&mut observers);
    drop(console);
    if fitted.is_err() {
        draw(run.folder());
    }
    // Other processes do not know of a signal that came after the last step.
    let is_late = context.backend.exchange().is_none() && context.stop.is_raised();
    if fitted? == Ending::Stopped || is_late {
        draw(run.folder());
        if context.shown.is_some() {
            warn!(
                "stopped after {} steps; resume with `lenet train --resume {}`",
                run.progress().steps_done,
                printable(run.folder().path().display(), &[])
            );
        }
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
    complete(run.folder(), context.keep)?;
    Ok(Some((summary, run)))
}

/// Draws a finished run, or removes what is not to be kept of it.
fn complete(folder: &RunFolder, keep: Keep) -> Outcome<()> {
    if keep == Keep::All {
        draw(folder);
    }
    Ok(folder.keep(keep)?)
}

/// The same for a run that another process finished: which checkpoints are its own is not known.
pub fn complete_finished(folder: &Path, keep: Keep) -> Outcome<()> {
    let folder = RunFolder::open(folder)?;
    if keep != Keep::All {
        note_whole_checkpoints(&folder)?;
    }
    complete(&folder, keep)
}

/// Events as lines of JSON on standard output.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    steps: bool,
}

impl Observer for Lines {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        if self.steps || !matches!(event, Event::Step(_)) {
            // A reader that is gone does not stop a training.
            let _ = output::json(event);
        }
        ControlFlow::Continue(())
    }
}

/// The result of a run, with its folder.
#[derive(Serialize)]
struct Finished<'a, T> {
    folder: &'a Path,
    #[serde(flatten)]
    result: T,
}

fn print_object(format: TrainFormat, folder: &Path, summary: Summary) -> Outcome<()> {
    if format == TrainFormat::Jsonl {
        let summary = Box::new(summary);
        let result = Event::Summary { summary };
        return output::json(&Finished { folder, result });
    }
    let result = summary;
    output::json(&Finished { folder, result })
}

/// The images, and what trains on them.
fn setup(context: &Context, resolved: Resolved, source: &Source, loaded: Loaded) -> Outcome<Setup> {
    let config = resolved.config;
    let device = context.device.open()?;
    let backend = context.backend.clone();
    backend.check(config.precision)?;
    let images = &loaded.splits.train;
    if let Some([(most, many), (fewest, few)]) = uneven(images) {
        let hint = if config.balance {
            "with --balance, each is shown as often"
        } else {
            "--balance shows each as often"
        };
        warn!("{many} training images of class {most:?} but {few} of {fewest:?}: {hint}");
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
        start: resolved.start,
        backend,
        device,
        environment: Environment {
            commit: option_env!("LENET_COMMIT").map(str::to_owned),
            rustc: option_env!("LENET_RUSTC").map(str::to_owned),
            candle: CANDLE_VERSION.to_owned(),
            device: context.device.to_string(),
            threads: context.threads,
            ..Environment::here()
        },
    })
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
    if DatasetSpec::find(&data.name).is_none() && setup.config.pictures.is_none() {
        let pictures = setup.images.preparation;
        info!(
            "its pictures are taken as `{}`: {}; --pictures decides otherwise",
            pictures.name(),
            pictures.about()
        );
    }
    info!("{}", configuration::in_a_line(&setup.config));
    info!("run folder {}", printable(folder.path().display(), &[]));
}

fn already_finished(ranks: &Ranks, folder: &Path, arguments: &Train) -> Outcome {
    if ranks.rank() > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    // The page is the last file of a run: without it, the process was killed while it drew.
    if !folder.join(name::PAGE).exists() || arguments.keep != KeepFiles::All {
        complete_finished(folder, arguments.keep.into())?;
    }
    let epochs = Config::read(&folder.join(name::CONFIG))?.epochs;
    let message = format!("{folder:?} is already finished: {epochs} of {epochs} epochs");
    match arguments.format {
        TrainFormat::Text => output::line(message)?,
        format => print_object(format, folder, read_summary(&folder.join(name::SUMMARY))?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A run without pictures is still a run: its weights and figures are written.
fn draw(folder: &RunFolder) {
    let drawn = lenet_report::report(folder.path())
        .and_then(|files| (files.iter()).try_for_each(|(name, bytes)| folder.write(name, bytes)));
    if let Err(error) = drawn {
        warn!("no pictures of this run: {error}");
    }
}

/// How many times the images of one class another may have without a warning.
const UNEVEN: usize = 10;

/// The names of the classes with the most and the fewest images, with their numbers, if these are far
/// apart.
pub fn uneven(set: &Dataset) -> Option<[(&str, usize); 2]> {
    let counts = std::iter::zip(set.class_names(), set.class_counts());
    let counts = counts.map(|(name, count)| (name.as_str(), count));
    // There is a warning of its own for classes without an image.
    let counts = counts.filter(|(_, count)| *count > 0);
    let most = counts.clone().max_by_key(|(_, count)| *count)?;
    let fewest = counts.min_by_key(|(_, count)| *count)?;
    (most.1 >= UNEVEN * fewest.1).then_some([most, fewest])
}

fn print(summary: &Summary, run: &Run, keep: Keep) -> Outcome<()> {
    let (test, folder) = (summary.test, run.folder());
    let recalls = summary.per_class.iter().filter_map(|class| class.recall);
    let balanced = if uneven(&run.images().train).is_some() {
        let mean = recalls.clone().sum::<f64>() / recalls.count() as f64;
        format!(
            " ({} if every class counts alike)",
            output::percent(Some(mean))
        )
    } else {
        String::new()
    };
    let validation = summary.validation.map(|scores| scores.accuracy);
    output::line(format!(
        "test accuracy {}{balanced}, {} errors in {} images, loss {}",
        output::percent(test.accuracy),
        test.errors,
        test.count,
        output::decimal(test.loss),
    ))?;
    output::line(format!(
        "best epoch {} of {}, validation accuracy {}",
        summary.best_epoch,
        summary.epochs,
        output::percent(validation),
    ))?;
    output::line(format!(
        "trained in {:.1} s, {:.0} images/s",
        summary.train_seconds, summary.images_per_second,
    ))?;
    let (what, name) = match keep {
        Keep::All => ("weights, curves and report", name::PAGE),
        Keep::Model => ("weights", name::WEIGHTS),
        Keep::Result => ("figures", name::SUMMARY),
    };
    output::line(format!("{what}: {}", folder.file(name).display()))
}
