//! The command line, as typed. Nothing is looked up or decided here.

mod compare;
mod data;
mod export;
mod predict;
mod serve;
mod sweep;
mod train;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Error, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use lenet_data::{Dataset, Source, Splits, registry};
use lenet_model::{Activation, Padding};
use lenet_picture::Preparation;
use lenet_train::Backend;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NameError, StringDeserializer};

pub use compare::Compare;
pub use data::{Check, Data, DataCommand, Show, ShowAugmentation};
pub use export::{Export, ExportFormat, Foreign};
pub use predict::{Predict, PredictFormat};
pub use serve::Serve;
pub use sweep::Sweep;
pub use train::{KeepFiles, Train, TrainFormat, Values};

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
--min-accuracy or a run not reproduced, 130 interrupted, 143 terminated.";

/// How much goes to standard error.
#[derive(Debug, Args)]
pub struct Verbosity {
    /// Print only warnings and errors. RUST_LOG=debug prints more.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network, evaluate it on the test images and write a run folder.
    Train(Box<Train>),
    /// Evaluate a trained network: loss, accuracy, and the figures of each class.
    Eval(Eval),
    /// Classify pictures of digits: photos, scans and drawings.
    Predict(Box<Predict>),
    /// Serve a page to draw digits on, and an API that classifies pictures.
    Serve(Serve),
    /// Show the network: layers, output shapes, parameters, multiply-adds; or draw it.
    Summary(Summary),
    /// Train one recipe on several data sets and tabulate the results.
    Compare(Box<Compare>),
    /// Train many settings and seeds side by side, and compare them.
    Sweep(Sweep),
    /// Train a run again from its own files, and name the first difference.
    Reproduce(Reproduce),
    /// Redraw the plots and the page of a run, or put several runs on one page.
    Report(Report),
    /// Write a trained network for other tools: ONNX, int8, C, PyTorch, the Hugging Face hub.
    Export(Box<Export>),
    /// List, download, verify and show data sets.
    Data(Data),
    /// Show what this machine offers: instruction set, threads, devices, data sets found.
    Checks(Checks),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The run is trained in a temporary folder; its own is only read. It is identical only on the same
/// kind of engine and instruction set, with any number of threads.
#[derive(Debug, Args)]
pub struct Reproduce {
    /// The folder of a finished run.
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// The folder that holds the data sets' files [default: LENET_DATA, the cache folder, a system
    /// package; MNIST is also embedded in the program].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub hardware: Hardware,
}

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    pub source: DataArguments,
    /// A model.safetensors, or a run folder that holds one [default: the embedded network, which
    /// the recipe best trained on MNIST].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// How pictures of own data become images [default: as in the network's training].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// The images to evaluate on.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Exit with code 8 if the accuracy is below this fraction, such as 0.98.
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub min_accuracy: Option<f64>,
    /// Write the misclassified images as PNG files, a list of them and the confusion matrix into
    /// this folder, which must be new or empty.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub errors: Option<PathBuf>,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: EvalFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvalFormat {
    /// For people.
    Text,
    /// One object.
    Json,
    /// The confusion matrix: a row for each true class, a column for each predicted one.
    Csv,
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
    #[arg(long, default_value = "relu", value_parser = activation())]
    pub activation: Activation,
    /// The form of the summary; svg draws the architecture.
    #[arg(long, default_value = "text")]
    pub format: SummaryFormat,
}

/// Redraws the plots and the page, even for a run that was stopped early; or puts several runs on
/// one page.
#[derive(Debug, Args)]
pub struct Report {
    /// Run folders, or patterns such as 'runs/*': one folder gets its own plots and page, several
    /// get one page together.
    #[arg(required = true, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,
    /// The page or table of several runs, or - for standard output [default: comparison.html; - for
    /// csv].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite the page or table if it exists.
    #[arg(long)]
    pub force: bool,
    /// What becomes of several runs.
    #[arg(long, default_value = "page")]
    pub format: ReportFormat,
}

