//! A whole run, from its configuration to its folder.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use lenet_data::{Dataset, Splits};
use lenet_engine::{Isa, pool};
use lenet_files::{Error, Kind, Result};
use lenet_model::{LeNet5, Metadata, Weights};
use lenet_picture::Preparation;
use lenet_run::{
    Beginning, DataRecord, Environment, Event, EventLog, Inspection, MAX_FILE_BYTES, Observer,
    RunFolder, Summary, TestScores, checkpoints, name,
};

use crate::backend::Backend;
use crate::calibrate::calibrate;
use crate::checkpoint::{self, Identity, OtherTraining};
use crate::config::Config;
use crate::fit::{Ending, Training, Watch, fit};
use crate::inspect::{Tested, inspect};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::start::Start;

/// The images of a run.
#[derive(Debug, Clone)]
pub struct Images {
    /// Which data set they are.
    pub record: DataRecord,
    /// The images to train on.
    pub train: Dataset,
    /// The images held out, by which the best epoch is chosen.
    pub validation: Dataset,
    /// The images of the final evaluation, never looked at before it.
    pub test: Dataset,
    /// How pictures became these images.
    pub preparation: Preparation,
}

impl Images {
    /// Holds out the validation images of this configuration, unless the data set has as many of its
    /// own, and limits the others as it says.
    ///
    /// # Errors
    /// [`Kind::Usage`] if no image would remain to train on.
    pub fn divide(record: DataRecord, splits: Splits, config: &Config) -> Result<Self> {
        let Splits {
            train,
            test,
            validation,
            preparation,
        } = splits;
        let classes = train.class_counts().into_iter().filter(|count| *count > 0);
        if classes.count() < 2 {
            let name = record.name;
            return Err(Error::input(format!(
                "every training image of {name} is of one class: a training needs two or more"
            )));
        }
        let (train, validation) = match validation {
            Some(validation) if validation.len() == config.validation => (train, validation),
            _ if config.validation >= train.len() => {
                return Err(Error::usage(format!(
                    "validation {}: must be less than the {} training images of {}",
                    config.validation,
                    train.len(),
                    record.name
                )));
            }
            _ => train.split(config.validation, config.seed),
        };
        Ok(Self {
            record,
            train: train.take(config.limit_train.unwrap_or(usize::MAX)),
            validation,
            test,
            preparation,
        })
    }
}

/// What a run trains, on what, and what computes it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// All that decides the result.
    pub config: Config,
    /// The network to start from, which `config.from` names.
    pub start: Option<Start>,
    /// The images.
    pub images: Images,
    /// What computes.
    pub backend: Backend,
    /// The device of the model's parameters.
    pub device: Device,
    /// What the caller knows of the environment, such as `commit` and `threads`; the run fills in
    /// `engine`, `instruction_set`, `cores`, `precision` and `data`.
    pub environment: Environment,
}

/// A training in its folder: [started](Run::start) or [resumed](Run::resume), then
/// [trained](Run::fit) and [finished](Run::finish). Killed at any moment, it can be resumed.
#[derive(Debug)]
pub struct Run {
    files: Files,
    setup: Setup,
    model: LeNet5,
    progress: Progress,
    log: EventLog,
}

impl Run {
    /// Starts a run in a new folder.
    ///
    /// # Errors
    /// [`Kind::Io`] if the folder cannot be written.
    pub fn start(folder: RunFolder, setup: Setup) -> Result<Self> {
        Self::begin(folder, setup, |_, _, _| Ok(Progress::default()))
    }

    /// Resumes the run of a folder from the newest checkpoint that is whole, or from the beginning if
    /// it was interrupted before the first. With [`OtherTraining::Accept`] the run has the new
    /// configuration from here on.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the checkpoint belongs to another training, and that is to be refused;
    /// [`Kind::Input`] if there are checkpoints but none can be used; [`Kind::Io`] if the folder
    /// cannot be written.
    pub fn resume(folder: RunFolder, setup: Setup, other: OtherTraining) -> Result<Self> {
        let run = Self::begin(folder, setup, |folder, model, identity| {
            let note = |steps| folder.note_whole(steps);
            newest_checkpoint(folder.path(), model, identity, other, note)
        })?;
        if other == OtherTraining::Accept && run.progress.steps_done > 0 {
            // The next resume is of this configuration, and needs no force.
            run.files.save(&run.model, &run.progress)?;
        }
        Ok(run)
    }

