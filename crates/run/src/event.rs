//! What happens in a training, to whom it is reported, and `events.jsonl`.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lenet_files::{Error, Result, open_as};
use serde::{Deserialize, Serialize};

use crate::json;
use crate::{Epoch, Summary};

/// What happened, in plain numbers; a line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The training begins, or is resumed.
    Started(Started),
    /// The loss before the first step.
    Untrained(Untrained),
    /// A step was made.
    Step(Step),
    /// An epoch and its validation are over.
    Epoch(Epoch),
    /// The training ended before its last epoch because an observer asked for it; the steps made
    /// until then count.
    Stopped {
        /// The epoch, from 1.
        epoch: u32,
        /// Steps made in this epoch.
        step: usize,
    },
    /// The training failed.
    Failed {
        /// The error, as a sentence.
        error: String,
    },
    /// The run is finished and tested.
    Summary {
        /// Its figures.
        summary: Box<Summary>,
    },
}

/// The sizes of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Number of training images.
    pub train_images: usize,
    /// Number of images held out for validation.
    pub validation_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// The last epoch.
    pub epochs: u32,
    /// Images in a step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Steps made before, if the training is resumed.
    pub steps_done: u64,
}

/// The loss before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Untrained {
    /// Mean cross-entropy of the first batch.
    #[serde(deserialize_with = "json::number")]
    pub loss: f64,
    /// The loss of guessing, ln(classes); that of a sound initialisation is close to it.
    pub expected: f64,
}

impl Untrained {
    /// Whether the loss is farther from that of guessing than a sound initialisation makes it: less
    /// than half or more than three times as large. He's initialisation starts at one to two times
    /// as large, because its logits are as large as its input.
    pub fn is_suspicious(&self) -> bool {
        !(0.5..=3.).contains(&(self.loss / self.expected))
    }
}

/// One step of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The step within the epoch, from 1.
    pub step: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// The step from the beginning of the training, from 1.
    pub global_step: u64,
    /// Mean loss of the batch, before the step.
    #[serde(deserialize_with = "json::number")]
    pub loss: f64,
    /// Mean loss of the epoch so far.
    #[serde(deserialize_with = "json::number")]
    pub epoch_loss: f64,
    /// Accuracy of the epoch so far.
    #[serde(deserialize_with = "json::number")]
    pub epoch_accuracy: f64,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Images trained per second since the epoch began or was resumed.
    #[serde(deserialize_with = "json::number")]
    pub images_per_second: f64,
}

/// Something that is notified of every event. It cannot change the training, but it can ask for it
/// to stop after the current step.
pub trait Observer {
    /// Takes note of an event; [`ControlFlow::Break`] asks for a stop.
    fn notice(&mut self, event: &Event) -> ControlFlow<()>;
}

impl<F: FnMut(&Event) -> ControlFlow<()>> Observer for F {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        self(event)
    }
}

/// Writes every event as a line of JSON.
///
/// The first line that cannot be written is warned of, and the log ends there; the training
/// continues, because the log is not what it is run for.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl EventLog {
    /// Appends to this file, which is created if it does not exist. Part of a line that a killed
    /// process left at its end is removed.
    ///
    /// # Errors
    /// [`Kind::Io`](lenet_files::Kind::Io) if it cannot be opened.
    pub fn append_to(path: &Path) -> Result<Self> {
        let mut options = File::options();
        let mut file = open_as("create", path, options.read(true).append(true).create(true))?;
        cut_after_last_line(&mut file).map_err(|error| Error::io("create", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(BufWriter::new(file)),
        })
    }

    /// Writes an event. A step's line may wait in memory for the next ones; any other is in the file
    /// when this returns.
    pub fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else {
            return;
        };
        let written = serde_json::to_writer(&mut *file, event)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| match event {
                Event::Step(_) => Ok(()),
                _ => file.flush(),
            });
        if let Err(error) = written {
            tracing::warn!(path = ?self.path, %error, "the event log ends here");
            self.file = None;
        }
    }
}

impl Observer for EventLog {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        self.write(event);
        ControlFlow::Continue(())
    }
}

/// Cuts a file after its last line ending, which is looked for from the end, because the file may be
/// large.
fn cut_after_last_line(file: &mut File) -> io::Result<()> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let bytes = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(bytes)?;
        if let Some(newline) = bytes.iter().rposition(|&byte| byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    file.set_len(end)
}
