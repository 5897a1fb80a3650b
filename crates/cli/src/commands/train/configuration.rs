//! From recipe, file and flags to the configuration of a training.

use std::path::Path;

use lenet_data::{Source, read_file};
use lenet_run::name;
use lenet_train::{Config, Draft, Error};

use crate::arguments::Train;
use crate::failure::{Failure, Outcome};

/// The most bytes of a configuration file.
const MAX_BYTES: usize = 1 << 20;

/// The recipe, or the configuration of the run that is resumed; then the file of `--config`; then
/// flags; then `--set`.
pub fn resolve(arguments: &Train) -> Outcome<Resolved> {
    let file = match &arguments.config {
        Some(path) => Some((
            path,
            String::from_utf8_lossy(&read_file(path, MAX_BYTES)?).into_owned(),
        )),
        None => None,
    };
    let in_file = |path: &Path, source: Error| {
        Failure::from(Error::ConfigFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
    };
    let mut draft = match (&arguments.resume, &arguments.values.recipe) {
        (Some(folder), _) => Draft::of(&Config::read(&folder.join(name::CONFIG))?)?,
        (None, Some(name)) => Draft::recipe(name)?,
        (None, None) => {
            // A file may name the recipe that it changes.
            let named = match &file {
                Some((path, text)) => recipe_of(text).map_err(|error| in_file(path, error))?,
                None => None,
            };
            Draft::recipe(named.as_deref().unwrap_or("classic"))?
        }
    };
    if let Some((path, text)) = &file {
        draft.lay_over(text).map_err(|error| in_file(path, error))?;
    }
    if let Some(name) = &arguments.values.recipe {
        draft.set("recipe", name.as_str().into())?;
    }
    flags(&mut draft, arguments)?;
    for assignment in &arguments.set {
        draft.assign(assignment)?;
    }
    let in_file = |(_, text): &(_, String)| {
        let table = toml::from_str::<toml::Table>(text);
        table.is_ok_and(|table| table.contains_key("validation"))
    };
    let validation_is_stated = arguments.resume.is_some()
        || arguments.values.validation.is_some()
        || file.as_ref().is_some_and(in_file)
        || (arguments.set.iter()).any(|set| set.trim_start().starts_with("validation"));
    Ok(Resolved {
        config: draft.finish()?,
        validation_is_stated,
    })
}

/// What [`resolve`] comes to.
pub struct Resolved {
    pub config: Config,
    /// Whether the number of validation images was asked for, and not only the recipe's.
    pub validation_is_stated: bool,
}

/// The shipped recipe that a file names. Files may have names of their own, too.
fn recipe_of(text: &str) -> Result<Option<String>, Error> {
    let mut draft = Draft::recipe("classic")?;
    draft.lay_over(text)?;
    let name = draft.finish()?.recipe;
    Ok(lenet_train::RECIPES
        .iter()
        .any(|recipe| recipe.name == name)
        .then_some(name))
}

/// Whether the configuration is another one than that of the run.
pub fn changes(folder: &Path, config: &Config) -> Outcome<bool> {
    Ok(Config::read(&folder.join(name::CONFIG))? != *config)
}

/// Sets what flags of their own say. A kind comes before its settings.
fn flags(draft: &mut Draft, arguments: &Train) -> Outcome<()> {
    fn word<T: serde::Serialize>(value: T) -> Outcome<toml::Value> {
        let value = toml::Value::try_from(value);
        value.map_err(|error| Failure::Usage(error.to_string()))
    }
    let values = &arguments.values;
    if let Some(seed) = values.seed {
        // TOML would refuse the largest by words of its own.
        Config {
            seed,
            ..Config::default()
        }
        .check()?;
    }
    let mut settings: Vec<(&str, toml::Value)> = Vec::new();
    macro_rules! take {
        ($($key:literal: $value:expr),* $(,)?) => {
            $(if let Some(value) = &$value {
                settings.push(($key, word(value)?));
            })*
        };
    }
    let dataset = match &arguments.source.dataset {
        Some(name) => Some(Source::parse(name)?.name()),
        None => None,
    };
    take! {
        "dataset": dataset,
        "epochs": values.epochs,
        "batch_size": values.batch_size,
        "learning_rate": values.lr,
        "seed": values.seed,
        "validation": values.validation,
        "limit_train": values.limit_train,
        "scaling": values.scaling,
        "padding": values.padding,
        "activation": values.activation,
        "init": values.init,
        "precision": values.precision,
        "optimizer.kind": values.optimizer,
        "optimizer.weight_decay": values.weight_decay,
        "optimizer.momentum": values.momentum,
        "schedule.kind": values.schedule,
        "label_smoothing": values.label_smoothing,
        "clip_norm": values.clip_norm,
        "average": values.average,
        "patience": values.patience,
        "checkpoint_every": values.checkpoint_every,
    }
    for (key, value) in settings {
        draft.set(key, value)?;
    }
    Ok(())
}

/// All values in one line, those of tables by dotted names; augmentation only where there is any.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_in_a_line() {
        let mut draft = Draft::recipe("fast").unwrap();
        draft.assign("augmentation.shift=2.0").unwrap();
        let line = in_a_line(&draft.clone().finish().unwrap());
        for part in [
            "recipe = \"fast\", dataset = ",
            ", optimizer.kind = \"adamw\", optimizer.beta1 = 0.9, ",
            ", augmentation.shift = 2.0, ",
        ] {
            assert!(line.contains(part), "{line}");
        }
        draft.assign("augmentation.shift=0.0").unwrap();
        let line = in_a_line(&draft.finish().unwrap());
        assert!(!line.contains("augmentation"), "{line}");
        assert!(line.ends_with("schedule.end = 0.01"), "{line}");
    }
}
