//! The command line, as typed. Nothing is looked up or decided here.

mod compare;
mod dataset;
mod export;
mod predict;
mod records;
mod report;
mod serve;
mod show;
mod train;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use lenet_model::{Activation, Padding};
use lenet_train::Backend;
use serde::de::{DeserializeOwned, IntoDeserializer, value};

pub use compare::Compare;
pub use dataset::{DatasetName, dataset_names};
pub use export::{Export, ExportFormat, Foreign};
pub use predict::{Invert, Predict, PredictFormat};
pub use records::Records;
pub use report::Report;
pub use serve::Serve;
pub use show::{Show, ShowAugmentation};
pub use train::{Train, Values};

use crate::device::DeviceName;

/// LeNet-5 on MNIST: train, evaluate and use it.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
pub struct Arguments {
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 internal error, 2 usage or configuration, 3 bad data, model or picture,
4 network, 5 input or output, 6 training diverged, 7 run folder in use, 8 accuracy below
--min-accuracy, 130 interrupted, 143 terminated.";

/// How much is said on standard error.
#[derive(Debug, Args)]
pub struct Verbosity {
    /// Say nothing but warnings and errors; RUST_LOG=debug says more.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network, evaluate it on the test images and write a run folder.
    Train(Box<Train>),
    /// Evaluate a trained network: loss, accuracy and the figures of each class.
    Eval(Eval),
    /// Classify pictures of digits: photos, scans and drawings.
    Predict(Box<Predict>),
    /// Serve the page to draw digits on, and an API that classifies pictures.
    Serve(Serve),
    /// Show the network: layers, output shapes, parameters, multiply-adds; or draw it.
    Summary(Summary),
    /// Train the same recipe on several data sets and tabulate what comes of it.
    Compare(Box<Compare>),
    /// Draw the page of a run anew, or lay several runs side by side.
    Report(Report),
    /// Write a trained network for other tools: ONNX, int8, C, PyTorch, the Hugging Face hub.
    Export(Box<Export>),
    /// List, download, verify and show data sets.
    Data(Data),
    /// Show what this machine offers: instruction set, threads, devices, data found.
    Checks(Checks),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub source: Source,
    /// The trained network: a model.safetensors, or the run folder that holds one [default: weights
    /// of the recipe best for MNIST, which come with the program].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// The images to evaluate on.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Fail with exit code 8 below this accuracy, a part of 1 such as 0.98.
    #[arg(long, value_name = "PART", value_parser = part_of_one)]
    pub min_accuracy: Option<f64>,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Summary {
    /// Show the network in this file or run folder.
    #[arg(
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = ["classes", "padding", "activation"]
    )]
    pub model: Option<PathBuf>,
    /// Number of classes.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub classes: u16,
    /// The first convolution's padding.
    #[arg(long, default_value = "same", value_parser = padding())]
    pub padding: Padding,
    /// The function after each layer but the last.
    #[arg(long, value_name = "FUNCTION", default_value = "relu", value_parser = activation())]
    pub activation: Activation,
    /// The form of the summary; svg is a picture of the architecture.
    #[arg(long, default_value = "text")]
    pub format: SummaryFormat,
}

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// List the data sets, and where each is on this machine.
    List {
        /// Look in this folder only.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// The form of the list on standard output.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Download data sets into the cache folder, or into --data-dir.
    Download {
        /// The data sets, or all.
        #[arg(default_value = "mnist", value_parser = dataset_names(&["all"]))]
        datasets: Vec<String>,
        /// Download into this folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// Download from this address instead of the known mirrors; can be given several times.
        #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
        mirror: Vec<String>,
        /// Download also what is there already.
        #[arg(long)]
        force: bool,
        /// Ask nobody: only see whether everything is there.
        #[arg(long, conflicts_with_all = ["force", "mirror"])]
        offline: bool,
    },
    /// Read data sets as training does, and show what is in them.
    Verify {
        /// The data sets, or paths of your own.
        #[arg(default_value = "mnist", value_parser = DatasetName, value_hint = ValueHint::AnyPath)]
        datasets: Vec<OsString>,
        /// Look in this folder only.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
        /// The form of the result on standard output.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Draw samples of a data set, or what augmentation makes of them.
    Show(Box<Show>),
}

#[derive(Debug, Args)]
pub struct Checks {
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// Which data set, and where.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// A data set by its name, as `lenet data list` shows it, or the path of your own: a folder of
    /// IDX files, a folder with a folder of pictures for each class, train and test of such, or CSV
    /// files with a label and 784 pixels [default: mnist, or that of the model].
    #[arg(long, value_name = "NAME|PATH", value_parser = DatasetName, value_hint = ValueHint::AnyPath)]
    pub dataset: Option<OsString>,
    /// The folder that holds the data set's files; else LENET_DATA, the cache folder, a system
    /// package, or for MNIST the program itself.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
}

/// Where the arithmetic is done.
#[derive(Debug, Clone, Args)]
pub struct Hardware {
    /// Threads of the arithmetic [default: one a physical core]; more than there are cores are not
    /// used, and the results are the same.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// cpu, cuda, cuda:N or metal.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// What computes on the CPU: lenet's own operations, or those of candle.
    #[arg(long, value_name = "ENGINE", default_value = "fused")]
    pub engine: Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The fast operations of lenet-engine.
    Fused,
    /// candle's own operations: a hundred times slower on a CPU.
    Candle,
}

impl Hardware {
    /// What computes: lenet-engine only on the CPU. Starts the engine's threads.
    pub fn backend(&self) -> Backend {
        if self.engine == Engine::Fused && self.device == DeviceName::Cpu {
            Backend::default()
        } else {
            Backend::Candle
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// A table.
    Text,
    /// An object.
    Json,
    /// A picture.
    Svg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// The images to train on, with those held out for validation.
    Train,
    /// The images that no choice was made by.
    Test,
}

/// Parses the values of a library's enum by their names in files; each has a help text.
fn named<T>(values: &'static [(&'static str, &'static str)]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let values = values
        .iter()
        .map(|&(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values)
        .try_map(|name| T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(name)))
}

fn padding() -> impl TypedValueParser<Value = Padding> {
    named(&[
        ("same", "Two pixels on each side: 61,706 parameters"),
        ("valid", "None: 44,426 parameters"),
    ])
}

fn activation() -> impl TypedValueParser<Value = Activation> {
    named(&[("relu", "max(0, x)"), ("tanh", "The hyperbolic tangent")])
}

/// Whether a character may stand in the name of a folder that this program makes.
pub fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.".contains(c)
}

/// A name that is a folder's, not a path.
fn folder_name(name: &str) -> Result<String, String> {
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err("a name has letters, digits, - and _; a path goes with --output".to_owned());
    }
    Ok(name.to_owned())
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(threads) if threads.get() <= 1_024 => Ok(threads),
        _ => Err("must be between 1 and 1024".to_owned()),
    }
}

fn part_of_one(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0. ..=1.).contains(&part) => Ok(part),
        _ => Err("must be between 0 and 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn names_of_folders() {
        for name in ["train", "my-run_2", "größe"] {
            assert_eq!(folder_name(name).as_deref(), Ok(name));
        }
        for name in ["", ".", "..", "a/b", "../x", "a b"] {
            assert!(folder_name(name).is_err(), "{name}");
        }
    }
}
