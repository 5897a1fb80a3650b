//! From recipe, file and flags to the configuration of a training.

use std::path::Path;

use lenet_data::Source;
use lenet_files::read_text;
use lenet_run::name;
use lenet_train::{Config, Draft, RECIPES};
use toml::{Table, Value};

use crate::arguments::Values;
use crate::failure::{Failure, Outcome};

/// The largest configuration file that is read.
const MAX_BYTES: usize = 1 << 20;

/// What [`resolve`] returns.
pub struct Resolved {
    pub config: Config,
    /// Whether the number of validation images was asked for, not only the recipe's.
    pub validation_is_stated: bool,
}

/// The recipe, or the configuration of the run that is resumed; then the file of `--config`; then
/// flags; then `--set`.
pub fn resolve(
    resumed: Option<&Path>,
    dataset: Option<&Source>,
    values: &Values,
) -> Outcome<Resolved> {
    let text = match &values.config {
        Some(path) => read_text(path, MAX_BYTES)?,
        None => String::new(),
    };
    // Whatever is wrong with the file is found below, where it is laid over the recipe.
    let table: Table = toml::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    // A file may name the recipe that it changes, or have a name of its own.
    let named = table
        .get("recipe")
        .and_then(Value::as_str)
        .filter(|name| RECIPES.iter().any(|recipe| recipe.name == *name));
    let mut draft = match resumed {
        Some(folder) => Draft::of(&Config::read(&folder.join(name::CONFIG))?)?,
        None => Draft::recipe(values.recipe.as_deref().or(named).unwrap_or("classic"))?,
    };
    if let Some(path) = &values.config {
        draft.lay_over(&text).map_err(|error| error.at(path))?;
    }
    if let Some(source) = dataset {
        draft.set("dataset", source.name().into())?;
    }
    // In the order of their names, which has the kind of an optimiser before its settings.
    let flags = Table::try_from(values).map_err(|error| Failure::usage(error.to_string()))?;
    for (key, value) in flags {
        draft.set(&key, value)?;
    }
    for assignment in &values.set {
        draft.assign(assignment)?;
    }
    let is_validation = |set: &String| set.trim_start().starts_with("validation");
    Ok(Resolved {
        config: draft.finish()?,
        validation_is_stated: resumed.is_some()
            || values.validation.is_some()
            || table.contains_key("validation")
            || values.set.iter().any(is_validation),
    })
}

/// Whether the configuration differs from that of the run.
pub fn changes(folder: &Path, config: &Config) -> Outcome<bool> {
    Ok(Config::read(&folder.join(name::CONFIG))? != *config)
}

/// All values in one line, those of tables by dotted names; augmentation only if there is any.
pub fn in_a_line(config: &Config) -> String {
    let text = config.to_toml().unwrap_or_default();
    let mut table = "";
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            table = name;
        } else if table.is_empty() && !line.is_empty() {
            values.push(line.to_owned());
        } else if !line.is_empty() && (table != "augmentation" || !config.augmentation.is_none()) {
            values.push(format!("{table}.{line}"));
        }
    }
    values.join(", ")
}
