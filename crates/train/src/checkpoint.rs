//! Where a training stands, on disk: one file that holds all that it needs to continue.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};
use lenet_files::{Error, Result, printable};
use lenet_model::store::{self, Tensors};
use lenet_model::{LeNet5, Parameters};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Config;
use crate::plan::Plan;
use crate::progress::Progress;

/// The format that this release writes and reads.
const FORMAT: u32 = 2;

/// What must be the same for a training to continue from a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The configuration.
    pub config: Config,
    /// SHA-256 of the weights that it started from.
    #[serde(default)]
    pub from_sha256: Option<String>,
    /// Number of images to train on.
    pub train_images: usize,
    /// Number of images held out.
    pub validation_images: usize,
    /// SHA-256 of the data set's files, by their names.
    pub data_sha256: BTreeMap<String, String>,
    /// What computes: engine, device, instruction set and threads. Another one may continue, but not
    /// to the same bits.
    pub arithmetic: String,
}

/// What to do with a checkpoint of another configuration or other data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTraining {
    /// Refuse it.
    Refuse,
    /// Continue from it, with a warning.
    Accept,
}

/// The object of a checkpoint's file; the tensors are beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Numbers {
    format: u32,
    lenet_version: String,
    identity: Identity,
    progress: Progress,
}

// What the tensors are, before the name of their parameter.
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
    let means = progress.average.means.iter().map(Vec::as_slice);
    put(AVERAGE, &parameters.tensors(means)?);
    if let Some(best) = &progress.best {
        put(BEST, &best.parameters);
    }
    let numbers = Numbers {
        format: FORMAT,
        lenet_version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: identity.clone(),
        progress: progress.clone(),
    };
    store::encode(&tensors, &numbers)
}

/// Reads a whole checkpoint, and only then sets the model's parameters to those in it.
///
/// # Errors
/// [`Kind::Input`](lenet_files::Kind::Input) for bytes that are not a checkpoint of this release, or
/// a damaged one; [`Kind::Usage`](lenet_files::Kind::Usage) if the training is another one and that
/// is to be refused. The model is then as it was.
pub fn decode(
    bytes: &[u8],
    model: &LeNet5,
    identity: &Identity,
    other: OtherTraining,
) -> Result<Progress> {
    let (numbers, mut tensors) = contents(bytes, model.device())?;
    let mut progress = numbers.progress;
    let is_same = check_identity(identity, &numbers.identity, &progress, other)?;
    progress.not_identical |= !is_same;

    let mut take = |prefix| take_all(&mut tensors, prefix, model.parameters());
    let parameters = take(PARAMETERS)?;
    if let Some(optimizer) = &mut progress.optimizer {
        optimizer.first_moments = take(FIRST_MOMENTS)?;
        optimizer.second_moments = take(SECOND_MOMENTS)?;
    }
    if progress.average.count > 0 {
        progress.average.means = take(AVERAGE)?
            .iter()
            .map(|mean| mean.flatten_all()?.to_vec1())
            .collect::<candle_core::Result<_>>()?;
    }
    if let Some(best) = &mut progress.best {
        best.parameters = take(BEST)?;
    }
    if let Some(name) = tensors.keys().next() {
        return Err(unreadable(&format!(
            "it has an unknown tensor {}",
            printable(name, &[])
        )));
    }
    let classes = model.architecture().classes;
    if (progress.epoch_metrics.as_ref()).is_some_and(|metrics| !metrics.fit(classes)) {
        return Err(unreadable("its confusion matrix has another size"));
    }
    model.parameters().restore(&parameters)?;
    Ok(progress)
}

/// The steps that a whole checkpoint stands for, whatever its training.
///
/// # Errors
/// [`Kind::Input`](lenet_files::Kind::Input) as [`decode`].
pub fn steps(bytes: &[u8]) -> Result<u64> {
    Ok(contents(bytes, &Device::Cpu)?.0.progress.steps_done)
}

fn contents(bytes: &[u8], device: &Device) -> Result<(Numbers, Tensors)> {
    let contents = store::decode(bytes, device)?;
    let object = contents
        .object
        .ok_or_else(|| unreadable("it has no metadata of lenet"))?;
    store::check_format(&object, FORMAT)?;
    if let Some(format) = object.get("format").filter(|&format| *format != FORMAT) {
        return Err(Error::input(format!(
            "written in format {format} by an earlier release of lenet; this one reads {FORMAT}"
        )));
    }
    let numbers = serde_json::from_value(object).map_err(|error| unreadable(&error.to_string()))?;
    Ok((numbers, contents.tensors))
}

