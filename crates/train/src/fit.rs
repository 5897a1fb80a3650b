//! The training loop.

mod clock;
mod epoch;

use std::ops::ControlFlow;

use lenet_data::{Dataset, order};
use lenet_model::LeNet5;
use lenet_run::{Event, Observer, Scores, Started, Step, Untrained};

use clock::Clock;

use crate::plan::Plan;
use crate::stepper::{Altered, Pass, Stepper};
use crate::{Backend, Config, Error, Metrics, Progress, Result};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the last epoch. The model has the parameters that validation chose.
    Finished,
    /// Before, as an observer asked. The model has the parameters of the last step.
    Stopped,
}

/// Trains `model` on `train`, from where `progress` stands to the last epoch of `config`, or until
/// its patience is over.
///
/// After each epoch the images of `validation` are evaluated; at the end the model gets the
/// parameters of the best epoch: the highest accuracy, and of equal ones the lowest loss. Without
/// validation images the last epoch counts as the best.
///
/// `save` is called with the progress after each epoch, every so many steps and after a stop;
/// [`Progress`] holds all that a later call needs to go on, bit for bit. Every event goes to each of
/// the `observers`.
///
/// # Errors
/// [`Error::Diverged`] where the loss or a gradient is no number, before it reaches a parameter;
/// [`Error::DivergedAfter`] where an epoch leaves a network that computes none, before it is saved;
/// what `save` returns; candle's own, as for labels that the model has no output for.
#[expect(clippy::too_many_arguments, reason = "each is a noun of its own")]
pub fn fit(
    model: &LeNet5,
    backend: &Backend,
    train: &Dataset,
    validation: &Dataset,
    config: &Config,
    progress: &mut Progress,
    save: &mut dyn FnMut(&LeNet5, &Progress) -> Result<()>,
    observers: &mut [&mut dyn Observer],
) -> Result<Ending> {
    config.check()?;
    let plan = Plan::new(config, train.len());
    let mut stepper = Stepper::new(model, backend, config, progress)?;
    let mut stop = begin(
        model,
        train,
        validation,
        config,
        progress,
        &mut stepper,
        observers,
    )?;

    while !plan.is_over(progress) {
        let epoch = progress.epochs_done + 1;
        let order = order(config.seed, epoch, train.len());
        let mut clock = Clock::start(progress);
        let mut learning_rate = plan.learning_rate(progress);

        for rows in plan.batches_left(&order, progress) {
            if stop {
                break;
            }
            learning_rate = plan.learning_rate(progress);
            let batch = Altered {
                dataset: train,
                rows,
                augmentation: &config.augmentation,
                strength: plan.strength(progress),
                seed: config.seed,
                epoch,
            };
            let pass = stepper.gradients(&batch, progress.metrics(model.architecture().classes))?;
            check_finite(
                model,
                &stepper,
                &pass,
                epoch,
                progress.step + 1,
                learning_rate,
            )?;
            stepper.update(learning_rate)?;
            progress.step += 1;
            progress.steps_done += 1;
            if plan.averages(progress) {
                stepper.average(model)?;
            }
            progress.epoch_seconds = clock.seconds();
            let event = step(&plan, progress, &pass, learning_rate, &clock);
            stop = tell(observers, &Event::Step(event));
            if plan.saves(progress) {
                stepper.store(model, progress)?;
                clock.without(|| save(model, progress))?;
            }
        }
        stepper.store(model, progress)?;
        if progress.step < plan.steps_per_epoch {
            save(model, progress)?;
            let step = progress.step;
            tell(observers, &Event::Stopped { epoch, step });
            return Ok(Ending::Stopped);
        }
        let row = epoch::end(
            model,
            backend,
            validation,
            config,
            progress,
            &stepper,
            learning_rate,
        )?;
        save(model, progress)?;
        stop |= tell(observers, &Event::Epoch(row));
        if stop && !plan.is_over(progress) {
            let step = plan.steps_per_epoch;
            tell(observers, &Event::Stopped { epoch, step });
            return Ok(Ending::Stopped);
        }
    }
    if let Some(best) = &progress.best {
        model.parameters().restore(&best.parameters)?;
    }
    Ok(Ending::Finished)
}

/// Tells that the training begins or goes on, and what the network is like before the first step.
fn begin(
    model: &LeNet5,
    train: &Dataset,
    validation: &Dataset,
    config: &Config,
    progress: &Progress,
    stepper: &mut Stepper<'_>,
    observers: &mut [&mut dyn Observer],
) -> Result<bool> {
    let started = Event::Started(Started {
        train_images: train.len(),
        validation_images: validation.len(),
        classes: model.architecture().classes,
        parameters: model.parameters().count(),
        epochs: config.epochs,
        batch_size: config.batch_size,
        steps_per_epoch: train.len().div_ceil(config.batch_size),
        steps_done: progress.steps_done,
    });
    let mut stop = tell(observers, &started);
    if progress.steps_done == 0 && !train.is_empty() {
        let order = order(config.seed, 1, train.len());
        let first = &order[..config.batch_size.min(order.len())];
        let untrained = Untrained {
            loss: stepper.loss(train, first)?,
            expected: (model.architecture().classes as f64).ln(),
        };
        stop |= tell(observers, &Event::Untrained(untrained));
    }
    Ok(stop)
}

fn step(
    plan: &Plan<'_>,
    progress: &Progress,
    pass: &Pass,
    learning_rate: f64,
    clock: &Clock,
) -> Step {
    let scores = progress.epoch_metrics.as_ref().map(scores);
    Step {
        epoch: progress.epochs_done + 1,
        step: progress.step,
        steps_per_epoch: plan.steps_per_epoch,
        global_step: progress.steps_done,
        loss: pass.loss,
        epoch_loss: scores.map_or(0., |scores| scores.loss),
        epoch_accuracy: scores.map_or(0., |scores| scores.accuracy),
        learning_rate,
        images_per_second: clock.images_per_second(progress),
    }
}

/// Gives an event to every observer; whether one of them asks to stop.
fn tell(observers: &mut [&mut dyn Observer], event: &Event) -> bool {
    let mut stop = false;
    for observer in observers {
        stop |= matches!(observer.notice(event), ControlFlow::Break(()));
    }
    stop
}

/// The scores of metrics that have seen an image; without one, zeros that nobody is shown.
fn scores(metrics: &Metrics) -> Scores {
    Scores {
        loss: metrics.loss().unwrap_or(0.),
        accuracy: metrics.accuracy().unwrap_or(0.),
    }
}

/// Stops a training that has become meaningless, before a parameter has.
fn check_finite(
    model: &LeNet5,
    stepper: &Stepper<'_>,
    pass: &Pass,
    epoch: u32,
    step: usize,
    learning_rate: f64,
) -> Result<()> {
    if pass.loss.is_finite() && pass.finite {
        return Ok(());
    }
    let (tensor, max_abs_gradient) = stepper.largest_gradient(model)?;
    Err(Error::Diverged {
        epoch,
        step,
        loss: pass.loss,
        learning_rate,
        tensor,
        max_abs_gradient,
    })
}
