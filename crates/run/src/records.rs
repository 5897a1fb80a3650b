//! Everything that is read from a run folder.

use std::path::{Path, PathBuf};

use lenet_files::{Error, Result, read_text};

use crate::folder::name;
use crate::json::{MAX_FILE_BYTES, read_json};
use crate::{Environment, Epoch, Inspection, Scores, Summary, best_epoch, read_results};

/// The records of a run. Only `results.csv` is there from the first step of a training to its last;
/// the others are `None` until they are written.
#[derive(Debug, Clone)]
pub struct Records {
    /// The folder.
    pub path: PathBuf,
    /// `results.csv`.
    pub epochs: Vec<Epoch>,
    /// `summary.json`.
    pub summary: Option<Summary>,
    /// `config.toml`, as text.
    pub config: Option<String>,
    /// `environment.json`.
    pub environment: Option<Environment>,
    /// `inspection.json`.
    pub inspection: Option<Inspection>,
}

impl Records {
    /// Reads the records of a run folder.
    ///
    /// # Errors
    /// [`Kind::Io`](lenet_files::Kind::Io) if one of them cannot be read;
    /// [`Kind::Input`](lenet_files::Kind::Input) if there is no `results.csv`, or one of them is not
    /// what this version writes.
    pub fn read(folder: &Path) -> Result<Self> {
        let inspection = optional(&folder.join(name::INSPECTION), read_inspection)?;
        Ok(Self {
            inspection,
            ..Self::read_figures(folder)?
        })
    }

    /// The same without `inspection.json`, by far the largest: for many runs at once.
    ///
    /// # Errors
    /// Those of [`Records::read`].
    pub fn read_figures(folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name);
        let results = optional(&file(name::RESULTS), read_results)?;
        Ok(Self {
            epochs: results.ok_or_else(|| {
                let message = format!("not a run folder: it has no {}", name::RESULTS);
                Error::input(message).at(folder)
            })?,
            summary: optional(&file(name::SUMMARY), read_summary)?,
            config: optional(&file(name::CONFIG), |path| read_text(path, MAX_FILE_BYTES))?,
            environment: optional(&file(name::ENVIRONMENT), read_json)?,
            inspection: None,
            path: folder.to_owned(),
        })
    }

    /// The epoch whose weights were kept, or would be if the run ended here.
    pub fn best_epoch(&self) -> Option<u32> {
        match &self.summary {
            Some(summary) => Some(summary.best_epoch),
            None => best_epoch(&self.epochs).map(|epoch| epoch.epoch),
        }
    }

    /// The validation scores of the best epoch.
    pub fn validation(&self) -> Option<Scores> {
        match &self.summary {
            Some(summary) => summary.validation,
            None => best_epoch(&self.epochs)?.validation,
        }
    }
}

/// Reads `summary.json`.
///
/// # Errors
/// Those of [`Records::read`].
pub fn read_summary(path: &Path) -> Result<Summary> {
    let summary: Summary = read_json(path)?;
    summary.check().map_err(|error| error.at(path))?;
    Ok(summary)
}

/// Reads `inspection.json`.
///
/// # Errors
/// Those of [`Records::read`].
pub fn read_inspection(path: &Path) -> Result<Inspection> {
    let inspection: Inspection = read_json(path)?;
    inspection.check().map_err(|error| error.at(path))?;
    Ok(inspection)
}

/// A file that does not exist is not an error.
fn optional<T>(path: &Path, read: impl Fn(&Path) -> Result<T>) -> Result<Option<T>> {
    let exists = path.try_exists();
    let exists = exists.map_err(|error| Error::io("read", path, error))?;
    exists.then(|| read(path)).transpose()
}
