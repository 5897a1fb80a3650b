//! The time that steps take.

use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::progress::Progress;

/// Wall time of an epoch's steps, some of which may have been made before.
pub(super) struct Clock {
    begun: Instant,
    /// The time since then that is not part of it.
    elsewhere: Duration,
    seconds_before: f64,
    images_before: u64,
}

impl Clock {
    pub(super) fn start(progress: &Progress) -> Self {
        Self {
            begun: Instant::now(),
            elsewhere: Duration::ZERO,
            seconds_before: progress.epoch_seconds,
            images_before: images(progress),
        }
    }

    /// Runs a task that is not part of a step.
    pub(super) fn without<T>(&mut self, task: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = task();
        self.elsewhere += begun.elapsed();
        done
    }

    fn own_seconds(&self) -> f64 {
        (self.begun.elapsed().saturating_sub(self.elsewhere)).as_secs_f64()
    }

    /// Seconds of all the epoch's steps.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.own_seconds()
    }

    /// Images per second since the clock was started.
    pub(super) fn images_per_second(&self, progress: &Progress) -> f64 {
        (images(progress) - self.images_before) as f64 / self.own_seconds()
    }
}

fn images(progress: &Progress) -> u64 {
    progress.epoch_metrics.as_ref().map_or(0, Metrics::count)
}
