//! `lenet train`.

pub mod configuration;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use lenet_data::{Dataset, Loaded, Origin, Search, Source, Splits};
use lenet_model::{LeNet5, Metadata};
use lenet_run::{
    Beginning, DataRecord, Environment, Event, EventLog, RunFolder, Summary, TestScores,
    is_finished, name, read_summary,
};
use lenet_train::{
    Backend, Config, Ending, Identity, Metrics, Observer, OtherTraining, Precision, Progress,
    TensorBoard, chosen_weights, fit, inspect, resume, save,
};
use tracing::{info, warn};

use crate::arguments::{Format, Hardware, Train, Verbosity};
use crate::console::Console;
use crate::device::{CANDLE_VERSION, instruction_set, set_threads};
use crate::environment::environment;
use crate::failure::{Failure, Outcome};
use crate::signals::StopFlag;
use crate::{output, pictures};
use configuration::Resolved;

/// Where numbered run folders go.
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
    if let Some((summary, folder)) = train(arguments, resolved, threads, verbosity, &stop)? {
        match arguments.format {
            Format::Json => output::json(&summary)?,
            Format::Text => print(&summary, &folder)?,
        }
    }
    // Whoever asked to stop while the pictures were drawn is told that this was heard.
    Ok(stop.exit_code())
}

