//! All that is read of a run folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::inspection::read_inspection;
use crate::{Environment, Error, Inspection, Results, Summary, read_results, read_summary};

/// The files of a run. Only `results.csv` is there from the first step of a training to its last:
/// whatever else is missing is `None`.
#[derive(Clone, Debug)]
pub struct Run {
    /// The folder, as it was given.
    pub path: PathBuf,
    /// `results.csv`.
    pub results: Results,
    /// `summary.json`.
    pub summary: Option<Summary>,
    /// `config.toml`, as text.
    pub config: Option<String>,
    /// `environment.json`.
    pub environment: Option<Environment>,
    /// `inspection.json`.
    pub inspection: Option<Inspection>,
}

impl Run {
    /// Reads the files of a run folder.
    ///
    /// # Errors
    /// [`Error::NoRun`] if there is no `results.csv`; those of [`read_results`], [`read_summary`]
    /// and [`read_inspection`]; [`Error::Json`] for another file that is damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let results = optional(read_results(&folder.join("results.csv")))?;
        Ok(Self {
            results: results.ok_or_else(|| Error::NoRun {
                path: folder.to_owned(),
            })?,
            summary: optional(read_summary(&folder.join("summary.json")))?,
            config: optional(read_text(&folder.join("config.toml")))?,
            environment: optional(read_json(&folder.join("environment.json")))?,
            inspection: optional(read_inspection(&folder.join("inspection.json")))?,
            path: folder.to_owned(),
        })
    }

    /// The epoch whose weights were kept, or would be if the run ended here.
    pub fn best_epoch(&self) -> Option<u64> {
        let summary = self.summary.as_ref();
        let told = summary.and_then(|summary| summary.best_epoch);
        told.or_else(|| self.results.best_epoch())
    }

    /// The validation accuracy of the best epoch.
    pub(crate) fn validation_accuracy(&self) -> Option<f64> {
        let summary = self.summary.as_ref();
        let told = summary.and_then(|summary| summary.validation.as_ref()?.accuracy);
        told.or_else(|| {
            let best = self.best_epoch()?;
            let mut epochs = self.results.epochs.iter();
            epochs.find(|epoch| epoch.epoch == best)?.val_accuracy
        })
    }

    /// The number of epochs trained.
    pub(crate) fn epochs(&self) -> u64 {
        let summary = self.summary.as_ref();
        let told = summary.and_then(|summary| summary.epochs);
        told.unwrap_or(self.results.epochs.len() as u64)
    }
}

/// A file that is not there is no error.
fn optional<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// The configuration is only shown: bytes that are no text do not spoil the report.
fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = read_bytes(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read_bytes(path)?).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}
