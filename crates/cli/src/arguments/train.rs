//! The arguments of `lenet train`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use lenet_model::{Activation, Init, Padding};
use lenet_train::{Precision, RECIPES, Scaling};

use super::{Format, Hardware, Records, Source, activation, folder_name, named, padding};

/// Flags override the values of --config, which override those of the recipe.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_help = recipes())]
pub struct Train {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub values: Values,
    /// Take values from a file such as the config.toml of a run.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Set any value of the configuration, as in schedule.kind=cosine; can be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the configuration that would be used, and do nothing.
    #[arg(long)]
    pub print_config: bool,
    /// The run folder; it must not exist [default: runs/NAME-1, runs/NAME-2 ...].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// The name of the numbered run folder.
    #[arg(long, default_value = "train", conflicts_with = "output", value_parser = folder_name)]
    pub name: String,
    /// Go on with an interrupted run, by its own configuration.
    #[arg(
        long,
        value_name = "RUN",
        value_hint = ValueHint::DirPath,
        conflicts_with_all = ["recipe", "config", "output", "name"]
    )]
    pub resume: Option<PathBuf>,
    /// Resume with other values or other data than before, as with more epochs.
    #[arg(long, requires = "resume")]
    pub force_config: bool,
    #[command(flatten)]
    pub records: Records,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// Values of the configuration that have a flag of their own.
#[derive(Debug, Clone, Default, Args)]
pub struct Values {
    /// The configuration to begin with [default: classic].
    #[arg(long, value_name = "NAME", value_parser = recipe_names())]
    pub recipe: Option<String>,
    /// Passes over the training images.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Images of a step.
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// The learning rate, at its highest.
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// What every random number is drawn from [default: 42].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Training images that are held out for validation.
    #[arg(long, value_name = "N")]
    pub validation: Option<usize>,
    /// Train on so many images only.
    #[arg(long, value_name = "N")]
    pub limit_train: Option<usize>,
    /// How pixels are scaled.
    #[arg(long, value_name = "SCALING", value_parser = named::<Scaling>(&[
        ("unit", "To [0, 1]"),
        ("unit-deviation", "To [0, 1], divided by MNIST's standard deviation"),
        ("standard", "By MNIST's mean and standard deviation"),
    ]))]
    pub scaling: Option<Scaling>,
    /// The first convolution's padding [default: same].
    #[arg(long, value_parser = padding())]
    pub padding: Option<Padding>,
    /// The function after each layer but the last [default: relu].
    #[arg(long, value_name = "FUNCTION", value_parser = activation())]
    pub activation: Option<Activation>,
    /// How the parameters are drawn.
    #[arg(long, value_parser = named::<Init>(&[
        ("glorot-uniform", "As Keras does"),
        ("pytorch", "As PyTorch does"),
        ("he-uniform", "With the variance that ReLU keeps"),
    ]))]
    pub init: Option<Init>,
    /// What products are computed in; bf16 needs a processor with AMX [default: f32].
    #[arg(long, value_parser = named::<Precision>(&[
        ("f32", "32 bits"),
        ("bf16", "16 bits in the second convolution and the linear layers, with sums of 32"),
    ]))]
    pub precision: Option<Precision>,
    /// adam, adamw or sgd, each with its own defaults.
    #[arg(long, value_name = "KIND", value_parser = ["adam", "adamw", "sgd"])]
    pub optimizer: Option<String>,
    /// Weight decay of adamw and sgd; biases do not decay.
    #[arg(long, value_name = "DECAY")]
    pub weight_decay: Option<f64>,
    /// Momentum of sgd.
    #[arg(long, value_name = "PART")]
    pub momentum: Option<f64>,
    /// How the learning rate changes.
    #[arg(
        long,
        value_name = "KIND",
        value_parser = ["constant", "step", "cosine", "one-cycle", "plateau"]
    )]
    pub schedule: Option<String>,
    /// Spread this part of each label over all classes.
    #[arg(long, value_name = "PART")]
    pub label_smoothing: Option<f64>,
    /// Scale gradients down to this norm.
    #[arg(long, value_name = "NORM")]
    pub clip_norm: Option<f64>,
    /// Average the parameters of the last steps, this part of all.
    #[arg(long, value_name = "PART")]
    pub average: Option<f64>,
    /// Stop after more than so many epochs without a better validation.
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u32>,
    /// Write a checkpoint after every so many steps, beside that of each epoch.
    #[arg(long, value_name = "STEPS")]
    pub checkpoint_every: Option<usize>,
}

pub fn recipe_names() -> PossibleValuesParser {
    PossibleValuesParser::new(RECIPES.map(|recipe| recipe.name))
}

/// What each recipe is for, below the flags.
pub(super) fn recipes() -> String {
    let lines = RECIPES.map(|recipe| format!("  {:9}{}", recipe.name, recipe.about));
    format!(
        "Recipes, shown by --recipe NAME --print-config:\n{}",
        lines.join("\n")
    )
}
