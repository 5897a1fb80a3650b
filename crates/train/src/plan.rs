//! What a training does at which step: a function of the configuration and of where it stands.

use crate::config::Config;
use crate::progress::Progress;

/// What to do at which step. It has no state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    config: &'a Config,
    pub(crate) steps_per_epoch: usize,
}

impl<'a> Plan<'a> {
    /// For this number of training images.
    pub(crate) fn new(config: &'a Config, images: usize) -> Self {
        Self {
            config,
            steps_per_epoch: images.div_ceil(config.batch_size),
        }
    }

    /// Number of steps of the whole training.
    fn steps(&self) -> u64 {
        self.steps_per_epoch as u64 * u64::from(self.config.epochs)
    }

    /// The fraction of the steps that are made.
    fn position(&self, progress: &Progress) -> f64 {
        progress.steps_done as f64 / self.steps().max(1) as f64
    }

    /// Whether the last epoch is over, or the patience is exhausted.
    pub(crate) fn is_over(&self, progress: &Progress) -> bool {
        let without = progress.epochs_without_improvement();
        progress.epochs_done >= self.config.epochs
            || self
                .config
                .patience
                .is_some_and(|patience| progress.step == 0 && without > patience)
    }

    /// The rest of an epoch's order, in batches.
    pub(crate) fn batches_left<'b>(
        &self,
        order: &'b [u32],
        progress: &Progress,
    ) -> std::slice::Chunks<'b, u32> {
        // The progress may come from a file: it may claim more than there is.
        let seen = progress.step.saturating_mul(self.config.batch_size);
        let left = order.get(seen..).unwrap_or_default();
        left.chunks(self.config.batch_size)
    }

    /// The next step's learning rate.
    pub(crate) fn learning_rate(&self, progress: &Progress) -> f64 {
        let schedule = self.config.schedule;
        let factor = schedule.factor(progress.steps_done, self.steps(), &progress.history);
        self.config.learning_rate * factor
    }

    /// The fraction of its full strength that the next step's augmentation has.
    pub(crate) fn strength(&self, progress: &Progress) -> f32 {
        let (until, end) = (self.config.augment_until, self.config.augment_end);
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

    /// Ten steps: augmentation fades over the second half, the last three are averaged.
    #[test]
    fn strength_and_averaging_depend_on_the_step() {
        let config = Config {
            epochs: 2,
            batch_size: 1,
            augment_until: 0.5,
            augment_end: 0.2,
            average: 0.3,
            ..Config::default()
        };
        let at = |steps_done| Progress {
            steps_done,
            ..Progress::default()
        };
        let plan = Plan::new(&config, 5);
        for (step, expected) in [(0, 1.), (5, 1.), (6, 0.84), (9, 0.36), (10, 0.2)] {
            let found = plan.strength(&at(step));
            assert!((found - expected).abs() < 1e-6, "{step}: {found}");
        }
        let averaged = (1..=10).filter(|&step| plan.averages(&at(step)));
        assert_eq!(averaged.collect::<Vec<u64>>(), [8, 9, 10]);
        let classic = Config::default();
        let plan = Plan::new(&classic, 5);
        assert_eq!(plan.strength(&at(10)), 1.);
        assert!(!plan.averages(&at(10)));
    }
}
