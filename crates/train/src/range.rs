//! What a number of the configuration may be.

use std::fmt::Display;

use lenet_files::{Error, Result};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Range {
    Positive,
    NotNegative,
    BelowOne,
    UpToOne,
}

impl Range {
    /// Checks the value of this name in `config.toml`.
    pub(crate) fn check(self, name: &str, value: f64) -> Result<()> {
        let (holds, range) = match self {
            Self::Positive => (value > 0., "a finite number above 0"),
            Self::NotNegative => (value >= 0., "a finite number, 0 or above"),
            Self::BelowOne => ((0. ..1.).contains(&value), "at least 0 and below 1"),
            Self::UpToOne => ((0. ..=1.).contains(&value), "between 0 and 1"),
        };
        check(name, value, holds && value.is_finite(), range)
    }
}

/// Refuses the value of this name if it is not in its range.
pub(crate) fn check(
    name: &str,
    value: impl Display,
    holds: bool,
    range: impl Display,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::usage(format!("{name} {value}: must be {range}")))
}
