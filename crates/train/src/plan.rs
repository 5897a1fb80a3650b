//! What a training does at which step: a function of the configuration and of where it stands.

use crate::{Config, Progress};

/// What to do when. Nothing of it is remembered from step to step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    config: &'a Config,
    pub(crate) steps_per_epoch: usize,
}

impl<'a> Plan<'a> {
    /// For so many training images.
    pub(crate) fn new(config: &'a Config, images: usize) -> Self {
        Self {
            config,
            steps_per_epoch: images.div_ceil(config.batch_size),
        }
    }

    /// Steps of the whole training.
    fn steps(&self) -> u64 {
        self.steps_per_epoch as u64 * u64::from(self.config.epochs)
    }

    /// The part of the steps that is made.
    fn position(&self, progress: &Progress) -> f64 {
        progress.steps_done as f64 / self.steps().max(1) as f64
    }

    /// Whether the last epoch is over, or patience is.
    pub(crate) fn is_over(&self, progress: &Progress) -> bool {
        let without = progress.epochs_without_improvement();
        progress.epochs_done >= self.config.epochs
            || self
                .config
                .patience
                .is_some_and(|patience| progress.step == 0 && without > patience)
    }

    /// What of an epoch's order is left, in batches.
    pub(crate) fn batches_left<'b>(
        &self,
        order: &'b [u32],
        progress: &Progress,
    ) -> std::slice::Chunks<'b, u32> {
        // Not more than there is: the progress may come from a file.
        let seen = progress.step.saturating_mul(self.config.batch_size);
        let left = order.get(seen..).unwrap_or_default();
        left.chunks(self.config.batch_size)
    }

    /// The next step's learning rate.
    pub(crate) fn learning_rate(&self, progress: &Progress) -> f64 {
        let Config {
            schedule,
            learning_rate,
            ..
        } = self.config;
        learning_rate * schedule.factor(progress.steps_done, self.steps(), &progress.history)
    }

    /// How strong the next step's augmentation is, a part of 1.
    pub(crate) fn strength(&self, progress: &Progress) -> f32 {
        let Config {
            augment_until: until,
            augment_end: end,
            ..
        } = *self.config;
        let beyond =
            (self.position(progress) - until).max(0.) / (1. - until).max(f64::MIN_POSITIVE);
        (1. + (end - 1.) * beyond.min(1.)) as f32
    }

    /// Whether the parameters after the step just made count in the average.
    pub(crate) fn averages(&self, progress: &Progress) -> bool {
        let last = self.config.average * self.steps() as f64;
        (self.steps() - progress.steps_done.min(self.steps())) as f64 + 0.5 < last
    }

    /// Whether a checkpoint is due after the step just made, before the epoch is over.
    pub(crate) fn saves(&self, progress: &Progress) -> bool {
        let due = |every| progress.steps_done.is_multiple_of(every as u64);
        progress.step < self.steps_per_epoch && self.config.checkpoint_every.is_some_and(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steps_done: u64) -> Progress {
        Progress {
            steps_done,
            ..Progress::default()
        }
    }

    #[test]
    fn augmentation_fades() {
        let config = Config {
            epochs: 2,
            batch_size: 1,
            augment_until: 0.5,
            augment_end: 0.2,
            ..Config::default()
        };
        let plan = Plan::new(&config, 5);
        let found = [0, 5, 6, 9, 10].map(|step| plan.strength(&at(step)));
        for (found, expected) in std::iter::zip(found, [1., 1., 0.84, 0.36, 0.2]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let full = Config::default();
        assert_eq!(Plan::new(&full, 5).strength(&at(39)), 1.);
    }

    #[test]
    fn the_last_steps_are_averaged() {
        let config = Config {
            epochs: 2,
            batch_size: 1,
            average: 0.3,
            ..Config::default()
        };
        let plan = Plan::new(&config, 5);
        let averaged: Vec<u64> = (1..=10).filter(|&step| plan.averages(&at(step))).collect();
        assert_eq!(averaged, [8, 9, 10]);
        let none = Config::default();
        assert!(!Plan::new(&none, 5).averages(&at(390)));
    }
}
