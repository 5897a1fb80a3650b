//! What follows the last step of an epoch.

use lenet_files::{Error, Kind, Result};
use lenet_model::LeNet5;
use lenet_run::{Epoch, Scores, is_better};

use super::{Training, divergence, scores};
use crate::evaluate::evaluate;
use crate::progress::{Best, Progress};
use crate::step::sum_of_squares;

/// Validates the epoch whose last step is made, and moves the progress to the next.
pub(super) fn end(
    training: &Training<'_>,
    progress: &mut Progress,
    learning_rate: f64,
) -> Result<Epoch> {
    let (model, validation) = (training.model, training.validation);
    let parameters = model.parameters();
    let epoch = progress.epochs_done + 1;
    let trained = parameters.snapshot()?;
    // The average, once there is one, is what is validated and kept; the training continues with its
    // own parameters.
    if progress.average.count > 0 {
        parameters.set_values(progress.average.means.iter().map(Vec::as_slice))?;
    }
    let normalization = training.config.normalization();
    let validated = evaluate(model, training.backend, validation, normalization)?;
    let validated = (!validation.is_empty()).then(|| scores(&validated));
    check_outcome(model, epoch, validated)?;
    let classes = model.architecture().classes;
    let trained_scores = scores(progress.metrics(classes));
    let best = progress.best.as_ref();
    let is_best = trained_scores.loss <= divergence::limit(classes)
        && best.is_none_or(|best| is_better(validated, best.validation));
    if is_best {
        progress.best = Some(Best {
            epoch,
            validation: validated,
            parameters: parameters.snapshot()?,
        });
    }
    parameters.restore(&trained)?;

    let seconds = progress.epoch_seconds;
    let metrics = progress.metrics(classes);
    let row = Epoch {
        epoch,
        train: trained_scores,
        validation: validated,
        learning_rate,
        seconds,
        images_per_second: metrics.count() as f64 / seconds,
        is_best,
    };
    progress.end_epoch(row.clone());
    Ok(row)
}

/// Stops a training whose last step, finite in itself, left a network whose outputs are not: neither
/// its weights nor its checkpoint would be of use.
fn check_outcome(model: &LeNet5, epoch: u32, validated: Option<Scores>) -> Result<()> {
    let not_finite = |what: &str, value: f64| {
        let message = format!(
            "the training diverged in epoch {epoch}: {what} is {value} after its last step; a \
             smaller learning rate may help"
        );
        Err(Error::new(Kind::Diverged, message))
    };
    for (name, var) in model.parameters().iter() {
        let sum = sum_of_squares(var)?;
        if !sum.is_finite() {
            return not_finite(name, f64::from(sum));
        }
    }
    match validated {
        Some(scores) if !scores.loss.is_finite() => not_finite("the validation loss", scores.loss),
        _ => Ok(()),
    }
}
