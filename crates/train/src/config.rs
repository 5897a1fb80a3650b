//! The configuration of a training: all that decides its result.

use std::path::Path;

use lenet_data::{Normalization, read_file};
use lenet_model::{Activation, Architecture, Init, Padding};
use serde::{Deserialize, Serialize};

use crate::{AdamConfig, Error, Result};

/// All that decides the result of a training, in the words of `config.toml`. The defaults are those
/// of the classic recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recipe that the other values come from.
    pub recipe: String,
    /// The data set's name.
    pub dataset: String,
    /// What every random number is drawn from: the initial parameters, the validation split and
    /// the order of each epoch.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images of a step; the last step of an epoch takes what is left over.
    pub batch_size: usize,
    /// Adam's step size.
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
}

/// What the products of the fused engine are computed in; sums, parameters and Adam are f32 in any
/// case, and so is every evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// bf16 in the second convolution and the linear layers, on a processor with AMX.
    Bf16,
}

impl From<Precision> for lenet_kernels::engine::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// How pixels 0..=255 become the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scaling {
    /// To \[0, 1].
    Unit,
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
    /// [`Error::Data`] where it cannot be read or has more than a mebibyte;
    /// [`Error::ConfigFile`] with its path where [`Config::from_toml`] fails.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_file(path, 1 << 20)?;
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
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let config: Self = toml::from_str(text).map_err(Error::ConfigSyntax)?;
        config.check()?;
        Ok(config)
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
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.) {
            let allowed = "a finite number above 0".to_owned();
            return Err(outside(
                "learning_rate",
                self.learning_rate.to_string(),
                allowed,
            ));
        }
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
            Scaling::Standard => Normalization::MNIST,
        }
    }

    pub(crate) fn adam(&self) -> AdamConfig {
        AdamConfig {
            learning_rate: self.learning_rate,
            ..AdamConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
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
    }

    #[test]
    fn a_part_is_enough() {
        let config = Config::from_toml("\u{feff}epochs = 3\r\n").unwrap();
        assert_eq!(
            config,
            Config {
                epochs: 3,
                ..Config::default()
            }
        );
    }

    /// FAULTS B15.
    #[test]
    fn syntax_errors_say_where() {
        for (text, place) in [
            ("epochs = 3\nepoch = 4\n", "line 2, column 1"),
            ("seed = \"seven\"\n", "line 1, column 8"),
            ("padding = \"reflect\"\n", "line 1, column 11"),
            ("epochs = \n", "line 1, column 10"),
        ] {
            let error = Config::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(place), "{text:?}: {error}");
        }
        let unknown = Config::from_toml("epoch = 4").unwrap_err().to_string();
        assert!(
            unknown.contains("unknown field `epoch`") && unknown.contains("`epochs`"),
            "{unknown}"
        );
    }

    /// FAULTS A23.
    #[test]
    fn values_out_of_range_are_named_with_their_range() {
        for (text, message) in [
            ("epochs = 0", "epochs 0: must be between 1 and 100000"),
            (
                "batch_size = 0",
                "batch_size 0: must be between 1 and 65536",
            ),
            (
                "batch_size = 65537",
                "batch_size 65537: must be between 1 and 65536",
            ),
            (
                "learning_rate = 0.0",
                "learning_rate 0: must be a finite number above 0",
            ),
            (
                "learning_rate = -1e-3",
                "learning_rate -0.001: must be a finite number above 0",
            ),
            (
                "learning_rate = nan",
                "learning_rate NaN: must be a finite number above 0",
            ),
            (
                "learning_rate = inf",
                "learning_rate inf: must be a finite number above 0",
            ),
            ("limit_train = 0", "limit_train 0: must be 1 or more"),
        ] {
            assert_eq!(Config::from_toml(text).unwrap_err().to_string(), message);
        }
    }
}
