//! The commands: each resolves its arguments once, and passes plain values to the libraries.

pub mod checks;
pub mod compare;
pub mod completions;
mod contents;
pub mod data;
pub mod eval;
pub mod export;
pub mod predict;
pub mod report;
pub mod reproduce;
pub mod serve;
mod show;
pub mod summary;
pub mod sweep;
pub mod train;

use std::ffi::OsStr;
use std::path::Path;

use candle_core::Device;
use lenet_data::{Dataset, Loaded, Reading, Search, Source};
use lenet_files::{Error, Kind, printable};
use lenet_model::{Metadata, Weights};
use lenet_picture::Preparation;
use lenet_run::Keep;
use lenet_train::Config;

use crate::arguments::{DataArguments, Hardware, Verbosity};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use crate::signals::StopFlag;
use train::Context;

/// The data set that a command was asked for, else the model's, else MNIST.
fn source(arguments: &DataArguments, of_model: Option<&Metadata>) -> Outcome<Source> {
    match &arguments.dataset {
        Some(source) => Ok(source.clone()),
        None => {
            let of_model = of_model.and_then(|model| model.dataset.as_deref());
            recorded_source(of_model.unwrap_or("mnist"), None)
        }
    }
}

/// The data set that a network or a run has a record of; the digests decide whether it is the same.
fn recorded_source(name: &str, run: Option<&Path>) -> Outcome<Source> {
    let path = match Source::parse(OsStr::new(name)) {
        Ok(Source::Own(path)) => path,
        Ok(known) => return Ok(known),
        // A name without a separator is a path only where something has it.
        Err(_) => name.into(),
    };
    let found = match run {
        Some(run) => train::configuration::path_of_run(run, &path),
        None => path.exists().then(|| path.clone()),
    };
    found.map(Source::Own).ok_or_else(|| {
        let message = "the data that it was trained on are not here: name where they are now with \
                       --dataset";
        Error::new(Kind::Io, message).at(&path).into()
    })
}

/// The same, read whole; pictures are prepared as told.
fn load_data(
    arguments: &DataArguments,
    of_model: Option<&Metadata>,
    pictures: Option<Preparation>,
) -> Outcome<(Source, Loaded)> {
    let source = source(arguments, of_model)?;
    let of_model = of_model.filter(|_| arguments.dataset.is_none());
    let reading = Reading {
        pictures,
        strict: arguments.strict,
        transposed: (arguments.transposed()).or_else(|| of_model?.transposed),
    };
    let loaded = source.load(&Search::new(arguments.data_dir.clone()), reading)?;
    Ok((source, loaded))
}

/// The data that a configuration asks for.
fn load_for(config: &Config, source: &Source, search: &Search, strict: bool) -> Outcome<Loaded> {
    let reading = Reading {
        pictures: config.pictures,
        strict,
        transposed: config.transposed,
    };
    Ok(source.load(search, reading)?)
}

/// A training by this hardware of which these files are kept.
fn context<'a>(hardware: &Hardware, keep: Keep, shown: &'a Verbosity) -> Outcome<Context<'a>> {
    Ok(Context {
        threads: set_threads(hardware.threads)?,
        backend: hardware.backend(),
        device: hardware.device,
        tensorboard: false,
        keep,
        lines: None,
        shown: Some(shown),
        stop: StopFlag::install()?,
    })
}

/// How pictures become this network's images: as in its training, unless a flag says otherwise.
fn preparation(metadata: &Metadata, flag: Option<Preparation>) -> Option<Preparation> {
    let trained = metadata.preparation;
    if let (Some(flag), Some(trained)) = (flag, trained)
        && flag != trained
    {
        tracing::warn!(
            "the network was trained on pictures prepared as `{}`, and --pictures says `{}`",
            trained.name(),
            flag.name()
        );
    }
    flag.or(trained)
}

/// Refuses images of other classes than the network's.
fn check_classes(source: &Source, dataset: &Dataset, weights: &Weights) -> Outcome<()> {
    let (found, expected) = (dataset.classes(), weights.metadata.architecture.classes);
    if found == expected {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} has {found} classes, the network distinguishes {expected}: name other data with \
         --dataset, or another network with --model",
        printable(source.name(), &[])
    )))
}

/// What files and folders about a data set are named after.
fn short_name(source: &Source) -> String {
    match source {
        Source::Known(spec) => spec.name.to_owned(),
        Source::Own(_) => source.title(),
    }
}

/// The weights in a file, or in a run folder; the embedded ones without a path. Warns of what is
/// assumed about weights of another program.
fn load_weights(path: Option<&Path>, device: &Device) -> Outcome<Weights> {
    let weights = read_weights(path, device)?;
    warn_of_assumptions(path, &weights);
    Ok(weights)
}

fn warn_of_assumptions(path: Option<&Path>, weights: &Weights) {
    let Metadata {
        assumed,
        architecture,
        layer_names,
        ..
    } = &weights.metadata;
    if let (true, Some(path)) = (assumed, path) {
        let layers = if layer_names.is_empty() {
            String::new()
        } else {
            format!(", and which tensors are its five layers: those of {layer_names:?}")
        };
        tracing::warn!(
            "{path:?} has no lenet metadata. Its shapes tell: padding {}, {} classes{layers}. Assumed: \
             relu, average pooling, pixels scaled to [0, 1], classes named by their numbers. If that \
             is wrong, state it with --activation, --mean, --std or --class-names of `lenet export \
             --format safetensors`; a network trained with max-pooling cannot be used",
            architecture.padding,
            architecture.classes
        );
    }
}

/// As [`load_weights`], without a warning.
fn read_weights(path: Option<&Path>, device: &Device) -> Outcome<Weights> {
    Ok(lenet_train::read_weights(path, device)?.folded()?)
}
