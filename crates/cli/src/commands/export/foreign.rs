//! The network to export, also one that another program saved.

use candle_core::Device;
use lenet_model::{LeNet5, Weights};

use crate::arguments::{Export, Foreign};
use crate::commands::{read_weights, warn_of_assumptions};
use crate::failure::{Failure, Outcome};

pub fn load(arguments: &Export) -> Outcome<Weights> {
    let mut weights = read_weights(arguments.model.as_deref(), &Device::Cpu)?;
    let Foreign {
        activation,
        mean,
        std,
        class_names,
    } = &arguments.foreign;
    let flags = [
        ("--activation", activation.is_some()),
        ("--mean", mean.is_some()),
        ("--std", std.is_some()),
        ("--class-names", class_names.is_some()),
    ];
    let Some((flag, _)) = flags.into_iter().find(|&(_, given)| given) else {
        warn_of_assumptions(arguments.model.as_deref(), &weights);
        return Ok(weights);
    };
    if !weights.metadata.assumed {
        return Err(Failure::usage(format!(
            "{flag} is only for weights of other programs; this file has lenet's metadata"
        )));
    }
    let metadata = &mut weights.metadata;
    if let Some(activation) = *activation {
        metadata.architecture.activation = activation;
        let parameters = weights.model.parameters();
        weights.model = LeNet5::from_tensors(&metadata.architecture, |name| {
            Some(parameters.get(name)?.as_detached_tensor())
        })?;
    }
    let scaling = &mut metadata.input;
    scaling.mean = mean.unwrap_or(scaling.mean);
    scaling.std = std.unwrap_or(scaling.std);
    if !scaling.mean.is_finite() || !scaling.std.is_finite() || scaling.std == 0. {
        return Err(Failure::usage(
            "--mean and --std must be finite, and --std not 0",
        ));
    }
    if let Some(names) = class_names {
        let classes = metadata.architecture.classes;
        if names.len() != classes {
            return Err(Failure::usage(format!(
                "--class-names has {} names, the network {classes} classes",
                names.len()
            )));
        }
        metadata.class_names.clone_from(names);
    }
    // A user who gives one of the flags has considered the others.
    metadata.assumed = false;
    Ok(weights.folded()?)
}
