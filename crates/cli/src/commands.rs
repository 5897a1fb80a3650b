//! The commands: each resolves its arguments once, and hands plain values to the libraries.

pub mod checks;
pub mod compare;
pub mod completions;
pub mod data;
pub mod eval;
pub mod export;
pub mod predict;
pub mod report;
pub mod serve;
pub mod show;
pub mod summary;
pub mod train;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use candle_core::Device;
use lenet_data::Source;
use lenet_model::{Metadata, Weights, pretrained};

use crate::failure::Outcome;

/// The data set that a command was asked for, else that of the model, else MNIST.
fn source(named: Option<&OsStr>, of_model: Option<&str>) -> Outcome<Source> {
    let name = named.or(of_model.map(OsStr::new));
    Ok(Source::parse(name.unwrap_or(OsStr::new("mnist")))?)
}

/// What files and folders that are about a data set are called after.
fn short_name(source: &Source) -> String {
    match source {
        Source::Known(spec) => spec.name.to_owned(),
        Source::Own(_) => source.title(),
    }
}

/// The weights in a file, or in the run folder that the path names; without one, those that come
/// with the program.
fn load_weights(path: Option<&Path>, device: &Device) -> Outcome<Weights> {
    let weights = read_weights(path, device)?;
    warn_of_assumptions(path.unwrap_or(Path::new("")), &weights);
    Ok(weights)
}

/// Says what was taken for granted about weights of another program.
fn warn_of_assumptions(path: &Path, weights: &Weights) {
    let Metadata {
        assumed,
        architecture,
        ..
    } = &weights.metadata;
    if *assumed {
        tracing::warn!(
            "{path:?} has no metadata of lenet. By its shapes: padding {}, {} classes. Assumed: \
             relu, pixels scaled to [0, 1], classes named by their numbers; `lenet export --format \
             safetensors` with --activation, --mean, --std or --class-names writes down what is so",
            architecture.padding,
            architecture.classes
        );
    }
}

/// As [`load_weights`], without a word.
fn read_weights(path: Option<&Path>, device: &Device) -> Outcome<Weights> {
    let Some(path) = path else {
        return Ok(pretrained::mnist(device)?);
    };
    let file: PathBuf = if path.is_dir() {
        path.join("model.safetensors")
    } else {
        path.to_owned()
    };
    Ok(Weights::load(&file, device)?)
}
