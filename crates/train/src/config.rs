//! The configuration of a training: all that decides its result.

use std::path::Path;

use lenet_data::Augmentation;
use lenet_engine::engine::Precision;
use lenet_files::{Error, Result};
use lenet_model::{Activation, Architecture, Init, Padding};
use lenet_picture::{Normalization, Preparation};
use serde::{Deserialize, Serialize};

use crate::optimizer::Optimizer;
use crate::range::{Range, check};
use crate::recipe::parse;
use crate::schedule::Schedule;

/// All that decides the result of a training, as `config.toml` holds it. The defaults are those of
/// the classic recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recipe that the other values come from.
    pub recipe: String,
    /// The data set's name.
    pub dataset: String,
    /// The seed of every random number: the initial parameters, the validation split, the
    /// order of each epoch and the augmentation.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images in a step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// The optimiser's step size, at its highest.
    pub learning_rate: f64,
    /// Images of the training set that are held out for validation.
    pub validation: usize,
    /// Use only this many of the remaining images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_train: Option<usize>,
    /// How pictures of own data become images; without it, their looks decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Preparation>,
    /// Whether images of own IDX or CSV files lie on their side; without it, those of EMNIST's files do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transposed: Option<bool>,
    /// The network to start from: a file, a run folder, or [`Config::BUILT_IN`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether the convolutions stay as they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub freeze: bool,
    /// Whether each class is seen as often as any other.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub balance: bool,
    /// How pixels are scaled.
    pub scaling: Scaling,
    /// The first convolution's padding.
    pub padding: Padding,
    /// The function after each layer but the last.
    pub activation: Activation,
    /// How the parameters are drawn.
    pub init: Init,
    /// The number format of the fused engine's products.
    pub precision: Precision,
    /// What processes that share a training exchange.
    #[serde(skip_serializing_if = "Reduce::is_exact")]
    pub reduce: Reduce,
    /// ε of label smoothing: the loss is that of a label which is right to 1 - ε and spread evenly
    /// over all classes to ε. Szegedy et al. 2016, <https://arxiv.org/abs/1512.00567>.
    pub label_smoothing: f64,
    /// Gradients with a larger Euclidean norm, all parameters together, are scaled down to it. Pascanu et al. 2013, <https://arxiv.org/abs/1211.5063>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The fraction of the steps, the last ones, whose parameters are averaged. From the first of them
    /// the average is what is validated and kept.
    pub average: f64,
    /// Epochs without better validation accuracy to tolerate; the next one is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Steps between two checkpoints, besides the one after every epoch. Does not change results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// The fraction of the steps in which augmentation has its full strength; then it fades.
    pub augment_until: f64,
    /// The fraction of its strength that augmentation has at the end.
    pub augment_end: f64,
    /// The optimiser.
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
    /// To \[0, 1], divided by the standard deviation of MNIST's pixels: the background stays 0, with
    /// which a convolution pads.
    UnitDeviation,
    /// To \[0, 1], less the mean of MNIST's pixels, divided by their standard deviation.
    Standard,
}

/// What processes that share a training send each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// What the gradients are computed from, 4 KB an image: any number of processes trains to the
    /// bits of one.
    Exact,
    /// The gradients' sums, half a megabyte a step: their last bits depend on the number of processes.
    Sum,
}

impl Reduce {
    fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
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
            pictures: None,
            transposed: None,
            from: None,
            freeze: false,
            balance: false,
            scaling: Scaling::Unit,
            padding: Padding::Same,
            activation: Activation::Relu,
            init: Init::GlorotUniform,
            precision: Precision::F32,
            reduce: Reduce::Exact,
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
    /// The most bytes of a configuration file.
    const MAX_BYTES: usize = 1 << 20;
    /// The most epochs; a hundred times more than any data set of this kind needs.
    pub const MAX_EPOCHS: u32 = 100_000;
    /// The most images in a step; as many as a whole data set of this kind has.
    pub const MAX_BATCH_SIZE: usize = 65_536;
    /// The largest seed: TOML has signed integers of 64 bits.
    pub const MAX_SEED: u64 = i64::MAX as u64;
    /// The name of the network inside the program, which reads digits.
    pub const BUILT_IN: &str = "built-in";

