//! The arguments of `lenet compare`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lenet_data::Source;

use super::train::{Values, recipes};
use super::{Format, Hardware, SourceParser, folder_name};

/// Each data set gets its own run folder; beside them comparison.html has the curves and confusion
/// matrices of all, and comparison.csv the table.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_help = recipes())]
pub struct Compare {
    /// Data sets by name, as `lenet data list` shows them, or paths to your own.
    #[arg(
        long,
        required = true,
        value_name = "NAME|PATH,...",
        value_delimiter = ',',
        value_parser = SourceParser,
        value_hint = ValueHint::AnyPath
    )]
    pub datasets: Vec<Source>,
    /// The folder that holds the data sets' files [default: LENET_DATA, the cache folder, a system
    /// package; MNIST is also embedded in the program].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// Refuse own data with pictures that cannot be read, instead of skipping these.
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub values: Values,
    /// The folder of the runs; with the folder of an interrupted comparison, the same command
    /// continues it [default: runs/NAME-1, runs/NAME-2 ...].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// The name of the numbered folder.
    #[arg(long, default_value = "compare", conflicts_with = "output", value_parser = folder_name)]
    pub name: String,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the table on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}
