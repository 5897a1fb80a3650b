//! Where a training stands, on disk: one file that holds all that it needs to go on.

use std::collections::BTreeMap;

use candle_core::Tensor;
use lenet_model::store::{self, Tensors};
use lenet_model::{LeNet5, Parameters};
use serde::{Deserialize, Serialize};

use crate::event::{Epoch, Scores};
use crate::progress::{Best, Progress};
use crate::{AdamState, Config, Error, Metrics, Result};

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
    /// Whether a training of this identity may go on from a checkpoint of the other.
    fn check(&self, stored: &Identity) -> Result<()> {
        let [now, then] = [self, stored].map(|identity| {
            serde_json::to_value(identity).map_err(|error| Error::CheckpointForm(error.to_string()))
        });
        let (now, then) = (now?, then?);
        if self.arithmetic != stored.arithmetic {
            tracing::warn!(
                before = stored.arithmetic,
                now = self.arithmetic,
                "the result will not be bit-identical to that of an uninterrupted training"
            );
        }
        let (Some(now), Some(then)) = (now.as_object(), then.as_object()) else {
            return Ok(());
        };
        for (what, now) in now.iter().filter(|(what, _)| *what != "arithmetic") {
            let then = then.get(what).unwrap_or(&serde_json::Value::Null);
            let (now_fields, then_fields) = match (now.as_object(), then.as_object()) {
                (Some(now), Some(then)) => (now.clone(), then.clone()),
                _ => {
                    let single = |value| serde_json::Map::from_iter([(what.clone(), value)]);
                    (single(now.clone()), single(then.clone()))
                }
            };
            let names = now_fields.keys().chain(then_fields.keys());
            for name in names {
                let of = |fields: &serde_json::Map<_, serde_json::Value>| {
                    fields
                        .get(name)
                        .map_or("absent".to_owned(), ToString::to_string)
                };
                if of(&now_fields) != of(&then_fields) {
                    return Err(Error::OtherTraining {
                        what: name.clone(),
                        stored: of(&then_fields),
                        now: of(&now_fields),
                    });
                }
            }
        }
        Ok(())
    }
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
    if let Some(adam) = &progress.adam {
        put(FIRST_MOMENTS, &adam.first_moments);
        put(SECOND_MOMENTS, &adam.second_moments);
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
        adam_step: progress.adam.as_ref().map(|adam| adam.step),
        history: progress.history.clone(),
        best: progress
            .best
            .as_ref()
            .map(|best| (best.epoch, best.validation)),
    };
    let numbers = serde_json::to_value(&numbers).map_err(lenet_model::Error::from)?;
    Ok(store::encode(&tensors, numbers)?)
}

/// Reads a checkpoint whole, and only then sets the model's parameters to those in it.
///
/// # Errors
/// Bytes that are no checkpoint or a damaged one, and [`Error::OtherTraining`]; the model is then
/// as it was.
pub fn decode(bytes: &[u8], model: &LeNet5, identity: &Identity) -> Result<Progress> {
    let contents = store::decode(bytes, model.device())?;
    let object = contents
        .object
        .ok_or_else(|| Error::CheckpointForm("it lacks lenet's metadata".to_owned()))?;
    let format = object.get("format").and_then(serde_json::Value::as_u64);
    if let Some(format) = format.filter(|&format| format > u64::from(FORMAT)) {
        return Err(Error::Model(lenet_model::Error::Version {
            found: u32::try_from(format).unwrap_or(u32::MAX),
            supported: FORMAT,
        }));
    }
    let numbers: Numbers =
        serde_json::from_value(object).map_err(|error| Error::CheckpointForm(error.to_string()))?;
    identity.check(&numbers.identity)?;

    let mut tensors = contents.tensors;
    let mut take = |prefix| take_all(&mut tensors, prefix, model.parameters());
    let parameters = take(PARAMETERS)?;
    let adam = match numbers.adam_step {
        Some(step) => Some(AdamState {
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
    if let Some(name) = tensors.keys().next() {
        return Err(Error::Model(lenet_model::Error::ExtraTensor {
            name: name.clone(),
        }));
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
        adam,
        history: numbers.history,
        best,
    })
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
            return Err(Error::Model(lenet_model::Error::Shape {
                name: full,
                expected: var.dims().to_vec(),
                found: tensor.dims().to_vec(),
            }));
        }
        taken.push(tensor);
    }
    Ok(taken)
}
