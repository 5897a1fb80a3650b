//! What a training tells, and to whom.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

/// What happened; plain numbers that can be written down.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The training begins, or goes on.
    Started(Started),
    /// The loss before the first step.
    Untrained(Untrained),
    /// A step was made.
    Step(Step),
    /// An epoch is over, and its validation.
    Epoch(Epoch),
    /// The training ended before its last epoch, as an observer asked; the steps up to here count.
    Stopped {
        /// The epoch, from 1.
        epoch: u32,
        /// Steps made in this epoch.
        step: usize,
    },
}

/// The sizes of a training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Started {
    /// Number of images to train on.
    pub train_images: usize,
    /// Number of images held out.
    pub validation_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// How many numbers the parameters are.
    pub parameters: usize,
    /// The last epoch.
    pub epochs: u32,
    /// Images of a step, but of the last of an epoch.
    pub batch_size: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Steps made before, where a training is resumed.
    pub steps_done: u64,
}

/// The loss before the first step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Untrained {
    /// Mean cross-entropy of the first batch.
    pub loss: f64,
    /// The loss of a guess, ln(classes): that of a sound initialisation is near it.
    pub expected: f64,
}

impl Untrained {
    /// Whether the loss is farther from that of a guess than a sound initialisation brings it: less
    /// than half or more than three times as much. He's initialisation begins at one to two times as
    /// much, for its logits are as large as its input.
    pub fn is_suspicious(&self) -> bool {
        !(0.5..=3.).contains(&(self.loss / self.expected))
    }
}

/// One step of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The step within the epoch, from 1.
    pub step: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// The step from the beginning of the training, from 1.
    pub global_step: u64,
    /// Mean loss of the batch, before the step.
    pub loss: f64,
    /// Mean loss of the epoch so far.
    pub epoch_loss: f64,
    /// Accuracy of the epoch so far.
    pub epoch_accuracy: f64,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Images trained a second since the epoch began, or was resumed.
    pub images_per_second: f64,
}

/// Loss and accuracy of a set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss of an image.
    pub loss: f64,
    /// Part of the images that were told right.
    pub accuracy: f64,
}

/// One pass over the training images, and its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The scores of the training images, each taken before the step that it was part of.
    pub train: Scores,
    /// The scores of the images held out, after the epoch's last step.
    pub validation: Option<Scores>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Wall time of the training steps, without the validation.
    pub seconds: f64,
    /// Training images a second, without the validation.
    pub images_per_second: f64,
    /// Whether no earlier epoch was better by validation.
    pub is_best: bool,
}

/// Whoever wants to know what happens. It cannot reach back, but to say that the training should
/// stop after the current step.
pub trait Observer {
    /// Takes notice of an event.
    fn notice(&mut self, event: &Event) -> ControlFlow<()>;
}

impl<F: FnMut(&Event) -> ControlFlow<()>> Observer for F {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        self(event)
    }
}
