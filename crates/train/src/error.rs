//! What can go wrong with a training.

use std::io;
use std::path::PathBuf;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a training could not begin, go on or be written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of the configuration is out of its range.
    #[error("{name} {value}: must be {allowed}")]
    ConfigValue {
        /// The value's name in `config.toml`.
        name: &'static str,
        /// The value.
        value: String,
        /// The range, as the end of the sentence.
        allowed: String,
    },
    /// The configuration is not TOML of this form.
    #[error("{0}")]
    ConfigSyntax(toml::de::Error),
    /// A file holds no configuration that can be used.
    #[error("{path:?}: {source}")]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// There is no recipe of this name.
    #[error("there is no recipe {name:?}; there are {}", recipe_names())]
    UnknownRecipe {
        /// The name.
        name: String,
    },
    /// A single value of the configuration was to be set to what it cannot be.
    #[error("{key}: {reason}")]
    Assignment {
        /// The value's name.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The configuration has a value that TOML cannot hold.
    #[error("the configuration cannot be written: {0}")]
    ConfigUnwritable(toml::ser::Error),
    /// The loss or a gradient is no number any more.
    #[error(
        "the training diverged at epoch {epoch}, step {step}: loss {loss}, learning rate \
         {learning_rate:?}, the gradient of {tensor} has {max_abs_gradient} as its largest value; \
         a smaller learning rate may help"
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: u32,
        /// The step within the epoch, from 1.
        step: usize,
        /// The batch's mean loss.
        loss: f64,
        /// The step's learning rate.
        learning_rate: f64,
        /// The first parameter whose gradient is no number, else the one with the largest.
        tensor: &'static str,
        /// The largest absolute value of its gradient; NaN if one of them is that.
        max_abs_gradient: f32,
    },
    /// An epoch left a network that computes no numbers.
    #[error(
        "the training diverged in epoch {epoch}: {what} is {value} after its last step; a smaller \
         learning rate may help"
    )]
    DivergedAfter {
        /// The epoch, from 1.
        epoch: u32,
        /// What is no number: a parameter, or the validation loss.
        what: &'static str,
        /// Its value: NaN or an infinity.
        value: f64,
    },
    /// A run's folder has no checkpoint that can be used.
    #[error("{path:?} has no checkpoint to resume from{reasons}")]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
        /// Why each that there is cannot be used, one line each after a line break.
        reasons: String,
    },
    /// A checkpoint belongs to another training.
    #[error(
        "the checkpoint is of another training: {differences}. To go on all the same is not the same \
         as one training from beginning to end: {schedule}. --force-config does it"
    )]
    OtherTraining {
        /// What differs, was and is.
        differences: String,
        /// What it means for the learning rate.
        schedule: String,
    },
    /// A checkpoint is not of the form that this program writes.
    #[error("the checkpoint cannot be read: {0}")]
    CheckpointForm(String),
    /// A file or folder could not be read or written.
    #[error("{path:?}: cannot {operation}: {source}")]
    Io {
        /// What was tried: `read`, `create` ...
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The error of a file, a data set or a model.
    #[error(transparent)]
    Files(#[from] lenet_files::Error),
    /// bf16 on another engine than the fused one.
    #[error(
        "precision bf16 is for the fused engine on the CPU; candle's operations compute in f32"
    )]
    PrecisionOfCandle,
    /// candle's own error.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

fn recipe_names() -> String {
    crate::RECIPES.map(|recipe| recipe.name).join(", ")
}