/// From a configuration to the folder of a finished run; `None` where a signal stopped it.
pub fn train(
    arguments: &Train,
    resolved: Resolved,
    threads: usize,
    verbosity: &Verbosity,
    stop: &StopFlag,
) -> Outcome<Option<(Summary, RunFolder)>> {
    let Resolved {
        mut config,
        validation_is_stated,
    } = resolved;
    let device = arguments.hardware.device.open()?;
    check_precision(&config, &arguments.hardware)?;
    // Before the run folder is made: whatever is wrong with the data leaves none behind.
    let source = Source::parse(OsStr::new(&config.dataset))?;
    let loaded = source.load(&Search::new(arguments.source.data_dir.clone()))?;
    if !validation_is_stated {
        config.validation = fitting_validation(&source, &loaded, config.validation);
    }
    let data = divide(source, loaded, &config)?;
    let folder = match (&arguments.resume, &arguments.output) {
        (Some(path), _) => RunFolder::open(path)?,
        (None, Some(path)) => RunFolder::create(path)?,
        (None, None) => RunFolder::create_numbered(Path::new(RUNS), &arguments.name)?,
    };
    let architecture = config.architecture(data.train.classes());
    let model = LeNet5::new(&architecture, config.init, config.seed, &device)?;
    let backend = arguments.hardware.backend();
    announce(&config, &backend, &data, &folder, arguments, threads);
    let metadata = metadata(&config, &model, &data);
    let identity = identity(&config, &data, &arithmetic(&backend, arguments, threads));
    let mut progress = match arguments.resume {
        Some(_) => {
            let other = match arguments.force_config {
                true => OtherTraining::Accept,
                false => OtherTraining::Refuse,
            };
            resume(&folder, &model, &identity, other)?
        }
        None => Progress::default(),
    };
    let weights = match &progress.best {
        Some(_) => Some(chosen_weights(&model, &progress, &metadata)?),
        None => None,
    };
    folder.begin(&Beginning {
        config: &config.to_toml()?,
        environment: &Environment {
            threads,
            engine: backend.to_string(),
            device: arguments.hardware.device.to_string(),
            precision: match config.precision {
                Precision::F32 => "f32".to_owned(),
                Precision::Bf16 => "bf16".to_owned(),
            },
            data: DataRecord {
                name: data.source.name(),
                title: data.source.title(),
                origin: data.origin.to_string(),
                sha256: data.sha256.clone(),
            },
            ..environment()
        },
        history: &progress.history,
        weights: weights.as_deref(),
    })?;
    if arguments.force_config && progress.steps_done > 0 {
        // From now on the checkpoint has this configuration, so that the next resume needs no force.
        save(&folder, &model, &progress, &identity, &metadata)?;
    }
    let mut log = EventLog::append_to(&folder.file(name::EVENTS))?;
    let mut console = Console::new(verbosity, config.epochs);
    // A training needs no TensorBoard.
    let board = arguments
        .tensorboard
        .then(|| TensorBoard::create(folder.path()));
    let mut board = board.and_then(|board| {
        board
            .inspect_err(|error| warn!("no event file for TensorBoard: {error}"))
            .ok()
    });
    let mut stop_on_signal = |_: &Event| match stop.is_raised() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let mut observers: Vec<&mut dyn Observer> = vec![&mut log, &mut console, &mut stop_on_signal];
    observers.extend(board.as_mut().map(|board| board as &mut dyn Observer));
    let fitted = fit(
        &model,
        &backend,
        &data.train,
        &data.validation,
        &config,
        &mut progress,
        &mut |model, progress| save(&folder, model, progress, &identity, &metadata),
        &mut observers,
    );
    drop(console);
    let ending = match fitted {
        Ok(ending) => ending,
        Err(error) => {
            let error_text = error.to_string();
            log.write(&Event::Failed { error: error_text });
            draw(&folder);
            return Err(error.into());
        }
    };
    if ending == Ending::Stopped || stop.is_raised() {
        draw(&folder);
        warn!(
            "stopped after {} steps; go on with `lenet train --resume {}`",
            progress.steps_done,
            folder.path().display()
        );
        return Ok(None);
    }

    let steps = progress.steps_done;
    if let Some(board) = &mut board {
        let added = pictures::add(
            board,
            &model,
            &data.validation,
            config.normalization(),
            steps,
        );
        if let Err(failure) = added {
            warn!("no pictures for TensorBoard: {failure}");
        }
    }
    // The one time that the test images are looked at.
    let (tested, inspection) = inspect(&model, &backend, &data.test, config.normalization())?;
    let summary = summary(
        &config, &model, &backend, &progress, &tested, &data, threads,
    );
    log.write(&Event::Summary {
        summary: Box::new(summary.clone()),
    });
    folder.finish(&summary, &inspection)?;
    draw(&folder);
    Ok(Some((summary, folder)))
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

/// Whether what computes can do so in the precision that is asked for.
fn check_precision(config: &Config, hardware: &Hardware) -> Outcome<()> {
    if config.precision == Precision::F32 {
        return Ok(());
    }
    if !hardware.is_fused() {
        return Err(Failure::usage(
            "--precision bf16 needs --device cpu and --engine fused",
        ));
    }
    if !config.precision.is_available() {
        return Err(Failure::usage(
            "--precision bf16 needs a processor with Intel AMX, and Linux; this machine computes \
             in f32",
        ));
    }
    Ok(())
}

/// The images of a training.
struct Data {
    source: Source,
    origin: Origin,
    sha256: BTreeMap<String, String>,
    train: Dataset,
    validation: Dataset,
    test: Dataset,
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

fn divide(source: Source, loaded: Loaded, config: &Config) -> Outcome<Data> {
    let Loaded {
        splits: Splits { train, test },
        origin,
        sha256,
    } = loaded;
    if config.validation >= train.len() {
        return Err(Failure::usage(format!(
            "validation {}: must be less than the {} training images of {}",
            config.validation,
            train.len(),
            source.name()
        )));
    }
    let (train, validation) = train.split(config.validation, config.seed);
    let train = match config.limit_train {
        Some(limit) => train.take(limit),
        None => train,
    };
    Ok(Data {
        source,
        origin,
        sha256,
        train,
        validation,
        test,
    })
}

/// What is needed to judge a run comes first: what runs where, on what, with which settings.
fn announce(
    config: &Config,
    backend: &Backend,
    data: &Data,
    folder: &RunFolder,
    arguments: &Train,
    threads: usize,
) {
    info!(
        "lenet {}, candle {CANDLE_VERSION}, engine {backend}, {} ({}), {threads} threads",
        env!("CARGO_PKG_VERSION"),
        arguments.hardware.device,
        instruction_set(),
    );
    info!("data set {}, {}", data.source.title(), data.origin);
    info!("{}", configuration::in_a_line(config));
    info!("run folder {}", folder.path().display());
}

fn metadata(config: &Config, model: &LeNet5, data: &Data) -> Metadata {
    let class_names = data.train.class_names().to_vec();
    Metadata {
        dataset: Some(data.source.name()),
        data_sha256: data.sha256.clone(),
        ..Metadata::new(
            model.architecture().clone(),
            class_names,
            config.normalization(),
        )
    }
}

/// What decides the last bits of a training: whoever changes it gets others. The fused engine gives
/// equal bits on any number of threads, candle's operations do not.
fn arithmetic(backend: &Backend, arguments: &Train, threads: usize) -> String {
    let device = arguments.hardware.device;
    let arithmetic = format!("{backend}, {device} ({})", instruction_set());
    match backend {
        Backend::Fused(_) => arithmetic,
        Backend::Candle => format!("{arithmetic}, {threads} threads"),
    }
}

fn identity(config: &Config, data: &Data, arithmetic: &str) -> Identity {
    Identity {
        arithmetic: arithmetic.to_owned(),
        config: config.clone(),
        train_images: data.train.len(),
        validation_images: data.validation.len(),
        data_sha256: data.sha256.clone(),
    }
}

fn summary(
    config: &Config,
    model: &LeNet5,
    backend: &Backend,
    progress: &Progress,
    tested: &Metrics,
    data: &Data,
    threads: usize,
) -> Summary {
    let train_seconds = progress.train_seconds();
    let images = data.train.len() as f64 * f64::from(progress.epochs_done);
    Summary {
        dataset: data.source.name(),
        recipe: config.recipe.clone(),
        engine: backend.to_string(),
        parameters: model.parameters().count(),
        epochs: progress.epochs_done,
        seed: config.seed,
        threads,
        not_identical: progress.not_identical,
        train_seconds,
        images_per_second: images / train_seconds,
        best_epoch: progress.best.as_ref().map_or(0, |best| best.epoch),
        validation: progress.best.as_ref().and_then(|best| best.validation),
        test: TestScores {
            loss: tested.loss(),
            accuracy: tested.accuracy(),
            errors: tested.errors(),
            count: tested.count(),
        },
        class_names: data.train.class_names().to_vec(),
        confusion: tested.confusion(),
        per_class: tested.per_class(data.train.class_names()),
    }
}

/// Pictures may fail without spoiling the run: its weights and figures are written.
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
