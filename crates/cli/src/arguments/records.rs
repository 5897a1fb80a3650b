//! How a training is watched, and what it writes for others to watch.

use clap::Args;

/// What shows a training beside its console and its run folder. None of it changes a result.
#[derive(Debug, Clone, Default, Args)]
pub struct Records {
    /// Write an event file for TensorBoard into the run folder, too.
    #[arg(long)]
    pub tensorboard: bool,
    /// Show a dashboard with curves on the terminal; q or Ctrl-C stops the training.
    #[arg(long)]
    pub tui: bool,
}