    /// Reads a file such as `config.toml`.
    ///
    /// # Errors
    /// [`Kind::Io`](lenet_files::Kind::Io) if it cannot be read; otherwise those of
    /// [`Config::from_toml`], with its path.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_toml(&lenet_files::read_text(path, Self::MAX_BYTES)?)
            .map_err(|error| error.at(path))
    }

    /// Reads what [`Config::to_toml`] wrote, or a part of it; what is missing has its default.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage), with line, column and the names that exist, and
    /// those of [`Config::check`].
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = parse(text)?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as `config.toml` holds it.
    ///
    /// # Errors
    /// None for a configuration that [`Config::check`] accepts.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::usage("the configuration cannot be written").caused_by(error))
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) with the first value that is not, and its range.
    pub fn check(&self) -> Result<()> {
        let between = |name, value: u64, least: u64, most: u64| {
            let range = format_args!("between {least} and {most}");
            check(name, value, (least..=most).contains(&value), range)
        };
        let positive = |name, value: Option<usize>| check(name, 0, value != Some(0), "1 or more");
        between("seed", self.seed, 0, Self::MAX_SEED)?;
        between("epochs", self.epochs.into(), 1, Self::MAX_EPOCHS.into())?;
        let most = Self::MAX_BATCH_SIZE as u64;
        between("batch_size", self.batch_size as u64, 1, most)?;
        positive("limit_train", self.limit_train)?;
        positive("checkpoint_every", self.checkpoint_every)?;
        Range::Positive.check("learning_rate", self.learning_rate)?;
        Range::BelowOne.check("label_smoothing", self.label_smoothing)?;
        Range::UpToOne.check("average", self.average)?;
        Range::UpToOne.check("augment_until", self.augment_until)?;
        Range::UpToOne.check("augment_end", self.augment_end)?;
        if self.freeze && self.from.is_none() {
            return Err(Error::usage(
                "freeze keeps the convolutions of another network: name it with from",
            ));
        }
        if let Some(norm) = self.clip_norm {
            Range::Positive.check("clip_norm", norm)?;
        }
        self.optimizer.check()?;
        self.schedule.check()?;
        self.augmentation.check()
    }

    /// The form of the network for this number of classes.
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
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_parts_of_it() {
        let config = Config {
            seed: Config::MAX_SEED,
            learning_rate: 0.1 + 0.2,
            limit_train: Some(1_000),
            scaling: Scaling::Standard,
            init: Init::PyTorch,
            ..Config::default()
        };
        let text = config.to_toml().unwrap();
        assert_eq!(Config::from_toml(&text).unwrap(), config);

        let part = Config::from_toml("\u{feff}epochs = 3\r\n").unwrap();
        let epochs = 3;
        let expected = Config {
            epochs,
            ..Config::default()
        };
        assert_eq!(part, expected);
    }

    /// FAULTS A23 and B15: errors of syntax say where, values out of range name the range.
    #[test]
    fn errors_say_where_and_what() {
        for (text, expected) in [
            ("epochs = 3\nepoch = 4\n", "line 2, column 1"),
            ("epoch = 4", "unknown field `epoch`"),
            ("seed = \"seven\"\n", "line 1, column 8"),
            ("padding = \"reflect\"\n", "line 1, column 11"),
            ("epochs = 0", "epochs 0: must be between 1 and 100000"),
            ("batch_size = 65537", "must be between 1 and 65536"),
            ("learning_rate = 0.0", "must be a finite number above 0"),
            ("learning_rate = nan", "learning_rate NaN: must be"),
            ("learning_rate = inf", "must be a finite number above 0"),
            ("average = 1.5", "average 1.5: must be between 0 and 1"),
            ("limit_train = 0", "limit_train 0: must be 1 or more"),
            (
                "[optimizer]\nkind = \"adam\"\nbeta2 = 1.0",
                "at least 0 and below 1",
            ),
            ("[schedule]\nkind = \"step\"\nevery = 0", "schedule.every 0"),
        ] {
            let error = Config::from_toml(text).unwrap_err();
            assert_eq!(error.kind(), lenet_files::Kind::Usage);
            assert!(error.to_string().contains(expected), "{text:?}: {error}");
        }
    }
}
