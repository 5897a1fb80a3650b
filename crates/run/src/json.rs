//! JSON has no NaN and no infinity: `serde_json` writes them as `null`. Fields that may hold one are
//! read back through these functions, which make NaN of `null`.

use serde::{Deserialize, Deserializer};

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