#[derive(Debug, Args)]
pub struct Checks {
    /// The form of the result on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// Which data set, and where.
#[derive(Debug, Clone, Args)]
pub struct DataArguments {
    /// A data set by name, as `lenet data list` shows it, or a path to your own: a folder of IDX
    /// files, a folder with a subfolder of pictures for each class (or train and test folders of
    /// such), or CSV files with a label and 784 pixels [default: mnist, or the model's].
    #[arg(long, value_name = "NAME|PATH", value_parser = SourceParser, value_hint = ValueHint::AnyPath)]
    pub dataset: Option<Source>,
    /// The folder that holds the data set's files [default: LENET_DATA, the cache folder, a system
    /// package; MNIST is also embedded in the program].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// Refuse own data with pictures that cannot be read, instead of skipping these.
    #[arg(long)]
    pub strict: bool,
    /// Turn images of own IDX or CSV files that lie on their side, as EMNIST's do [default: those of
    /// EMNIST's own files].
    #[arg(long, overrides_with = "no_transposed")]
    pub transposed: bool,
    /// Leave images of own IDX or CSV files as they are, EMNIST's too.
    #[arg(long, overrides_with = "transposed")]
    pub no_transposed: bool,
}

impl DataArguments {
    /// Whether images lie on their side, if that is stated.
    pub fn transposed(&self) -> Option<bool> {
        (self.transposed || self.no_transposed).then_some(self.transposed)
    }
}

/// What computes.
#[derive(Debug, Clone, Args)]
pub struct Hardware {
    /// Compute threads [default: one per physical core]. Does not change results.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// cpu, cuda, cuda:N or metal.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// What computes on a CPU: lenet's own engine, or candle's operations, which are a hundred
    /// times slower.
    #[arg(long, default_value = "fused", value_parser = ["fused", "candle"])]
    pub engine: String,
}

impl Hardware {
    /// Whether lenet's engine computes: only on the CPU.
    pub fn is_fused(&self) -> bool {
        self.engine == "fused" && self.device == DeviceName::Cpu
    }

    /// What computes. Starts the engine's threads.
    pub fn backend(&self) -> Backend {
        if self.is_fused() {
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
pub enum ReportFormat {
    /// A page with curves, a table and confusion matrices.
    Page,
    /// A row for each run.
    Csv,
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
    /// All training images, including those held out for validation.
    Train,
    /// The images that training never sees.
    Test,
}

impl Split {
    /// Its name, and its images.
    pub fn of(self, splits: Splits) -> (&'static str, Dataset) {
        match self {
            Split::Train => ("train", splits.train),
            Split::Test => ("test", splits.test),
        }
    }
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
        .try_map(|name| T::deserialize(StringDeserializer::<NameError>::new(name)))
}

fn preparation() -> impl TypedValueParser<Value = Preparation> {
    named(&[
        ("ink", "The ink on a ground, brought into MNIST's form"),
        (
            "resize",
            "The whole picture in grey, resized with its aspect kept",
        ),
        (
            "as-is",
            "28x28 pixels unchanged, in grey; other sizes are resized",
        ),
    ])
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

/// Takes a data set of the registry by its name, or a path, which need not be UTF-8. Shells complete
/// both.
#[derive(Debug, Clone, Copy)]
struct SourceParser;

impl TypedValueParser for SourceParser {
    type Value = Source;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Source, Error> {
        Source::parse(value).map_err(|error| {
            Error::raw(ErrorKind::InvalidValue, format!("{error}\n")).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(registry::names().map(PossibleValue::new)))
    }
}

/// Whether a character may be in the name of a folder that this program creates.
pub fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.".contains(c)
}

/// The name of a folder, not a path.
fn folder_name(name: &str) -> Result<String, String> {
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err("a name has letters, digits, - and _; for a path use --output".to_owned());
    }
    Ok(name.to_owned())
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fraction) if (0. ..=1.).contains(&fraction) => Ok(fraction),
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
}
