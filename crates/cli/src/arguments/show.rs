//! The arguments of `lenet data show`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{Source, Split};

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub source: Source,
    /// The images to draw from.
    #[arg(long, default_value = "train")]
    pub split: Split,
    /// The PNG file to write [default: NAME.png of the data set].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Images of each class; with --augment, images in all.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub count: u16,
    /// What images and their alterations are drawn from.
    #[arg(long, value_name = "N", default_value = "42")]
    pub seed: u64,
    /// Whether the terminal shows it, too: as a picture where it can, else in half-blocks.
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    pub preview: Preview,
    #[command(flatten)]
    pub augmentation: ShowAugmentation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preview {
    /// If standard output is a terminal.
    Auto,
    /// Also into a file or a pipe.
    Always,
    Never,
}

impl Preview {
    pub fn is_wanted(self) -> bool {
        match self {
            Self::Auto => std::io::stdout().is_terminal(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Flags override the values of --config or --recipe; with neither, the settings are those of the
/// recipe best.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct ShowAugmentation {
    /// Show each image beside what training makes of it in the first epochs.
    #[arg(long)]
    pub augment: bool,
    /// Rotate by up to so many degrees.
    #[arg(long, value_name = "DEGREES", requires = "augment")]
    pub rotation: Option<f64>,
    /// Scale each axis by up to this part of 1.
    #[arg(long, value_name = "PART", requires = "augment")]
    pub scale: Option<f64>,
    /// Shear by up to so many pixels for each pixel below the centre.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub shear: Option<f64>,
    /// Shift by up to so many pixels along each axis.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub shift: Option<f64>,
    /// Distort elastically by up to so many pixels.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub elastic: Option<f64>,
    /// Exchange left and right with this probability.
    #[arg(long, value_name = "PART", requires = "augment")]
    pub mirror: Option<f64>,
    /// Erase a part with this probability.
    #[arg(long, value_name = "PART", requires = "augment")]
    pub erase: Option<f64>,
    /// Take the settings from a recipe [default: best].
    #[arg(long, value_name = "NAME", requires = "augment", value_parser = super::train::recipe_names())]
    pub recipe: Option<String>,
    /// Take the settings from a file such as the config.toml of a run, from its augmentation.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "augment", conflicts_with = "recipe")]
    pub config: Option<PathBuf>,
}
