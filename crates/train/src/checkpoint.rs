//! Where a training stands, on disk: one file that holds all that it needs to go on.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;
use lenet_model::store::{self, Tensors};
use lenet_model::{LeNet5, Parameters};
use lenet_run::{Epoch, Scores};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::plan::Plan;
use crate::progress::{Best, Progress};
use crate::{Config, Error, Metrics, OptimizerState, Result};

/// The format that this release writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// What must be the same for a training to go on from a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The configuration.
    pub config: Config,
    /// Number of images to train on.
    pub train_images: usize,
    /// Number of images held out.
    pub validation_images: usize,
    /// SHA-256 of the data set's files, by their names.
    pub data_sha256: BTreeMap<String, String>,
    /// What computes: engine, device, instruction set and threads. Another one may go on, but not to
    /// the same bits.
    pub arithmetic: String,
}

impl Identity {
    /// What differs between this training and a stored one, a line each: `epochs was 10, now it is
    /// 20`. What computes is no difference: that goes on, but not to the same bits.
    fn differences(&self, stored: &Identity) -> Result<Vec<String>> {
        let fields = |identity: &Identity| -> Result<BTreeMap<String, String>> {
            let form = |error: serde_json::Error| Error::CheckpointForm(error.to_string());
            let config = Config {
                // Changes no result.
                checkpoint_every: None,
                ..identity.config.clone()
            };
            let others = serde_json::json!({
                "train_images": identity.train_images,
                "validation_images": identity.validation_images,
                "data_sha256": identity.data_sha256,
            });
            let mut all = BTreeMap::new();
            flatten("", &serde_json::to_value(config).map_err(form)?, &mut all);
            flatten("", &others, &mut all);
            Ok(all)
        };
        let (now, then) = (fields(self)?, fields(stored)?);
        let names: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
        let of = |fields: &BTreeMap<String, String>, name: &str| {
            fields.get(name).map_or("absent", String::as_str).to_owned()
        };
        let differing = names
            .into_iter()
            .filter(|name| of(&now, name) != of(&then, name));
        Ok(differing
            .map(|name| {
                format!(
                    "{name} was {}, now it is {}",
                    of(&then, name),
                    of(&now, name)
                )
            })
            .collect())
    }
}

/// The values of an object by their dotted names.
fn flatten(prefix: &str, value: &serde_json::Value, to: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, to);
            }
        }
        value => {
            to.insert(prefix.to_owned(), value.to_string());
        }
    }
}

/// What to do with a checkpoint of another configuration or other data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTraining {
    /// Refuse it.
    Refuse,
    /// Go on all the same, with a warning.
    Accept,
}

/// The numbers of a checkpoint; the tensors stand beside them.
#[derive(Debug, Serialize, Deserialize)]
struct Numbers {
    format: u32,
    lenet_version: String,
    identity: Identity,
    epochs_done: u32,
    step: usize,
    steps_done: u64,
    epoch_seconds: f64,
    epoch_metrics: Option<Sums>,
    adam_step: Option<u64>,
    history: Vec<Epoch>,
    best: Option<(u32, Option<Scores>)>,
    /// How many parameters the average is of.
    #[serde(default)]
    averaged: u64,
    #[serde(default)]
    not_identical: bool,
}

/// [`Metrics`] as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct Sums {
    loss_sum: f64,
    confusion: Vec<Vec<u64>>,
}

const PARAMETERS: &str = "parameters/";
const FIRST_MOMENTS: &str = "adam.first_moment/";
const SECOND_MOMENTS: &str = "adam.second_moment/";
const BEST: &str = "best/";
const AVERAGE: &str = "average/";

/// The bytes of a checkpoint.
///
/// # Errors
/// Tensors that cannot be read from their device.
pub fn encode(model: &LeNet5, progress: &Progress, identity: &Identity) -> Result<Vec<u8>> {
    let parameters = model.parameters();
    let mut tensors = Tensors::new();
    let mut put = |prefix: &str, values: &[Tensor]| {
        for ((name, _), value) in std::iter::zip(parameters.iter(), values) {
            tensors.insert(format!("{prefix}{name}"), value.clone());
        }
    };
    put(PARAMETERS, &parameters.snapshot()?);
    if let Some(optimizer) = &progress.optimizer {
        put(FIRST_MOMENTS, &optimizer.first_moments);
        put(SECOND_MOMENTS, &optimizer.second_moments);
    }
    if progress.average.count > 0 {
        let shaped = std::iter::zip(&progress.average.means, parameters.iter());
        let shaped = shaped.map(|(means, (_, var))| {
            Tensor::from_slice(means, var.shape(), &candle_core::Device::Cpu)
        });
        put(AVERAGE, &shaped.collect::<candle_core::Result<Vec<_>>>()?);
    }
    if let Some(best) = &progress.best {
        put(BEST, &best.parameters);
    }
    let numbers = Numbers {
        format: FORMAT,
        lenet_version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: identity.clone(),
        epochs_done: progress.epochs_done,
        step: progress.step,
        steps_done: progress.steps_done,
        epoch_seconds: progress.epoch_seconds,
        epoch_metrics: progress.epoch_metrics.as_ref().map(|metrics| Sums {
            loss_sum: metrics.loss_sum(),
            confusion: metrics.confusion(),
        }),
        adam_step: progress.optimizer.as_ref().map(|state| state.step),
        history: progress.history.clone(),
        best: progress
            .best
            .as_ref()
            .map(|best| (best.epoch, best.validation)),
        averaged: progress.average.count,
        not_identical: progress.not_identical,
    };
    Ok(store::encode(&tensors, &numbers)?)
}

