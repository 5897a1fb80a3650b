//! The arguments of `lenet compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::train::{Values, recipes};
use super::{DatasetName, Format, Hardware, folder_name};

/// Each data set has a run folder of its own; beside them comparison.html has the curves and the
/// confusion matrices of all, and comparison.csv the table.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_help = recipes())]
pub struct Compare {
    /// Data sets by their names, as `lenet data list` shows them, or paths of your own.
    #[arg(
        long,
        required = true,
        value_name = "NAME|PATH,...",
        value_delimiter = ',',
        value_parser = DatasetName,
        value_hint = ValueHint::AnyPath
    )]
    pub datasets: Vec<OsString>,
    /// The folder that holds the data sets' files; else LENET_DATA, the cache folder, a system
    /// package, or for MNIST the program itself.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub values: Values,
    /// Take values from a file such as the config.toml of a run.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Set any value of the configuration, as in schedule.kind=cosine; can be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The folder of the runs; the same command with the folder of an interrupted comparison goes
    /// on with it [default: runs/NAME-1, runs/NAME-2 ...].
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
