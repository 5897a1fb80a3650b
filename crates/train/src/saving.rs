//! Where a training stands, from memory to the run's folder and back.

use std::collections::BTreeMap;

use candle_core::Tensor;
use lenet_files::read;
use lenet_model::{LeNet5, Metadata, Weights};
use lenet_run::{MAX_FILE_BYTES, RunFolder};

use crate::checkpoint::{self, Identity, OtherTraining};
use crate::progress::Progress;
use crate::{Error, Result};

/// Saves where the training stands, with the weights of the best epoch if it is the one just over.
///
/// # Errors
/// Those of [`RunFolder::save`], and tensors that cannot be read from their device.
pub fn save(
    folder: &RunFolder,
    model: &LeNet5,
    progress: &Progress,
    identity: &Identity,
    metadata: &Metadata,
) -> Result<()> {
    let best = progress.best.as_ref();
    // Otherwise the best epoch's parameters are in the file already.
    let weights =
        if best.is_none_or(|best| best.epoch == progress.epochs_done && progress.step == 0) {
            Some(chosen_weights(model, progress, metadata)?)
        } else {
            None
        };
    let checkpoint = checkpoint::encode(model, progress, identity)?;
    folder.save(
        &progress.history,
        weights.as_deref(),
        progress.steps_done,
        &checkpoint,
    )?;
    Ok(())
}

/// The bytes of `model.safetensors`: the parameters of the best epoch, or the model's own before the
/// first epoch is over.
///
/// # Errors
/// Tensors that cannot be read from their device.
pub fn chosen_weights(model: &LeNet5, progress: &Progress, metadata: &Metadata) -> Result<Vec<u8>> {
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
    Ok(Weights { model, metadata }.to_bytes()?)
}

/// Sets the model and the progress to the newest checkpoint that is whole; damaged ones are warned
/// of and skipped. A run that was interrupted before its first checkpoint starts from the beginning.
///
/// # Errors
/// [`Error::NoCheckpoint`] if there are some but none can be used; [`Error::OtherTraining`] if the
/// newest belongs to another configuration or other data, and that is to be refused.
pub fn resume(
    folder: &RunFolder,
    model: &LeNet5,
    identity: &Identity,
    other: OtherTraining,
) -> Result<Progress> {
    let paths = folder.checkpoints()?;
    if paths.is_empty() {
        tracing::info!("there is no checkpoint yet: the training starts from the beginning");
        return Ok(Progress::default());
    }
    let mut reasons = String::new();
    for path in paths {
        let decoded = read(&path, MAX_FILE_BYTES)
            .map_err(Error::from)
            .and_then(|bytes| checkpoint::decode(&bytes, model, identity, other));
        match decoded {
            Ok(progress) => return Ok(progress),
            Err(error @ Error::OtherTraining { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(?path, %error, "checkpoint skipped");
                reasons.push_str(&format!("\n  {path:?}: {error}"));
            }
        }
    }
    Err(Error::NoCheckpoint {
        path: folder.path().to_owned(),
        reasons,
    })
}
