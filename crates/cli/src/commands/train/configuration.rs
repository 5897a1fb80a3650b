//! From recipe, file and flags to the configuration of a training.

use std::fs;
use std::path::{Path, PathBuf};

use lenet_data::{Loaded, Source};
use lenet_files::read_text;
use lenet_run::{State, name};
use lenet_train::{Config, Draft, RECIPES, SMALL, Start, small_epochs};
use toml::{Table, Value};
use tracing::info;

use crate::arguments::Values;
use crate::failure::{Failure, Outcome};

/// The largest configuration file that is read.
const MAX_BYTES: usize = 1 << 20;

/// What [`resolve`] returns.
#[derive(Clone)]
pub struct Resolved {
    pub config: Config,
    /// The network to start from, whose form and scaling the configuration has.
    pub start: Option<Start>,
    /// Whether the number of validation images was asked for, not only the recipe's.
    pub validation_is_stated: bool,
    /// Whether the number of epochs was asked for.
    pub epochs_are_stated: bool,
    /// Whether no recipe was asked for.
    pub recipe_is_default: bool,
}

impl Resolved {
    /// Whether the default recipe depends on the data.
    pub fn is_open(&self, source: &Source) -> bool {
        let stated = self.epochs_are_stated || !self.recipe_is_default;
        matches!(source, Source::Own(_)) && !stated
    }

    /// Whether the default recipe is `small`: for few images of one's own, if nothing else was asked
    /// for.
    pub fn is_small(&self, source: &Source, loaded: &Loaded) -> bool {
        self.is_open(source) && loaded.splits.train.len() < SMALL
    }

    /// With what depends on the data: the recipe `small` for few images of one's own; its epochs; the number of validation images.
    pub fn fitted(mut self, source: &Source, loaded: &Loaded, values: &Values) -> Outcome<Self> {
        let images = loaded.splits.train.len();
        if self.is_small(source, loaded) {
            let small = Values {
                recipe: Some("small".to_owned()),
                ..values.clone()
            };
            info!(
                "{images} training images of one's own: the recipe is `small`; --recipe, --epochs or \
                 --config decides otherwise"
            );
            self = resolve(None, Some(source), &small)?;
        }
        let config = &mut self.config;
        if !self.validation_is_stated {
            config.validation = match &loaded.splits.validation {
                Some(validation) => validation.len(),
                None => fitting_validation(source, images, config.validation),
            };
        }
        if !self.epochs_are_stated && config.recipe == "small" {
            let held_out = match loaded.splits.validation {
                Some(_) => 0,
                None => config.validation,
            };
            let trained = images.saturating_sub(held_out);
            let trained = trained.min(config.limit_train.unwrap_or(usize::MAX));
            config.epochs = small_epochs(trained, config.batch_size);
        }
        Ok(self)
    }
}

/// The recipe's number of validation images, made for sets of MNIST's size; a tenth of own data that
/// is small.
fn fitting_validation(source: &Source, images: usize, of_recipe: usize) -> usize {
    if matches!(source, Source::Known(_)) || of_recipe <= images / 5 {
        return of_recipe;
    }
    info!(
        "{images} training images: {} are held out for validation, not {of_recipe}; --validation \
         sets another number",
        images / 10
    );
    images / 10
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
    let is_stated = |key: &str, flag: bool| {
        let sets = values.set.iter();
        let mut keys = sets.filter_map(|set| Some(set.split_once('=')?.0.trim()));
        resumed.is_some() || flag || table.contains_key(key) || keys.any(|set| set == key)
    };
    let mut config = draft.finish()?;
    let from = config.from.as_deref().map(|from| {
        let found = resumed.and_then(|run| path_of_run(run, Path::new(from)));
        let found = found.filter(|_| values.from.is_none() && from != Config::BUILT_IN);
        Start::load(found.as_deref().and_then(Path::to_str).unwrap_or(from))
    });
    let start = from.transpose()?;
    if let Some(start) = &start {
        let stated = config.clone();
        start.set_form(&mut config)?;
        let is_other = values.padding.is_some() && stated.padding != config.padding
            || values.activation.is_some() && stated.activation != config.activation
            || values.scaling.is_some() && stated.scaling != config.scaling;
        if is_other {
            return Err(Failure::usage(
                "--from: padding, activation and scaling are those of the network to start from",
            ));
        }
    }
    Ok(Resolved {
        config,
        start,
        validation_is_stated: is_stated("validation", values.validation.is_some()),
        epochs_are_stated: is_stated("epochs", values.epochs.is_some()),
        recipe_is_default: resumed.is_none() && values.recipe.is_none() && values.config.is_none(),
    })
}

/// Where a path of a run's configuration leads: from this folder, else from the nearest folder above
/// the run, as it was probably begun in one of them.
pub fn path_of_run(run: &Path, path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return Some(path.to_owned());
    }
    let run = std::path::absolute(run).ok()?;
    let mut found = run.ancestors().map(|folder| folder.join(path));
    found.find(|path| path.exists())
}

/// Whether the configuration differs from that of the run. One path may be written in several ways.
pub fn changes(folder: &Path, config: &Config) -> Outcome<bool> {
    let mut stored = Config::read(&folder.join(name::CONFIG))?;
    let [before, now] = [&stored, config].map(|config| fs::canonicalize(&config.dataset).ok());
    if before.is_some() && before == now {
        stored.dataset.clone_from(&config.dataset);
    }
    Ok(stored != *config)
}

/// How far the run in a folder is. One that an earlier command began must have the configuration
/// that this one asks for.
pub fn state(folder: &Path, config: &Config) -> Outcome<State> {
    let state = State::of(folder);
    if state == State::New || !changes(folder, config)? {
        return Ok(state);
    }
    Err(Failure::usage(format!(
        "{folder:?} is a run of another configuration, which its config.toml has: choose another \
         folder with --output"
    )))
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
