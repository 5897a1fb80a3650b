//! The training loop.

mod clock;
mod divergence;
mod epoch;

use std::ops::ControlFlow;

use lenet_data::Dataset;
use lenet_files::Result;
use lenet_model::LeNet5;
use lenet_run::{Event, Observer, Scores, Started, Untrained};

use clock::Clock;
use divergence::Recent;

use crate::backend::Backend;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::ranks;
use crate::rows::{Alteration, Rows};
use crate::step::{self, Pass, Step};

/// What is trained, on what, and how.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The network.
    pub model: &'a LeNet5,
    /// What computes.
    pub backend: &'a Backend,
    /// All that decides the result.
    pub config: &'a Config,
    /// The images to train on.
    pub train: &'a Dataset,
    /// The images held out, by which the best epoch is chosen.
    pub validation: &'a Dataset,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After the last epoch. The model has the parameters that validation chose.
    Finished,
    /// Earlier, because a watcher asked for it. The model has the parameters of the last step.
    Stopped,
}

/// Follows a training and keeps what it makes. Every [`Observer`], and so every closure on an
/// [`Event`], is one that keeps nothing.
pub trait Watch {
    /// Takes note of an event; [`ControlFlow::Break`] asks for a stop after the current step.
    fn event(&mut self, event: &Event) -> ControlFlow<()>;

    /// Saves the training: after each epoch, after a stop, and within epochs if `checkpoint_every`
    /// is set. [`Progress`] and the model's parameters are all that [`fit`] needs to continue bit for
    /// bit.
    ///
    /// # Errors
    /// Whatever stopped it from saving, which ends the training.
    fn save(&mut self, model: &LeNet5, progress: &Progress) -> Result<()>;
}

impl<T: Observer> Watch for T {
    fn event(&mut self, event: &Event) -> ControlFlow<()> {
        self.notice(event)
    }

    fn save(&mut self, _: &LeNet5, _: &Progress) -> Result<()> {
        Ok(())
    }
}

/// Trains from where `progress` stands to the last epoch, or until the patience is exhausted.
///
/// After each epoch the images held out are evaluated; at the end the model gets the parameters of
/// the best epoch, by [`lenet_run::is_better`].
///
/// # Errors
/// [`Kind::Diverged`](lenet_files::Kind::Diverged) if the loss or a gradient is not finite, before it
/// reaches a parameter, if the loss stays far above that of guessing, or if an epoch leaves a network
/// whose outputs are not finite, before it is saved; [`Kind::Usage`](lenet_files::Kind::Usage) for a
/// configuration out of range; what [`Watch::save`] returns; candle's own.
pub fn fit(
    training: &Training<'_>,
    progress: &mut Progress,
    watch: &mut dyn Watch,
) -> Result<Ending> {
    let Training { model, config, .. } = *training;
    config.check()?;
    let plan = Plan::new(config, training.train.len());
    let table = config.normalization().table();
    let state = progress.optimizer.as_ref();
    let mut step = step::new(model, training.backend, config, state)?;
    let exchange = training.backend.exchange();
    // Processes that share a training stop after the same step, the next one.
    let agree = |stop| exchange.map_or(stop, |exchange| exchange.agree(stop));
    let mut wish = begin(training, &plan, &table, progress, step.as_mut(), watch)?;
    let mut stop = agree(wish);

    let mut recent = Recent::new(model.architecture().classes);

    while !plan.is_over(progress) {
        let epoch = progress.epochs_done + 1;
        let order = order(config, epoch, training.train);
        let mut clock = Clock::start(progress);
        let mut learning_rate = plan.learning_rate(progress);

        for rows in plan.batches_left(&order, progress) {
            if stop {
                break;
            }
            learning_rate = plan.learning_rate(progress);
            let batch = Rows {
                dataset: training.train,
                rows,
                table: &table,
                alteration: Alteration {
                    augmentation: &config.augmentation,
                    strength: plan.strength(progress),
                    seed: config.seed,
                    epoch,
                },
            };
            let pass = step.gradients(&batch, progress.metrics(model.architecture().classes))?;
            recent.add(pass.loss);
            recent.check(&pass, step.as_ref(), model, progress, learning_rate)?;
            step.update(learning_rate)?;
            progress.step += 1;
            progress.steps_done += 1;
            if plan.averages(progress) {
                step.add_to(&mut progress.average)?;
            }
            progress.epoch_seconds = clock.seconds();
            let event = event(&plan, progress, &pass, learning_rate, &clock);
            wish |= watch.event(&Event::Step(event)).is_break();
            stop = agree(wish);
            if plan.saves(progress) {
                progress.optimizer = Some(step.store()?);
                clock.without(|| watch.save(model, progress))?;
            }
        }
        progress.optimizer = Some(step.store()?);
        let steps = progress.step;
        let is_whole = steps == plan.steps_per_epoch;
        if is_whole {
            let row = epoch::end(training, progress, learning_rate)?;
            ranks::check_parameters(exchange, model, epoch)?;
            watch.save(model, progress)?;
            wish |= watch.event(&Event::Epoch(row)).is_break();
            stop = agree(wish);
        } else {
            watch.save(model, progress)?;
        }
        if stop && !(is_whole && plan.is_over(progress)) {
            // There is nothing left to stop.
            let _ = watch.event(&Event::Stopped { epoch, step: steps });
            return Ok(Ending::Stopped);
        }
    }
    let best = recent.check_best(progress, config)?;
    model.parameters().restore(&best.parameters)?;
    Ok(Ending::Finished)
}

/// Reports that the training begins or is resumed, and the loss before the first step; returns
/// whether it is to stop.
fn begin(
    training: &Training<'_>,
    plan: &Plan<'_>,
    table: &[f32; 256],
    progress: &Progress,
    step: &mut dyn Step,
    watch: &mut dyn Watch,
) -> Result<bool> {
    let Training { model, config, .. } = *training;
    let classes = model.architecture().classes;
    let mut stop = watch
        .event(&Event::Started(Started {
            train_images: training.train.len(),
            validation_images: training.validation.len(),
            classes,
            parameters: model.parameters().count(),
            epochs: config.epochs,
            batch_size: config.batch_size,
            steps_per_epoch: plan.steps_per_epoch,
            steps_done: progress.steps_done,
        }))
        .is_break();
    let order = order(config, 1, training.train);
    if let Some(rows) = order.chunks(config.batch_size).next()
        && progress.steps_done == 0
        && config.from.is_none()
    {
        let loss = step.loss(&Rows::plain(training.train, rows, table))?;
        let expected = (classes as f64).ln();
        let untrained = Event::Untrained(Untrained { loss, expected });
        stop |= watch.event(&untrained).is_break();
    }
    Ok(stop)
}

/// The order in which an epoch visits the images.
fn order(config: &Config, epoch: u32, train: &Dataset) -> Vec<u32> {
    if config.balance {
        lenet_data::balanced_order(config.seed, epoch, train)
    } else {
        lenet_data::order(config.seed, epoch, train.len())
    }
}

fn event(
    plan: &Plan<'_>,
    progress: &Progress,
    pass: &Pass,
    learning_rate: f64,
    clock: &Clock,
) -> lenet_run::Step {
    let scores = progress.epoch_metrics.as_ref().map(scores);
    lenet_run::Step {
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

/// The scores of metrics that have seen an image; zeros if they have not.
fn scores(metrics: &Metrics) -> Scores {
    Scores {
        loss: metrics.loss().unwrap_or(0.),
        accuracy: metrics.accuracy().unwrap_or(0.),
    }
}
