//! Where a training stands: all that it needs to go on.

use candle_core::Tensor;

use crate::event::{Epoch, Scores};
use crate::{AdamState, Metrics};

/// Where a training stands. The default is its beginning.
///
/// Together with the model's parameters, the configuration and the data this determines every
/// later step: the order of an epoch is a function of (seed, epoch, n), and there is no other
/// randomness.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Epochs that are over.
    pub epochs_done: u32,
    /// Steps made in the epoch that is not over.
    pub step: usize,
    /// Steps made in all.
    pub steps_done: u64,
    /// Sums over the steps made in the epoch that is not over.
    pub epoch_metrics: Option<Metrics>,
    /// Wall time of those steps.
    pub epoch_seconds: f64,
    /// The optimiser's memory.
    pub adam: Option<AdamState>,
    /// The epochs that are over.
    pub history: Vec<Epoch>,
    /// The best of them.
    pub best: Option<Best>,
}

/// The best epoch so far, with its parameters.
#[derive(Debug, Clone)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Its scores on the images held out.
    pub validation: Option<Scores>,
    /// The parameters after it, in the model's order.
    pub parameters: Vec<Tensor>,
}

impl Progress {
    /// Whether an epoch with these scores would be the best: by accuracy, at equal accuracy by
    /// loss; without scores the latest is.
    pub(crate) fn is_improved_by(&self, scores: Option<Scores>) -> bool {
        let best = self.best.as_ref().and_then(|best| best.validation);
        match (best, scores) {
            (Some(best), Some(new)) => {
                new.accuracy > best.accuracy
                    || (new.accuracy == best.accuracy && new.loss < best.loss)
            }
            _ => true,
        }
    }

    /// Wall time of all training steps so far, in seconds, without the validations.
    pub fn train_seconds(&self) -> f64 {
        self.history.iter().map(|epoch| epoch.seconds).sum::<f64>() + self.epoch_seconds
    }
}
