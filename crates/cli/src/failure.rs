//! What the program says and returns when a command fails.

use std::io::{self, Write as _};
use std::process::ExitCode;

use lenet_files::Kind;

/// Why a command failed. Libraries say what happened; here it becomes a class of failure, which is
/// what a script wants to know.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments or a configuration that mean nothing: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The data's error.
    #[error(transparent)]
    Data(#[from] lenet_data::Error),
    /// The error of a file or a picture.
    #[error(transparent)]
    Files(#[from] lenet_files::Error),
    /// The report's error.
    #[error(transparent)]
    Report(#[from] lenet_report::Error),
    /// The server's error.
    #[error(transparent)]
    Serve(#[from] lenet_serve::Error),
    /// The training's error.
    #[error(transparent)]
    Train(#[from] lenet_train::Error),
    /// Signals cannot be received on this system.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
    /// candle's own error. It may bring a backtrace of many lines: our sentence comes first.
    #[error("a tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// Standard output cannot be written to, as on a full disk.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// Inputs of which some could not be used; each was reported when it was met: exit code 3.
    #[error("{0}")]
    Inputs(String),
    /// An evaluation below what was demanded: exit code 8.
    #[error("{0}")]
    BelowMinimum(String),
}

/// The result of a command.
pub type Outcome<T = ExitCode> = Result<T, Failure>;

// The classes of failure; `lenet --help` shows them.
const INTERNAL: u8 = 1;
const USAGE: u8 = 2;
const BAD_INPUT: u8 = 3;
const NETWORK: u8 = 4;
const IO: u8 = 5;
const DIVERGED: u8 = 6;
const BUSY: u8 = 7;
const BELOW_MINIMUM: u8 = 8;
/// 128 + SIGINT, as shells count.
const INTERRUPTED: u8 = 130;

impl Failure {
    /// Says on standard error what went wrong, and gives the exit code.
    pub fn report(self) -> ExitCode {
        // Whoever reads standard output may have seen enough.
        if let Failure::Output(error) = &self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        // Nothing can be done where standard error is closed too.
        let _ = writeln!(io::stderr(), "error: {self}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Data(error) => data_code(error),
            Failure::Files(error) => code(error.kind()),
            Failure::Train(error) => train_code(error),
            Failure::Report(error) => report_code(error),
            Failure::Serve(error) => serve_code(error),
            Failure::Output(_) => IO,
            Failure::Signals(_) | Failure::Candle(_) => INTERNAL,
            Failure::Inputs(_) => BAD_INPUT,
            Failure::BelowMinimum(_) => BELOW_MINIMUM,
        }
    }
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Usage => USAGE,
        Kind::Input | Kind::PictureFormat | Kind::PictureTooLarge => BAD_INPUT,
        Kind::Io => IO,
        Kind::Network => NETWORK,
        Kind::Busy => BUSY,
        Kind::Diverged => DIVERGED,
        Kind::Interrupted => INTERRUPTED,
        _ => INTERNAL,
    }
}

fn data_code(error: &lenet_data::Error) -> u8 {
    use lenet_data::Error;
    match error {
        Error::File { .. } | Error::Format(_) | Error::MissingFile { .. } => BAD_INPUT,
        Error::NotFound { .. } => BAD_INPUT,
        Error::Files(error) => code(error.kind()),
        Error::UnknownDataset { .. } | Error::Setting { .. } => USAGE,
        Error::Io { .. } | Error::NoRoom { .. } => IO,
        Error::Offline { .. } => NETWORK,
        Error::Download { .. } | Error::Hub { .. } => NETWORK,
        Error::Interrupted => INTERRUPTED,
        _ => INTERNAL,
    }
}

fn train_code(error: &lenet_train::Error) -> u8 {
    use lenet_train::Error;
    match error {
        Error::ConfigValue { .. } | Error::ConfigSyntax(_) => USAGE,
        Error::UnknownRecipe { .. } | Error::Assignment { .. } => USAGE,
        Error::OtherTraining { .. } => USAGE,
        Error::NoCheckpoint { .. } | Error::CheckpointForm(_) => BAD_INPUT,
        Error::Diverged { .. } | Error::DivergedAfter { .. } => DIVERGED,
        Error::ConfigFile { source, .. } => train_code(source),
        Error::Files(error) => code(error.kind()),
        Error::Io { .. } => IO,
        Error::Data(error) => data_code(error),
        _ => INTERNAL,
    }
}

fn report_code(error: &lenet_report::Error) -> u8 {
    use lenet_report::Error;
    match error {
        Error::Read { .. } | Error::Write { .. } => IO,
        Error::Draw { .. } => INTERNAL,
        _ => BAD_INPUT,
    }
}

fn serve_code(error: &lenet_serve::Error) -> u8 {
    use lenet_serve::Error;
    match error {
        Error::Bind { .. } => IO,
        Error::Model(error) => code(error.kind()),
        _ => INTERNAL,
    }
}