/// Reads a checkpoint whole, and only then sets the model's parameters to those in it.
///
/// # Errors
/// Bytes that are no checkpoint or a damaged one, and [`Error::OtherTraining`] where the training is
/// another one and that is to be refused; the model is then as it was.
pub fn decode(
    bytes: &[u8],
    model: &LeNet5,
    identity: &Identity,
    other: OtherTraining,
) -> Result<Progress> {
    let contents = store::decode(bytes, model.device())?;
    let object = contents
        .object
        .ok_or_else(|| Error::CheckpointForm("it lacks lenet's metadata".to_owned()))?;
    store::check_format(&object, FORMAT)?;
    let numbers: Numbers =
        serde_json::from_value(object).map_err(|error| Error::CheckpointForm(error.to_string()))?;
    let is_same = check_identity(identity, &numbers, other)?;

    let mut tensors = contents.tensors;
    let mut take = |prefix| take_all(&mut tensors, prefix, model.parameters());
    let parameters = take(PARAMETERS)?;
    let optimizer = match numbers.adam_step {
        Some(step) => Some(OptimizerState {
            step,
            first_moments: take(FIRST_MOMENTS)?,
            second_moments: take(SECOND_MOMENTS)?,
        }),
        None => None,
    };
    let best = match numbers.best {
        Some((epoch, validation)) => Some(Best {
            epoch,
            validation,
            parameters: take(BEST)?,
        }),
        None => None,
    };
    let means = match numbers.averaged {
        0 => Vec::new(),
        _ => {
            let tensors = take(AVERAGE)?;
            let values = tensors.iter().map(|tensor| tensor.flatten_all()?.to_vec1());
            values.collect::<candle_core::Result<_>>()?
        }
    };
    if let Some(name) = tensors.keys().next() {
        return Err(Error::CheckpointForm(format!(
            "the tensor {name} does not belong to it"
        )));
    }
    let epoch_metrics = match numbers.epoch_metrics {
        Some(sums) => {
            let metrics = Metrics::from_parts(sums.loss_sum, &sums.confusion)
                .filter(|_| sums.confusion.len() == model.architecture().classes)
                .ok_or_else(|| Error::CheckpointForm("its confusion matrix is torn".to_owned()))?;
            Some(metrics)
        }
        None => None,
    };
    model.parameters().restore(&parameters)?;
    Ok(Progress {
        epochs_done: numbers.epochs_done,
        step: numbers.step,
        steps_done: numbers.steps_done,
        epoch_metrics,
        epoch_seconds: numbers.epoch_seconds,
        optimizer,
        average: Average {
            count: numbers.averaged,
            means,
        },
        history: numbers.history,
        best,
        not_identical: numbers.not_identical || !is_same,
    })
}

/// Whether a training that goes on from the numbers of a checkpoint is the same as one without an
/// interruption; the error is that it may not go on.
fn check_identity(identity: &Identity, numbers: &Numbers, other: OtherTraining) -> Result<bool> {
    let stored = &numbers.identity;
    if identity.arithmetic != stored.arithmetic {
        tracing::warn!(
            before = stored.arithmetic,
            now = identity.arithmetic,
            "the result will not be bit-identical to that of an uninterrupted training"
        );
    }
    let differences = identity.differences(stored)?;
    if differences.is_empty() {
        return Ok(identity.arithmetic == stored.arithmetic);
    }
    let position = Progress {
        steps_done: numbers.steps_done,
        history: numbers.history.clone(),
        ..Progress::default()
    };
    let [before, now] = [stored, identity].map(|identity| {
        let plan = Plan::new(&identity.config, identity.train_images);
        plan.learning_rate(&position)
    });
    let schedule = match before == now {
        true => format!("the learning rate of the next step stays {now}"),
        false => format!("the learning rate of the next step becomes {now} instead of {before}"),
    };
    let differences = differences.join("; ");
    match other {
        OtherTraining::Refuse => Err(Error::OtherTraining {
            differences,
            schedule,
        }),
        OtherTraining::Accept => {
            tracing::warn!(
                "{differences}; {schedule}; the result is not that of one training from beginning \
                 to end"
            );
            Ok(false)
        }
    }
}

/// Takes the tensors of one prefix out, in the order of the parameters and of their shapes.
fn take_all(tensors: &mut Tensors, prefix: &str, parameters: &Parameters) -> Result<Vec<Tensor>> {
    let mut taken = Vec::new();
    for (name, var) in parameters.iter() {
        let full = format!("{prefix}{name}");
        let tensor = tensors
            .remove(&full)
            .ok_or_else(|| Error::CheckpointForm(format!("it lacks the tensor {full}")))?;
        if tensor.dims() != var.dims() {
            return Err(Error::CheckpointForm(format!(
                "its tensor {full} has the shape {:?}, expected {:?}",
                tensor.dims(),
                var.dims()
            )));
        }
        taken.push(tensor);
    }
    Ok(taken)
}
