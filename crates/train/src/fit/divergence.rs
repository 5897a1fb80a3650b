//! When a training is beyond help.

use lenet_files::{Error, Kind, Result};
use lenet_model::LeNet5;

use crate::config::Config;
use crate::progress::{Best, Progress};
use crate::step::{Pass, Step};

/// The last steps whose mean loss is judged, and the first ones, which are not: a high learning rate
/// may begin with a few large losses.
const STEPS: usize = 100;

/// The loss, in multiples of that of guessing, from which a network has learnt nothing.
const FACTOR: f64 = 4.;

/// The mean loss above which a training has diverged.
pub(super) fn limit(classes: usize) -> f64 {
    FACTOR * (classes as f64).ln()
}

/// The losses of the last steps. They begin anew with a resumed training: only the step at which it is
/// stopped depends on them, no result.
pub(super) struct Recent {
    losses: [f64; STEPS],
    count: usize,
    limit: f64,
}

impl Recent {
    pub(super) fn new(classes: usize) -> Self {
        Self {
            losses: [0.; STEPS],
            count: 0,
            limit: limit(classes),
        }
    }

    pub(super) fn add(&mut self, loss: f64) {
        self.losses[self.count % STEPS] = loss;
        self.count += 1;
    }

    /// Stops a training before the step of this pass reaches a parameter if its loss or gradients are
    /// not finite, or if the losses were far too large for a while; names the parameter with the
    /// largest gradient, or the first with NaN.
    pub(super) fn check(
        &self,
        pass: &Pass,
        step: &dyn Step,
        model: &LeNet5,
        progress: &Progress,
        learning_rate: f64,
    ) -> Result<()> {
        let mean = self.losses.iter().sum::<f64>() / STEPS as f64;
        let is_wild = self.count >= 2 * STEPS && mean > self.limit;
        if pass.loss.is_finite() && pass.finite && !is_wild {
            return Ok(());
        }
        let (mut name, mut largest, mut squares) = ("no parameter", 0_f32, 0.);
        for ((parameter, _), gradient) in
            std::iter::zip(model.parameters().iter(), step.last_gradients()?)
        {
            for value in gradient.into_iter().map(f32::abs) {
                squares += f64::from(value) * f64::from(value);
                if !largest.is_nan() && (value.is_nan() || value > largest) {
                    (name, largest) = (parameter, value);
                }
            }
        }
        let norm = squares.sqrt();
        let lately = if is_wild {
            let limit = self.limit;
            format!(", {mean:.3e} in the last {STEPS} steps on average, more than {limit:.1}")
        } else {
            String::new()
        };
        Err(Error::new(
            Kind::Diverged,
            format!(
                "the training diverged at epoch {}, step {}: loss {}{lately}, learning rate \
                 {learning_rate:?}, gradient norm {norm:.3e}, the gradient of {name} has {largest} as \
                 its largest value; a smaller learning rate may help",
                progress.epochs_done + 1,
                progress.step + 1,
                pass.loss,
            ),
        ))
    }

    /// The best epoch of a training that is over; an error if the loss was far too large in all.
    pub(super) fn check_best<'a>(
        &self,
        progress: &'a Progress,
        config: &Config,
    ) -> Result<&'a Best> {
        progress.best.as_ref().ok_or_else(|| {
            let last = progress
                .history
                .last()
                .map_or(f64::NAN, |row| row.train.loss);
            let message = format!(
                "the training diverged: a loss of {last:.3e} in the last epoch, more than {:.1} in \
                 each; the learning rate {:?} is too high",
                self.limit, config.learning_rate
            );
            Error::new(Kind::Diverged, message)
        })
    }
}
