//! Where a training stands: all that it needs to continue.

use candle_core::Tensor;
use lenet_run::{Epoch, Scores};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::metrics::Metrics;
use crate::optimizer::OptimizerState;

/// Where a training stands. The default is its beginning.
///
/// Together with the model's parameters, the configuration and the data this determines every
/// later step: the order of an epoch is a function of (seed, epoch, n), an altered image one of
/// (seed, epoch, index), and there is no other randomness. Its serialised form holds the numbers; a
/// [`checkpoint`](crate::checkpoint) has the tensors beside them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// The state of the optimiser.
    pub optimizer: Option<OptimizerState>,
    /// The mean of the parameters after the last steps, if they are averaged.
    pub average: Average,
    /// The epochs that are over.
    pub history: Vec<Epoch>,
    /// The best of them.
    pub best: Option<Best>,
    /// Whether it was resumed with other values, other data or other arithmetic than it had begun
    /// with: then no uninterrupted training has the same result.
    pub not_identical: bool,
}

/// The best epoch so far, with its parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Its scores on the images held out.
    pub validation: Option<Scores>,
    /// The parameters after it, in the model's order.
    #[serde(skip)]
    pub parameters: Vec<Tensor>,
}

impl Progress {
    /// The sums of the epoch that is not over.
    pub(crate) fn metrics(&mut self, classes: usize) -> &mut Metrics {
        self.epoch_metrics
            .get_or_insert_with(|| Metrics::new(classes))
    }

    /// Ends the epoch, of which this is the row.
    pub(crate) fn end_epoch(&mut self, row: Epoch) {
        self.epochs_done = row.epoch;
        self.step = 0;
        self.epoch_seconds = 0.;
        self.epoch_metrics = None;
        self.history.push(row);
    }

    /// Epochs since the best.
    pub(crate) fn epochs_without_improvement(&self) -> u32 {
        let best = self.best.as_ref().map_or(0, |best| best.epoch);
        self.epochs_done - best
    }

    /// Wall time of all training steps so far, in seconds, without the validations.
    pub fn train_seconds(&self) -> f64 {
        self.history.iter().map(|epoch| epoch.seconds).sum::<f64>() + self.epoch_seconds
    }
}