    fn begin(
        folder: RunFolder,
        mut setup: Setup,
        progress: impl FnOnce(&RunFolder, &LeNet5, &Identity) -> Result<Progress>,
    ) -> Result<Self> {
        complete(&mut setup);
        let config = &setup.config;
        let (model, metadata) = network(&setup)?;
        let identity = identity(&setup);
        let progress = progress(&folder, &model, &identity)?;
        let weights = match &progress.best {
            Some(_) => Some(chosen_weights(&model, &progress, &metadata)?),
            None => None,
        };
        folder.begin(&Beginning {
            config: &config.to_toml()?,
            environment: &setup.environment,
            history: &progress.history,
            weights: weights.as_deref(),
        })?;
        let log = EventLog::append_to(&folder.file(name::EVENTS))?;
        let files = Files {
            folder,
            identity,
            metadata,
        };
        Ok(Self {
            files,
            setup,
            model,
            progress,
            log,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &RunFolder {
        &self.files.folder
    }

    /// The images.
    pub fn images(&self) -> &Images {
        &self.setup.images
    }

    /// Where the training stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The network.
    pub fn model(&self) -> &LeNet5 {
        &self.model
    }

    /// Trains to the last epoch, or until an observer asks for a stop; logs every event, and saves a
    /// checkpoint after each epoch.
    ///
    /// # Errors
    /// Those of [`fit`], which are logged too, and [`Kind::Io`] if the folder cannot be written.
    pub fn fit(&mut self, observers: &mut [&mut dyn Observer]) -> Result<Ending> {
        let fitted = fit(
            &training(&self.setup, &self.model),
            &mut self.progress,
            &mut Keeper {
                files: &self.files,
                log: &mut self.log,
                observers,
            },
        );
        // The log may be another run's by now.
        if let Err(error) = &fitted
            && error.kind() != Kind::Busy
        {
            let error = error.to_string();
            self.log.write(&Event::Failed { error });
        }
        fitted
    }

    /// Evaluates the network of the best epoch on the test images, for the only time, and writes the
    /// summary, with which the run counts as finished, even if it was stopped before its last epoch.
    ///
    /// # Errors
    /// candle's own, and [`Kind::Io`] if the folder cannot be written.
    pub fn finish(&mut self) -> Result<(Summary, Inspection)> {
        let metadata = self.files.metadata.clone();
        let (weights, tested) = conclude(&self.setup, &self.model, &self.progress, metadata)?;
        let summary = self.summary(&tested.metrics);
        self.log.write(&Event::Summary {
            summary: Box::new(summary.clone()),
        });
        self.files
            .folder
            .finish(&weights.to_bytes()?, &summary, &tested.inspection)?;
        Ok((summary, tested.inspection))
    }

    fn summary(&self, tested: &Metrics) -> Summary {
        let setup = &self.setup;
        let (config, images, progress) = (&setup.config, &setup.images, &self.progress);
        let train_seconds = progress.train_seconds();
        let seen = images.train.len() as f64 * f64::from(progress.epochs_done);
        let class_names = images.train.class_names();
        Summary {
            dataset: images.record.name.clone(),
            recipe: config.recipe.clone(),
            engine: setup.environment.engine.clone(),
            parameters: self.model.parameters().count(),
            epochs: progress.epochs_done,
            seed: config.seed,
            threads: setup.environment.threads,
            not_identical: progress.not_identical,
            train_seconds,
            images_per_second: seen / train_seconds,
            best_epoch: progress.best.as_ref().map_or(0, |best| best.epoch),
            validation: progress.best.as_ref().and_then(|best| best.validation),
            test: TestScores {
                loss: tested.loss(),
                accuracy: tested.accuracy(),
                errors: tested.errors(),
                count: tested.count(),
            },
            class_names: class_names.to_vec(),
            confusion: tested.confusion(),
            per_class: tested.per_class(class_names),
        }
    }
}

/// Takes part in a training whose run another process [keeps](Run): the same computations, and no
/// file written. A run is resumed from its folder, which all processes must see.
///
/// # Errors
/// Those of [`Run`].
pub fn assist(
    mut setup: Setup,
    resumed: Option<(&Path, OtherTraining)>,
    mut observer: impl Observer,
) -> Result<()> {
    complete(&mut setup);
    let (model, metadata) = network(&setup)?;
    let mut progress = match resumed {
        Some((folder, other)) => {
            newest_checkpoint(folder, &model, &identity(&setup), other, |_| ())?
        }
        None => Progress::default(),
    };
    if fit(&training(&setup, &model), &mut progress, &mut observer)? == Ending::Finished {
        conclude(&setup, &model, &progress, metadata)?;
    }
    Ok(())
}

/// The network before its first step, and what its file will say of it.
fn network(setup: &Setup) -> Result<(LeNet5, Metadata)> {
    let config = &setup.config;
    let architecture = config.architecture(setup.images.train.classes());
    let model = LeNet5::new(&architecture, config.init, config.seed, &setup.device)?;
    let data = &setup.images.record;
    let class_names = setup.images.train.class_names().to_vec();
    if let Some(start) = &setup.start {
        start.set_parameters(&model, &class_names)?;
    }
    let metadata = Metadata {
        dataset: Some(data.name.clone()),
        data_sha256: data.sha256.clone(),
        preparation: Some(setup.images.preparation),
        transposed: config.transposed,
        ..Metadata::new(architecture, class_names, config.normalization())
    };
    Ok((model, metadata))
}

fn training<'a>(setup: &'a Setup, model: &'a LeNet5) -> Training<'a> {
    Training {
        model,
        backend: &setup.backend,
        config: &setup.config,
        train: &setup.images.train,
        validation: &setup.images.validation,
    }
}

/// The weights of the best epoch, with what is fitted after a training, and what the test images say
/// of them.
fn conclude(
    setup: &Setup,
    model: &LeNet5,
    progress: &Progress,
    mut metadata: Metadata,
) -> Result<(Weights, Tested)> {
    if let Some(best) = &progress.best {
        model.parameters().restore(&best.parameters)?;
    }
    let (images, backend) = (&setup.images, &setup.backend);
    let seen = [&images.train, &images.validation];
    calibrate(&mut metadata, model, backend, &setup.config, seen)?;
    let model = model.clone();
    let weights = Weights { model, metadata };
    let used = weights.folded()?;
    let tested = inspect(&used.model, backend, &images.test, used.metadata.input)?;
    Ok((weights, tested))
}

/// Keeps what a training makes, and passes its events on.
struct Keeper<'a, 'b> {
    files: &'a Files,
    log: &'a mut EventLog,
    observers: &'a mut [&'b mut dyn Observer],
}

impl Watch for Keeper<'_, '_> {
    fn event(&mut self, event: &Event) -> ControlFlow<()> {
        self.log.write(event);
        let mut answer = ControlFlow::Continue(());
        for observer in &mut *self.observers {
            if observer.notice(event).is_break() {
                answer = ControlFlow::Break(());
            }
        }
        answer
    }

    fn save(&mut self, model: &LeNet5, progress: &Progress) -> Result<()> {
        self.files.save(model, progress)
    }
}

/// The folder of a run, and what its files say about it.
#[derive(Debug)]
struct Files {
    folder: RunFolder,
    identity: Identity,
    metadata: Metadata,
}

impl Files {
    /// Saves where the training stands, with the weights of the best epoch if it is the one just
    /// over; otherwise they are in their file already.
    fn save(&self, model: &LeNet5, progress: &Progress) -> Result<()> {
        let best = progress.best.as_ref();
        let weights =
            if best.is_none_or(|best| best.epoch == progress.epochs_done && progress.step == 0) {
                Some(chosen_weights(model, progress, &self.metadata)?)
            } else {
                None
            };
        let checkpoint = checkpoint::encode(model, progress, &self.identity)?;
        let steps = progress.steps_done;
        self.folder
            .save(&progress.history, weights.as_deref(), steps, &checkpoint)
    }
}

/// Fills in what the run itself knows of its environment.
fn complete(setup: &mut Setup) {
    let environment = &mut setup.environment;
    environment.engine = setup.backend.to_string();
    environment.instruction_set = Isa::current().name().to_owned();
    environment.cores = pool::cores();
    environment.physical_cores = pool::physical_cores();
    environment.precision = format!("{:?}", setup.config.precision).to_lowercase();
    environment.data = setup.images.record.clone();
}

/// What tells this training from others.
pub(crate) fn identity(setup: &Setup) -> Identity {
    let own = &setup.environment;
    let mut arithmetic = format!("{}, {} ({})", own.engine, own.device, own.instruction_set);
    // The engine computes equal bits on any number of threads, candle's operations do not.
    if matches!(setup.backend, Backend::Candle) {
        arithmetic.push_str(&format!(", {} threads", own.threads));
    }
    Identity {
        config: setup.config.clone(),
        from_sha256: setup.start.as_ref().map(|start| start.sha256.clone()),
        train_images: setup.images.train.len(),
        validation_images: setup.images.validation.len(),
        data_sha256: setup.images.record.sha256.clone(),
        arithmetic,
    }
}

/// The bytes of `model.safetensors`: the parameters of the best epoch, or the model's own before the
/// first epoch is over.
fn chosen_weights(model: &LeNet5, progress: &Progress, metadata: &Metadata) -> Result<Vec<u8>> {
    let model = match &progress.best {
        None => model.clone(),
        Some(best) => {
            let names = model.parameters().iter().map(|(name, _)| name);
            let named: BTreeMap<&str, &Tensor> = names.zip(&best.parameters).collect();
            LeNet5::from_tensors(model.architecture(), |name| {
                named.get(name).copied().cloned()
            })?
        }
    };
    let metadata = metadata.clone();
    Weights { model, metadata }.to_bytes()
}

/// Notes which checkpoints of a folder are whole. The others are not the run's.
///
/// # Errors
/// [`Kind::Io`] if their folder cannot be read.
pub fn note_whole_checkpoints(folder: &RunFolder) -> Result<()> {
    for (steps, path) in folder.checkpoints()? {
        if read_checkpoint(steps, &path).is_ok() {
            folder.note_whole(steps);
        }
    }
    Ok(())
}

/// A checkpoint that is whole, of the steps that its name says.
fn read_checkpoint(steps: u64, path: &Path) -> Result<Vec<u8>> {
    let bytes = lenet_files::read(path, MAX_FILE_BYTES)?;
    if checkpoint::steps(&bytes)? != steps {
        let message = "a checkpoint of other steps than its name says";
        return Err(Error::input(message));
    }
    Ok(bytes)
}

/// Sets the model to the newest checkpoint that is whole, and returns its progress. Damaged ones are
/// warned of and skipped.
fn newest_checkpoint(
    folder: &Path,
    model: &LeNet5,
    identity: &Identity,
    other: OtherTraining,
    note_whole: impl Fn(u64),
) -> Result<Progress> {
    let checkpoints = checkpoints(folder)?;
    if checkpoints.is_empty() {
        tracing::info!("there is no checkpoint yet: the training starts from the beginning");
        return Ok(Progress::default());
    }
    let (mut newest, mut reasons) = (None, String::new());
    for (steps, path) in checkpoints {
        let read = read_checkpoint(steps, &path).and_then(|bytes| {
            if newest.is_none() {
                newest = Some(checkpoint::decode(&bytes, model, identity, other)?);
            }
            Ok(())
        });
        match read {
            Ok(()) => note_whole(steps),
            Err(error) if error.kind() == Kind::Usage => return Err(error),
            Err(error) => {
                tracing::warn!(?path, %error, "checkpoint skipped");
                reasons.push_str(&format!("\n  {path:?}: {error}"));
            }
        }
    }
    newest.ok_or_else(|| {
        let message = format!("no checkpoint to resume from{reasons}");
        Error::input(message).at(folder)
    })
}
