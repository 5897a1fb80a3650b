//! The training loop.

use std::ops::ControlFlow;
use std::time::Instant;

use lenet_data::{Dataset, order};
use lenet_model::LeNet5;

use crate::event::{Epoch, Event, Observer, Scores, Started, Step, Untrained};
use crate::progress::{Best, Progress};
use crate::stepper::{Pass, Stepper, sum_of_squares};
use crate::{Config, Error, Metrics, Result, evaluate};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the last epoch. The model has the parameters that validation chose.
    Finished,
    /// Before, as an observer asked. The model has the parameters of the last step.
    Stopped,
}

/// Trains `model` on `train`, from where `progress` stands to the last epoch of `config`.
///
/// After each epoch the images of `validation` are evaluated; at the end the model gets the
/// parameters of the best epoch: the highest accuracy, and of equal ones the lowest loss. Without
/// validation images the last epoch counts as the best.
///
/// `save` is called with the progress after each epoch and after a stop; [`Progress`] holds all
/// that a later call needs to go on, bit for bit. Every event goes to each of the `observers`.
///
/// # Errors
/// [`Error::Diverged`] where the loss or a gradient is no number, before it reaches a parameter;
/// [`Error::DivergedAfter`] where an epoch leaves a network that computes none, before it is saved;
/// what `save` returns; candle's own, as for labels that the model has no output for.
pub fn fit(
    model: &LeNet5,
    train: &Dataset,
    validation: &Dataset,
    config: &Config,
    progress: &mut Progress,
    save: &mut dyn FnMut(&LeNet5, &Progress) -> Result<()>,
    observers: &mut [&mut dyn Observer],
) -> Result<Ending> {
    config.check()?;
    let steps_per_epoch = train.len().div_ceil(config.batch_size);
    let classes = model.architecture().classes;
    let mut stepper = Stepper::new(model, config, progress.adam.as_ref())?;

    let mut stop = tell(
        observers,
        &started(model, train, validation, config, progress),
    );
    if progress.steps_done == 0 && !train.is_empty() {
        let order = order(config.seed, 1, train.len());
        let first = &order[..config.batch_size.min(order.len())];
        let untrained = Untrained {
            loss: stepper.loss(train, first, classes)?,
            expected: (classes as f64).ln(),
        };
        stop |= tell(observers, &Event::Untrained(untrained));
    }

    while progress.epochs_done < config.epochs {
        let epoch = progress.epochs_done + 1;
        let order = order(config.seed, epoch, train.len());
        // Not more than there is: the progress may come from a file.
        let seen = progress.step.saturating_mul(config.batch_size);
        let left = order.get(seen..).unwrap_or_default();
        let mut metrics = progress
            .epoch_metrics
            .take()
            .unwrap_or_else(|| Metrics::new(classes));
        let seconds_before = progress.epoch_seconds;
        let images_before = metrics.count();
        let begun = Instant::now();

        for rows in left.chunks(config.batch_size) {
            if stop {
                break;
            }
            let pass = stepper.gradients(train, rows, &mut metrics)?;
            check_finite(model, &stepper, &pass, epoch, progress.step + 1, config)?;
            stepper.update()?;

            progress.step += 1;
            progress.steps_done += 1;
            progress.epoch_seconds = seconds_before + begun.elapsed().as_secs_f64();
            let images = (metrics.count() - images_before) as f64;
            let scores = scores(&metrics);
            stop = tell(
                observers,
                &Event::Step(Step {
                    epoch,
                    step: progress.step,
                    steps_per_epoch,
                    global_step: progress.steps_done,
                    loss: pass.loss,
                    epoch_loss: scores.loss,
                    epoch_accuracy: scores.accuracy,
                    learning_rate: config.learning_rate,
                    images_per_second: images / begun.elapsed().as_secs_f64(),
                }),
            );
        }
        if progress.step < steps_per_epoch {
            let step = progress.step;
            stepper.store(model)?;
            progress.adam = Some(stepper.state(model)?);
            progress.epoch_metrics = Some(metrics);
            save(model, progress)?;
            tell(observers, &Event::Stopped { epoch, step });
            return Ok(Ending::Stopped);
        }

        stepper.store(model)?;
        let validated = evaluate(model, validation, config.normalization())?;
        let validated = (!validation.is_empty()).then(|| scores(&validated));
        check_outcome(model, epoch, validated)?;
        let is_best = progress.is_improved_by(validated);
        let seconds = progress.epoch_seconds;
        let row = Epoch {
            epoch,
            train: scores(&metrics),
            validation: validated,
            learning_rate: config.learning_rate,
            seconds,
            images_per_second: train.len() as f64 / seconds,
            is_best,
        };
        if is_best {
            progress.best = Some(Best {
                epoch,
                validation: validated,
                parameters: model.parameters().snapshot()?,
            });
        }
        progress.epochs_done = epoch;
        progress.step = 0;
        progress.epoch_seconds = 0.;
        progress.adam = Some(stepper.state(model)?);
        progress.history.push(row.clone());
        save(model, progress)?;
        stop |= tell(observers, &Event::Epoch(row));
        if stop && epoch < config.epochs {
            tell(
                observers,
                &Event::Stopped {
                    epoch,
                    step: steps_per_epoch,
                },
            );
            return Ok(Ending::Stopped);
        }
    }
    if let Some(best) = &progress.best {
        model.parameters().restore(&best.parameters)?;
    }
    Ok(Ending::Finished)
}

/// Gives an event to every observer; whether one of them asks to stop.
fn tell(observers: &mut [&mut dyn Observer], event: &Event) -> bool {
    let mut stop = false;
    for observer in observers {
        stop |= matches!(observer.notice(event), ControlFlow::Break(()));
    }
    stop
}

fn started(
    model: &LeNet5,
    train: &Dataset,
    validation: &Dataset,
    config: &Config,
    progress: &Progress,
) -> Event {
    Event::Started(Started {
        train_images: train.len(),
        validation_images: validation.len(),
        classes: model.architecture().classes,
        parameters: model.parameters().count(),
        epochs: config.epochs,
        batch_size: config.batch_size,
        steps_per_epoch: train.len().div_ceil(config.batch_size),
        steps_done: progress.steps_done,
    })
}

/// The scores of metrics that have seen an image; without one, zeros that nobody is shown.
fn scores(metrics: &Metrics) -> Scores {
    Scores {
        loss: metrics.loss().unwrap_or(0.),
        accuracy: metrics.accuracy().unwrap_or(0.),
    }
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

/// Stops a training that has become meaningless, before a parameter has.
fn check_finite(
    model: &LeNet5,
    stepper: &Stepper<'_>,
    pass: &Pass,
    epoch: u32,
    step: usize,
    config: &Config,
) -> Result<()> {
    if pass.loss.is_finite() && pass.finite {
        return Ok(());
    }
    let (tensor, max_abs_gradient) = stepper.largest_gradient(model)?;
    Err(Error::Diverged {
        epoch,
        step,
        loss: pass.loss,
        learning_rate: config.learning_rate,
        tensor,
        max_abs_gradient,
    })
}
