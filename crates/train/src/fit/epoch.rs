//! What follows the last step of an epoch.

use lenet_data::Dataset;
use lenet_model::LeNet5;
use lenet_run::{Epoch, Scores, is_better};

use super::scores;
use crate::progress::Best;
use crate::stepper::{Stepper, sum_of_squares};
use crate::{Backend, Config, Error, Progress, Result, evaluate};

/// Validates the epoch whose last step is made, and moves the progress to the next.
pub(super) fn end(
    model: &LeNet5,
    backend: &Backend,
    validation: &Dataset,
    config: &Config,
    progress: &mut Progress,
    stepper: &Stepper<'_>,
    learning_rate: f64,
) -> Result<Epoch> {
    let epoch = progress.epochs_done + 1;
    let trained = model.parameters().snapshot()?;
    // What is validated and kept is the average, once there is one; training goes on with its own.
    if let Some(averaged) = stepper.averaged(model)? {
        model.parameters().restore(&averaged)?;
    }
    let validated = evaluate(model, backend, validation, config.normalization())?;
    let validated = (!validation.is_empty()).then(|| scores(&validated));
    check_outcome(model, epoch, validated)?;
    let best = progress.best.as_ref();
    let is_best = best.is_none_or(|best| is_better(validated, best.validation));
    if is_best {
        progress.best = Some(Best {
            epoch,
            validation: validated,
            parameters: model.parameters().snapshot()?,
        });
    }
    model.parameters().restore(&trained)?;

    let seconds = progress.epoch_seconds;
    let metrics = progress.metrics(model.architecture().classes);
    let row = Epoch {
        epoch,
        train: scores(metrics),
        validation: validated,
        learning_rate,
        seconds,
        images_per_second: metrics.count() as f64 / seconds,
        is_best,
    };
    progress.end_epoch(row.clone());
    Ok(row)
}

/// Stops a training whose last step, finite in itself, made a network that computes no numbers:
/// neither its weights nor its checkpoint would be of use.
fn check_outcome(model: &LeNet5, epoch: u32, validated: Option<Scores>) -> Result<()> {
    let not_finite = |what, value| Error::DivergedAfter { epoch, what, value };
    for (name, var) in model.parameters().iter() {
        let sum = sum_of_squares(var)?;
        if !sum.is_finite() {
            return Err(not_finite(name, f64::from(sum)));
        }
    }
    match validated {
        Some(scores) if !scores.loss.is_finite() => {
            Err(not_finite("the validation loss", scores.loss))
        }
        _ => Ok(()),
    }
}
