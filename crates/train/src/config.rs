//! The configuration of a training: all that decides its result.

use std::path::Path;

use lenet_data::Augmentation;
use lenet_engine::engine::Precision;
use lenet_model::{Activation, Architecture, Init, Padding};
use lenet_picture::Normalization;
use serde::{Deserialize, Serialize};

use crate::optimizer::Range;
use crate::{Error, Optimizer, Result, Schedule};

/// All that decides the result of a training, in the words of `config.toml`. The defaults are those
/// of the classic recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recipe that the other values come from.
    pub recipe: String,
    /// The data set's name.
    pub dataset: String,
    /// What every random number is drawn from: the initial parameters, the validation split, the
    /// order of each epoch and the augmentation.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images of a step; the last step of an epoch takes what is left over.
    pub batch_size: usize,
    /// The optimiser's step size, at its highest.
    pub learning_rate: f64,
    /// Images of the training set that are held out for validation.
    pub validation: usize,
    /// Only so many of the remaining images are trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_train: Option<usize>,
    /// How pixels are scaled.
    pub scaling: Scaling,
    /// The first convolution's padding.
    pub padding: Padding,
    /// The function behind each layer but the last.
    pub activation: Activation,
    /// How the parameters are drawn.
    pub init: Init,
    /// What the products of the fused engine are computed in.
    pub precision: Precision,
    /// ε of label smoothing: the loss is that of a label which is right to 1 - ε and spread evenly
    /// over all classes to ε. Szegedy et al. 2016, <https://arxiv.org/abs/1512.00567>.
    pub label_smoothing: f64,
    /// Gradients are scaled down to this Euclidean norm, all parameters together, where they have a
    /// greater one. Pascanu et al. 2013, <https://arxiv.org/abs/1211.5063>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The part of all steps, the last ones, whose parameters are averaged. From the first of them on
    /// the average is what is validated and kept.
    pub average: f64,
    /// Epochs without a better validation that are borne; the next one is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// A checkpoint after every so many steps, beside that after every epoch. Changes no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// The part of all steps in which augmentation has its full strength; then it fades.
    pub augment_until: f64,
    /// The part of its strength that augmentation has at the end.
    pub augment_end: f64,
    /// What moves the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// How training images are altered.
    pub augmentation: Augmentation,
}

/// How pixels 0..=255 become the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// To \[0, 1].
    Unit,
    /// To \[0, 1], divided by the standard deviation of MNIST's pixels: the background stays 0, which
    /// is what a convolution pads with.
    UnitDeviation,
    /// To \[0, 1], less the mean of MNIST's pixels, divided by their standard deviation.
    Standard,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recipe: "classic".to_owned(),
            dataset: "mnist".to_owned(),
            seed: 42,
            epochs: 10,
            batch_size: 128,
            learning_rate: 1e-3,
            validation: 5_000,
            limit_train: None,
            scaling: Scaling::Unit,
            padding: Padding::Same,
            activation: Activation::Relu,
            init: Init::GlorotUniform,
            precision: Precision::F32,
            label_smoothing: 0.,
            clip_norm: None,
            average: 0.,
            patience: None,
            checkpoint_every: None,
            augment_until: 1.,
            augment_end: 1.,
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            augmentation: Augmentation::NONE,
        }
    }
}

impl Config {
    /// The most epochs; a hundred times more than any data set of this kind needs.
    pub const MAX_EPOCHS: u32 = 100_000;
    /// The most images of a step; as many as a whole data set of this kind has.
    pub const MAX_BATCH_SIZE: usize = 65_536;
    /// The largest seed: TOML has signed integers of 64 bits.
    pub const MAX_SEED: u64 = i64::MAX as u64;

    /// Reads a file such as `config.toml`.
    ///
    /// # Errors
    /// [`Error::Files`] if it cannot be read or has more than a mebibyte;
    /// [`Error::ConfigFile`] with its path where [`Config::from_toml`] fails.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = lenet_files::read(path, 1 << 20)?;
        Self::from_toml(&String::from_utf8_lossy(&bytes)).map_err(|error| Error::ConfigFile {
            path: path.to_owned(),
            source: Box::new(error),
        })
    }

    /// Reads what [`Config::to_toml`] wrote, or a part of it; what is missing has its default.
    ///
    /// # Errors
    /// [`Error::ConfigSyntax`] with line, column and the names that exist, and as [`Config::check`].
    pub fn from_toml(text: &str) -> Result<Self> {
        let config = Self::from_toml_unchecked(text)?;
        config.check()?;
        Ok(config)
    }

    pub(crate) fn from_toml_unchecked(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        toml::from_str(text).map_err(Error::ConfigSyntax)
    }

    /// The configuration as `config.toml` holds it.
    ///
    /// # Errors
    /// None for a configuration that [`Config::check`] accepts.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(Error::ConfigUnwritable)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] with the first value that is not, and its range.
    pub fn check(&self) -> Result<()> {
        let outside = |name: &'static str, value: String, allowed: String| Error::ConfigValue {
            name,
            value,
            allowed,
        };
        if self.seed > Self::MAX_SEED {
            let allowed = format!("between 0 and {}", Self::MAX_SEED);
            return Err(outside("seed", self.seed.to_string(), allowed));
        }
        if !(1..=Self::MAX_EPOCHS).contains(&self.epochs) {
            let allowed = format!("between 1 and {}", Self::MAX_EPOCHS);
            return Err(outside("epochs", self.epochs.to_string(), allowed));
        }
        if !(1..=Self::MAX_BATCH_SIZE).contains(&self.batch_size) {
            let allowed = format!("between 1 and {}", Self::MAX_BATCH_SIZE);
            return Err(outside("batch_size", self.batch_size.to_string(), allowed));
        }
        let mut ranges = vec![
            ("learning_rate", self.learning_rate, Range::Positive),
            ("label_smoothing", self.label_smoothing, Range::BelowOne),
            ("average", self.average, Range::UpToOne),
            ("augment_until", self.augment_until, Range::UpToOne),
            ("augment_end", self.augment_end, Range::UpToOne),
        ];
        ranges.extend(
            self.clip_norm
                .map(|norm| ("clip_norm", norm, Range::Positive)),
        );
        ranges.extend(self.optimizer.ranges());
        ranges.extend(self.schedule.ranges());
        for (name, value, range) in ranges {
            if !range.holds(value) {
                return Err(outside(name, value.to_string(), range.allowed().to_owned()));
            }
        }
        if self.checkpoint_every == Some(0) {
            let allowed = "1 or more".to_owned();
            return Err(outside("checkpoint_every", "0".to_owned(), allowed));
        }
        self.augmentation.check()?;
        if self.limit_train == Some(0) {
            return Err(outside(
                "limit_train",
                "0".to_owned(),
                "1 or more".to_owned(),
            ));
        }
        Ok(())
    }

    /// The form of the network for a data set of so many classes.
    pub fn architecture(&self, classes: usize) -> Architecture {
        Architecture {
            classes,
            padding: self.padding,
            activation: self.activation,
        }
    }

    /// How pixels become the network's input.
    pub fn normalization(&self) -> Normalization {
        match self.scaling {
            Scaling::Unit => Normalization::default(),
            Scaling::UnitDeviation => Normalization {
                mean: 0.,
                ..Normalization::MNIST
            },
            Scaling::Standard => Normalization::MNIST,
        }
    }
}

#[cfg(test)]
mod tests;
