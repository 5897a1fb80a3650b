//! JSON files, and their numbers: JSON has no NaN and no infinity, and `serde_json` writes them as
//! `null`. Fields that may hold one are read back through functions that make NaN of `null`.

use std::path::Path;

use lenet_files::{Error, Result, read};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// No file of a run that is read may be larger. The largest is a checkpoint: that of LeNet-5 with 256
/// classes has 1.4 MB.
pub const MAX_FILE_BYTES: usize = 64 << 20;

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path, MAX_FILE_BYTES)?).map_err(|error| {
        let message = "not what this version of lenet writes under this name";
        Error::input(message).at(path).caused_by(error)
    })
}

pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

pub(crate) fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect())
}

pub(crate) fn maps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f32>>, D::Error> {
    let maps = Vec::<Vec<Option<f32>>>::deserialize(deserializer)?;
    let values = |map: Vec<Option<f32>>| map.into_iter().map(|value| value.unwrap_or(f32::NAN));
    Ok(maps.into_iter().map(|map| values(map).collect()).collect())
}
