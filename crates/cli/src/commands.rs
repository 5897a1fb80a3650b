//! The commands: each resolves its arguments once, and hands plain values to the libraries.

pub mod checks;
pub mod completions;
pub mod data;
pub mod eval;
pub mod predict;
pub mod report;
pub mod show;
pub mod summary;
pub mod train;

use std::path::{Path, PathBuf};

use candle_core::Device;
use lenet_data::{DatasetSpec, Error, Normalization, registry};
use lenet_model::Weights;

use crate::failure::Outcome;

/// The registry's entry of a data set.
fn find_dataset(name: &str) -> Outcome<&'static DatasetSpec> {
    let spec = DatasetSpec::find(name).ok_or_else(|| {
        let known: Vec<&str> = registry::ALL.iter().map(|spec| spec.name).collect();
        Error::UnknownDataset {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })?;
    Ok(spec)
}

/// The weights in a file, or in the run folder that the path names.
fn load_weights(path: &Path, device: &Device) -> Outcome<Weights> {
    let file: PathBuf = if path.is_dir() {
        path.join("model.safetensors")
    } else {
        path.to_owned()
    };
    Ok(Weights::load(&file, device)?)
}

/// How the network of a weights file takes its input.
fn normalization(weights: &Weights) -> Normalization {
    let input = weights.metadata.input;
    Normalization {
        mean: input.mean,
        std: input.std,
    }
}
