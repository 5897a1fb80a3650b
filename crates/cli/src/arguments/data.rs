//! The arguments of `lenet data`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use lenet_data::{Source, registry};
use lenet_picture::Preparation;
use serde::Serialize;

use super::train::recipe_names;
use super::{DataArguments, Format, Hardware, SourceParser, Split, preparation};

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// List the data sets, and where each is on this machine.
    List {
        /// Look only in this folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// The form of the list on standard output.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Download data sets into the cache folder, or into --data-dir.
    ///
    /// Interrupted downloads resume, even after `kill -9`. Two processes that want the same set
    /// share one download. Every file is checked against its published digest.
    Download {
        /// The data sets, or all.
        #[arg(default_value = "mnist", value_parser = dataset_names())]
        datasets: Vec<String>,
        /// Download into this folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// Download from this address instead of the known mirrors; may be repeated.
        #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
        mirror: Vec<String>,
        /// Download again what is already there.
        #[arg(long)]
        force: bool,
        /// Use no network: only check whether everything is there.
        #[arg(long, conflicts_with_all = ["force", "mirror"])]
        offline: bool,
    },
    /// Read data sets as training does, check them, and show what is in them.
    Verify {
        /// Names of data sets, or paths to your own.
        #[arg(default_value = "mnist", value_parser = SourceParser, value_hint = ValueHint::AnyPath)]
        datasets: Vec<Source>,
        /// Look only in this folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// The form of the result on standard output.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Look for wrong labels, duplicates, and images that are both trained on and tested with.
    ///
    /// Five networks are trained on four fifths of the images each, and judge the labels of the rest.
    Check(Check),
    /// Draw samples of a data set, or what augmentation makes of them.
    Show(Box<Show>),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The name of a data set, or the path to your own.
    #[arg(value_parser = SourceParser, value_hint = ValueHint::AnyPath)]
    pub dataset: Source,
    /// Look only in this folder.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// How pictures become images [default: their looks decide].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// The page to write, or - for standard output [default: the data set's name and -check.html].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite the page if it exists.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

fn dataset_names() -> PossibleValuesParser {
    PossibleValuesParser::new(registry::names().chain(["all"]))
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub source: DataArguments,
    /// How pictures of own data become images [default: their looks decide].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// The images to draw from.
    #[arg(long, default_value = "train")]
    pub split: Split,
    /// The PNG file to write, or - for standard output [default: the data set's name and .png].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Images of each class; with --augment, images in all.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub count: u16,
    /// The seed of the choice of images, and of their augmentation.
    #[arg(long, value_name = "N", default_value = "42")]
    pub seed: u64,
    /// Whether to show some of it on the terminal, too, in half-blocks.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
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

/// Flags override the values of --config or --recipe; without any, the settings are those of the
/// recipe best.
#[derive(Debug, Args, Serialize)]
#[command(allow_negative_numbers = true)]
pub struct ShowAugmentation {
    /// Show each image beside what training makes of it in the first epochs.
    #[arg(long)]
    #[serde(skip)]
    pub augment: bool,
    /// Take the settings from a recipe.
    #[arg(long, value_name = "NAME", requires = "augment", value_parser = recipe_names())]
    #[serde(skip)]
    pub recipe: Option<String>,
    /// Take the settings from a file such as the config.toml of a run.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "augment", conflicts_with = "recipe")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Rotate by up to this many degrees.
    #[arg(long, value_name = "DEGREES", requires = "augment")]
    pub rotation: Option<f64>,
    /// Scale each axis by up to this fraction.
    #[arg(long, value_name = "FRACTION", requires = "augment")]
    pub scale: Option<f64>,
    /// Shear by up to this many pixels for each pixel below the centre.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub shear: Option<f64>,
    /// Shift by up to this many pixels along each axis.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub shift: Option<f64>,
    /// Distort elastically by up to this many pixels.
    #[arg(long, value_name = "PIXELS", requires = "augment")]
    pub elastic: Option<f64>,
    /// Swap left and right with this probability.
    #[arg(long, value_name = "PROBABILITY", requires = "augment")]
    pub mirror: Option<f64>,
    /// Erase a patch with this probability.
    #[arg(long, value_name = "PROBABILITY", requires = "augment")]
    pub erase: Option<f64>,
}
