//! The error type of all crates: a sentence for people, a [`Kind`] for programs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::printable;

/// The result of the functions of this crate and of those above it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was; a caller decides by this, and the command line's exit code follows
/// from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An argument or a configuration value that makes no sense.
    Usage,
    /// A file, a picture or a model that is not what it should be.
    Input,
    /// A picture in a format that is not decoded here; another decoder may know it.
    PictureFormat,
    /// A picture with more bytes or pixels than are decoded.
    PictureTooLarge,
    /// The operating system refused to read or write.
    Io,
    /// There is too little memory.
    Memory,
    /// A download failed.
    Network,
    /// Another process holds what is needed.
    Busy,
    /// Training left the finite numbers.
    Diverged,
    /// The user asked to stop.
    Interrupted,
    /// A fault of this program.
    Internal,
}

/// What went wrong: the file, if one is involved, a sentence, and the underlying error.
///
/// It reads `"FILE": message: underlying error`.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: Kind,
    path: Option<PathBuf>,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind that says this.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: None,
            message: message.into(),
            source: None,
        }
    }

    /// An argument or a configuration value that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Input that is not what it should be.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// A fault of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The operating system's error during an operation (`read`, `create` ...) on a file.
    pub fn io(operation: &str, path: &Path, source: io::Error) -> Self {
        Self::new(Kind::Io, format!("cannot {operation}"))
            .at(path)
            .caused_by(source)
    }

    /// The same error, about this file, unless it names one already.
    pub fn at(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The same error with what caused it.
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What sort of failure it was.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The file that it is about.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{path:?}: ")?;
        }
        // Messages of several lines are ours; what caused one may quote anything.
        f.write_str(&printable(&self.message, &['\n']))?;
        match &self.source {
            Some(source) => write!(f, ": {}", printable(source, &[])),
            None => Ok(()),
        }
    }
}

/// Shapes and labels are checked before a tensor is made of them, so that what candle refuses is a
/// fault of this program.
#[cfg(feature = "candle")]
impl From<candle_core::Error> for Error {
    fn from(source: candle_core::Error) -> Self {
        Self::internal("a tensor operation failed").caused_by(source)
    }
}
