//! A training that starts from another network.

use std::path::Path;

use candle_core::{Device, Tensor};
use lenet_data::sha256;
use lenet_files::{Error, Result};
use lenet_model::{LeNet5, Weights, pretrained};
use lenet_picture::Normalization;
use lenet_run::name;

use crate::config::{Config, Scaling};

/// The weights in a file, or in a run folder; those inside the program without a path.
///
/// # Errors
/// Those of [`Weights::load`].
pub fn read_weights(path: Option<&Path>, device: &Device) -> Result<Weights> {
    match path {
        Some(path) if path.is_dir() => Weights::load(&path.join(name::WEIGHTS), device),
        Some(path) => Weights::load(path, device),
        None => pretrained::mnist(device),
    }
}

/// The network that a training starts from.
#[derive(Debug, Clone)]
pub struct Start {
    weights: Weights,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

impl Start {
    /// Reads the weights of a file, of a run folder, or those inside the program:
    /// [`Config::BUILT_IN`].
    ///
    /// # Errors
    /// Those of [`Weights::load`].
    pub fn load(from: &str) -> Result<Self> {
        let path = (from != Config::BUILT_IN).then_some(Path::new(from));
        let weights = read_weights(path, &Device::Cpu)?;
        let sha256 = sha256(&weights.to_bytes()?);
        Ok(Self { weights, sha256 })
    }

    /// Sets what the configuration has to have in common with the network: its form, its scaling and,
    /// if the configuration does not say, how pictures are prepared for it.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if the network subtracts a mean that is not MNIST's.
    pub fn set_form(&self, config: &mut Config) -> Result<()> {
        let metadata = &self.weights.metadata;
        config.padding = metadata.architecture.padding;
        config.activation = metadata.architecture.activation;
        config.pictures = config.pictures.or(metadata.preparation);
        let Normalization { mean, std } = metadata.input;
        config.scaling = if mean == Normalization::MNIST.mean {
            Scaling::Standard
        } else if mean != 0. {
            return Err(Error::usage(format!(
                "the network to start from subtracts a mean of {mean} from the pixels; a training \
                 subtracts none, or MNIST's"
            )));
        } else if std == Normalization::MNIST.std {
            Scaling::UnitDeviation
        } else {
            Scaling::Unit
        };
        Ok(())
    }

    /// Sets a fresh network to the one to start from, for the scaling of [`Start::set_form`]; other
    /// classes keep the fresh last layer.
    pub(crate) fn set_parameters(&self, model: &LeNet5, class_names: &[String]) -> Result<()> {
        let metadata = &self.weights.metadata;
        let other_classes = metadata.class_names != class_names;
        if other_classes {
            tracing::info!(
                "the network to start from has other classes: the last layer is a new one"
            );
        }
        let mut scaled = Config::default();
        self.set_form(&mut scaled)?;
        // (pixel - mean) / std * weight, with the deviation that the training divides by.
        let factor = f64::from(scaled.normalization().std / metadata.input.std);
        let parameters = model.parameters();
        let tensors = parameters.iter().map(|(name, own)| {
            let found = self.weights.model.parameters().get(name);
            let found = found.filter(|_| !(other_classes && name.starts_with("fc3")));
            let tensor = found.unwrap_or(own).as_detached_tensor();
            let factor = if name == "conv1.weight" { factor } else { 1. };
            Ok((tensor * factor)?.to_device(model.device())?)
        });
        parameters.restore(&tensors.collect::<Result<Vec<Tensor>>>()?)
    }
}
