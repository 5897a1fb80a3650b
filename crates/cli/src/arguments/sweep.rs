//! The arguments of `lenet sweep`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::train::KeepFiles;
use super::{Format, folder_name};

const FILE: &str = "\
The file, in which all but the values is optional:

  recipe = \"fast\"
  dataset = \"mnist\"
  seeds = 5                    # 1 to 5, or a list
  [set]                        # values of all runs, as in --set
  epochs = 2
  [grid]                       # every combination of these
  learning_rate = [0.001, 0.002, 0.004]
  schedule.kind = [\"constant\", \"cosine\"]

In place of [grid], random draws:

  [random]
  trials = 20
  seed = 1
  [random.values]
  learning_rate = { from = 1e-4, to = 1e-2, log = true }
  batch_size = [64, 128]";

/// The runs go side by side on this machine, each on one thread, and read the data once. Beside
/// their folders, sweep.csv has a row for each, and sweep.html compares the settings: mean and
/// standard deviation over the seeds, and each difference from the first setting with its
/// confidence interval.
#[derive(Debug, Args)]
#[command(after_help = FILE)]
pub struct Sweep {
    /// What to train: values and seeds.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The folder of the runs; with the folder of an interrupted sweep, the same command continues
    /// it [default: runs/NAME-1, runs/NAME-2 ...].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// The name of the numbered folder.
    #[arg(long, default_value = "sweep", conflicts_with = "output", value_parser = folder_name)]
    pub name: String,
    /// Print a command for each run, for xargs, GNU parallel, HyperQueue or Slurm, and train nothing.
    #[arg(long)]
    pub list: bool,
    /// Runs at a time [default: as many as there are cores for their threads].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Threads of each run. The results are the same for any number.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// What to keep of each run once it is finished.
    #[arg(long, default_value = "model", value_name = "WHAT")]
    pub keep: KeepFiles,
    /// The folder that holds the data sets' files [default: LENET_DATA, the cache folder, a system
    /// package; MNIST is also embedded in the program].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// The form of the table on standard output.
    #[arg(long, default_value = "text")]
    pub format: Format,
}