fn unreadable(reason: &str) -> Error {
    Error::input(format!("the checkpoint cannot be read: {reason}"))
}

/// Whether a training that continues from a stored one is the same as one without an interruption;
/// the error is that it may not continue.
fn check_identity(
    identity: &Identity,
    stored: &Identity,
    progress: &Progress,
    other: OtherTraining,
) -> Result<bool> {
    if identity.arithmetic != stored.arithmetic {
        tracing::warn!(
            before = stored.arithmetic,
            now = identity.arithmetic,
            "the result will not be bit-identical to that of an uninterrupted training"
        );
    }
    let differences = differences(stored, identity)?;
    if differences.is_empty() {
        return Ok(identity.arithmetic == stored.arithmetic);
    }
    let [before, now] = [stored, identity].map(|identity| {
        let plan = Plan::new(&identity.config, identity.train_images);
        plan.learning_rate(progress)
    });
    let learning_rate = if before == now {
        format!("the learning rate of the next step stays {now}")
    } else {
        format!("the learning rate of the next step becomes {now} instead of {before}")
    };
    match other {
        OtherTraining::Refuse => Err(Error::usage(format!(
            "The checkpoint has other settings ({differences}). Resuming would not equal one \
             uninterrupted training; {learning_rate}. Pass --force-config to resume anyway."
        ))),
        OtherTraining::Accept => {
            tracing::warn!(
                "the checkpoint has other settings ({differences}): the result will not equal that \
                 of one uninterrupted training; {learning_rate}"
            );
            Ok(false)
        }
    }
}

/// What differs between a stored training and this one: `epochs: 50, now 2`. What computes is not a
/// difference: it may continue, but not to the same bits.
fn differences(stored: &Identity, now: &Identity) -> Result<String> {
    // Where files are does not change results: the digests of what is in them decide.
    let is_same_data = stored.data_sha256 == now.data_sha256;
    let is_same_start = stored.from_sha256 == now.from_sha256;
    let values = |identity: &Identity| -> Result<BTreeMap<String, Value>> {
        let mut identity = identity.clone();
        identity.arithmetic.clear();
        // Does not change results.
        identity.config.checkpoint_every = None;
        if is_same_data {
            identity.config.dataset.clear();
        }
        if is_same_start {
            identity.config.from = None;
        }
        let object = serde_json::to_value(identity)
            .map_err(|error| Error::internal("JSON").caused_by(error))?;
        let mut values = BTreeMap::new();
        flatten("", object, &mut values);
        Ok(values)
    };
    let (stored, now) = (values(stored)?, values(now)?);
    let names: BTreeSet<&String> = stored.keys().chain(now.keys()).collect();
    let text = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
    let differences: Vec<String> = names
        .into_iter()
        .map(|name| (name, stored.get(name), now.get(name)))
        .filter(|(_, stored, now)| stored != now)
        .map(|(name, stored, now)| {
            let name = name.trim_start_matches("config.");
            format!("{name}: {}, now {}", text(stored), text(now))
        })
        .collect();
    Ok(differences.join("; "))
}

/// The values of an object by their dotted names.
fn flatten(prefix: &str, value: Value, to: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, to);
            }
        }
        value => {
            to.insert(prefix.to_owned(), value);
        }
    }
}

/// Takes the tensors of one prefix, in the order of the parameters and of their shapes.
fn take_all(tensors: &mut Tensors, prefix: &str, parameters: &Parameters) -> Result<Vec<Tensor>> {
    let mut taken = Vec::new();
    for (name, var) in parameters.iter() {
        let name = format!("{prefix}{name}");
        let tensor = tensors
            .remove(&name)
            .ok_or_else(|| unreadable(&format!("it has no tensor {name}")))?;
        if tensor.dims() != var.dims() {
            let (found, expected) = (tensor.dims(), var.dims());
            return Err(unreadable(&format!(
                "its tensor {name} has the shape {found:?}, expected {expected:?}"
            )));
        }
        taken.push(tensor);
    }
    Ok(taken)
}
