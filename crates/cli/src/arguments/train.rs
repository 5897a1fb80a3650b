//! The arguments of `lenet train`.

use std::num::ParseIntError;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum, ValueHint};
use lenet_model::{Activation, Init, Padding};
use lenet_picture::Preparation;
use lenet_run::Keep;
use lenet_train::{Precision, RECIPES, Reduce, Scaling};
use serde::Serialize;

use super::{DataArguments, Hardware, activation, folder_name, named, padding, preparation};

/// Flags override the values of --config, which override those of the recipe.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_help = recipes())]
pub struct Train {
    #[command(flatten)]
    pub source: DataArguments,
    #[command(flatten)]
    pub values: Values,
    /// Print the configuration that would be used, and do nothing.
    #[arg(long)]
    pub print_config: bool,
    /// Download the data set if it is not on this machine.
    #[arg(long)]
    pub download: bool,
    /// The run folder; it must not exist [default: runs/NAME-1, runs/NAME-2 ...].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// The name of the numbered run folder.
    #[arg(long, default_value = "train", conflicts_with = "output", value_parser = folder_name)]
    pub name: String,
    /// Continue an interrupted run with its own configuration.
    #[arg(
        long,
        value_name = "RUN",
        value_hint = ValueHint::DirPath,
        conflicts_with_all = ["recipe", "config", "output", "name"]
    )]
    pub resume: Option<PathBuf>,
    /// Begin the run of --output, or resume it if it is interrupted, or print its result if it is
    /// finished: the same command can be given again.
    #[arg(long = "continue", requires = "output")]
    pub continues: bool,
    /// Resume even if values or data changed, for example with more epochs.
    #[arg(long, requires = "resume")]
    pub force_config: bool,
    /// Also write an event file for TensorBoard into the run folder.
    #[arg(long)]
    pub tensorboard: bool,
    #[command(flatten)]
    pub hardware: Hardware,
    /// What to keep of the run once it is finished.
    #[arg(long, default_value = "all", value_name = "WHAT")]
    pub keep: KeepFiles,
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: TrainFormat,
    /// With --format jsonl, also a line for each step.
    #[arg(long)]
    pub steps: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrainFormat {
    /// For people.
    Text,
    /// The result, for programs.
    Json,
    /// An object for each event, when it happens; the last has the result.
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepFiles {
    /// Every file.
    All,
    /// The weights, the configuration and the figures.
    Model,
    /// The configuration and the figures.
    Result,
}

impl From<KeepFiles> for Keep {
    fn from(keep: KeepFiles) -> Self {
        match keep {
            KeepFiles::All => Self::All,
            KeepFiles::Model => Self::Model,
            KeepFiles::Result => Self::Result,
        }
    }
}

/// The values of the configuration. Serde's names are the keys of the configuration.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct Values {
    /// The recipe to start from [default: classic; small for own data below 10,000 images].
    #[arg(long, value_name = "NAME", value_parser = recipe_names())]
    pub recipe: Option<String>,
    /// Take values from a file such as the config.toml of a run.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Set any value of the configuration, for example schedule.kind=cosine; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    #[serde(skip)]
    pub set: Vec<String>,
    /// Passes over the training images.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Images per step.
    #[arg(long, value_name = "N", value_parser = count)]
    pub batch_size: Option<usize>,
    /// The learning rate, at its highest.
    #[arg(long, value_name = "RATE")]
    #[serde(rename = "learning_rate")]
    pub lr: Option<f64>,
    /// The seed of every random number [default: 42].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Training images held out for validation.
    #[arg(long, value_name = "N", value_parser = count)]
    pub validation: Option<usize>,
    /// Use only N training images.
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit_train: Option<usize>,
    /// How pictures of own data become images [default: their looks decide].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// What [`DataArguments::transposed`] returns.
    #[arg(skip)]
    pub transposed: Option<bool>,
    /// Start from the weights of this file or run folder, or of `built-in`, the network that is in
    /// the program. Other classes get a new last layer.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub from: Option<String>,
    /// Keep the convolutions of --from as they are.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub freeze: bool,
    /// Show each class as often as any other, however many images it has.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub balance: bool,
    /// How pixels are scaled.
    #[arg(long, value_parser = named::<Scaling>(&[
        ("unit", "To [0, 1]"),
        ("unit-deviation", "To [0, 1], divided by MNIST's standard deviation"),
        ("standard", "By MNIST's mean and standard deviation"),
    ]))]
    pub scaling: Option<Scaling>,
    /// The first convolution's padding [default: same].
    #[arg(long, value_parser = padding())]
    pub padding: Option<Padding>,
    /// The function after each layer but the last [default: relu].
    #[arg(long, value_parser = activation())]
    pub activation: Option<Activation>,
    /// How the parameters are initialised.
    #[arg(long, value_parser = named::<Init>(&[
        ("glorot-uniform", "As Keras does"),
        ("pytorch", "As PyTorch does"),
        ("he-uniform", "With the variance that ReLU keeps"),
    ]))]
    pub init: Option<Init>,
    /// The precision of products; sums are f32 [default: f32].
    #[arg(long, value_parser = named::<Precision>(&[
        ("f32", "32 bits"),
        ("bf16", "16 bits in the second convolution and the linear layers; needs AMX"),
    ]))]
    pub precision: Option<Precision>,
    /// What processes that mpirun started send each other; one process sends nothing [default: exact].
    #[arg(long, value_parser = named::<Reduce>(&[
        ("exact", "4 KB an image: any number of processes trains to the bits of one"),
        ("sum", "Half a megabyte a step, for large batches"),
    ]))]
    pub reduce: Option<Reduce>,
    /// The optimiser, with its own defaults.
    #[arg(long, value_parser = ["adam", "adamw", "sgd"])]
    #[serde(rename = "optimizer.kind")]
    pub optimizer: Option<String>,
    /// Weight decay of adamw and sgd; biases do not decay.
    #[arg(long, value_name = "DECAY")]
    #[serde(rename = "optimizer.weight_decay")]
    pub weight_decay: Option<f64>,
    /// Momentum of sgd.
    #[arg(long, value_name = "FRACTION")]
    #[serde(rename = "optimizer.momentum")]
    pub momentum: Option<f64>,
    /// How the learning rate changes.
    #[arg(long, value_parser = ["constant", "step", "cosine", "one-cycle", "plateau"])]
    #[serde(rename = "schedule.kind")]
    pub schedule: Option<String>,
    /// Spread this fraction of each label over all classes.
    #[arg(long, value_name = "FRACTION")]
    pub label_smoothing: Option<f64>,
    /// Scale gradients down to this norm.
    #[arg(long, value_name = "NORM")]
    pub clip_norm: Option<f64>,
    /// Average the weights over the last FRACTION of the steps.
    #[arg(long, value_name = "FRACTION")]
    pub average: Option<f64>,
    /// Stop after N epochs without better validation accuracy.
    #[arg(long, value_name = "N")]
    pub patience: Option<u32>,
    /// Also write a checkpoint every N steps, not only after each epoch.
    #[arg(long, value_name = "N", value_parser = count)]
    pub checkpoint_every: Option<usize>,
}

/// A number that TOML can hold, whose integers have a sign.
fn count(text: &str) -> Result<usize, String> {
    let count: i64 = text
        .parse()
        .map_err(|error: ParseIntError| error.to_string())?;
    usize::try_from(count).map_err(|_| "must not be negative".to_owned())
}

pub fn recipe_names() -> PossibleValuesParser {
    PossibleValuesParser::new(RECIPES.map(|recipe| recipe.name))
}

/// What each recipe is for, below the flags.
pub fn recipes() -> String {
    let lines = RECIPES.map(|recipe| format!("  {:9}{}", recipe.name, recipe.about));
    format!(
        "Recipes, shown by --recipe NAME --print-config:\n{}",
        lines.join("\n")
    )
}
