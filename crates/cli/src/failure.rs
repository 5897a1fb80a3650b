//! What the program says and returns when a command fails.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use lenet_files::{Error, Kind, printable};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The error of a library, or one like it: its kind tells the exit code.
    #[error(transparent)]
    Error(#[from] Error),
    /// Standard output cannot be written to, for example on a full disk.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// A result that is not what was demanded: an accuracy below its minimum, a run that is not
    /// reproduced.
    #[error("{0}")]
    NotAsDemanded(String),
}

/// The result of a command.
pub type Outcome<T = ExitCode> = Result<T, Failure>;

impl From<candle_core::Error> for Failure {
    fn from(error: candle_core::Error) -> Self {
        Self::Error(error.into())
    }
}

impl Failure {
    /// Arguments that make no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Error(Error::usage(message))
    }

    /// Prints what went wrong to standard error, and returns the exit code.
    pub fn report(self) -> u8 {
        // The reader of standard output may have seen enough.
        if let Failure::Output(error) = &self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return 0;
        }
        print_error(&self);
        self.code()
    }

    /// The exit code; `lenet --help` lists them.
    fn code(&self) -> u8 {
        match self {
            Failure::Error(error) => code(error.kind()),
            Failure::Output(_) => code(Kind::Io),
            Failure::NotAsDemanded(_) => 8,
        }
    }
}

/// Prints an error to standard error.
pub fn print_error(error: &impl Display) {
    // Nothing can be done if standard error is closed.
    let _ = writeln!(io::stderr(), "error: {}", printable(error, &['\n']));
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Usage => 2,
        Kind::Input | Kind::PictureFormat | Kind::PictureTooLarge => 3,
        Kind::Network => 4,
        Kind::Io | Kind::Memory => 5,
        Kind::Diverged => 6,
        Kind::Busy => 7,
        // 128 + SIGINT, as shells count.
        Kind::Interrupted => 130,
        _ => 1,
    }
}
