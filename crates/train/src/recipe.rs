//! Recipes: configurations that are shipped, and how files and flags change them.

use lenet_files::{Error, Result};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::config::Config;

/// A configuration that is shipped with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// Its TOML, as [`Config::from_toml`] reads it.
    pub text: &'static str,
}

/// The recipes; the first is the default.
pub const RECIPES: [Recipe; 5] = [
    Recipe {
        name: "classic",
        about: "as the TensorFlow project: Adam, 10 epochs, nothing else",
        text: include_str!("../recipes/classic.toml"),
    },
    Recipe {
        name: "fast",
        about: "the shortest way to 99 %: one epoch",
        text: include_str!("../recipes/fast.toml"),
    },
    Recipe {
        name: "best",
        about: "the most accurate: augmentation, weight decay and averaging over 100 epochs",
        text: include_str!("../recipes/best.toml"),
    },
    Recipe {
        name: "fashion",
        about: "for Fashion-MNIST: mirrored and shifted images, averaging over 30 epochs",
        text: include_str!("../recipes/fashion.toml"),
    },
    Recipe {
        name: "small",
        about: "for own data below 10,000 images, whose default it is: about 2,000 steps",
        text: include_str!("../recipes/small.toml"),
    },
];

/// The recipe `small` is for fewer training images than these.
pub const SMALL: usize = 10_000;

/// The steps of the recipe `small`, and its least and most epochs.
const SMALL_STEPS: usize = 2_000;
const SMALL_EPOCHS: [usize; 2] = [20, 500];

/// The epochs of the recipe `small` for so many training images: about 2,000 steps.
pub fn small_epochs(images: usize, batch_size: usize) -> u32 {
    let [least, most] = SMALL_EPOCHS;
    let steps = images.div_ceil(batch_size).max(1);
    SMALL_STEPS.div_ceil(steps).clamp(least, most) as u32
}

/// A configuration in the making: a recipe, then what overrides it, value by value.
#[derive(Debug, Clone)]
pub struct Draft(Table);

impl Draft {
    /// The recipe of this name.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if there is none.
    pub fn recipe(name: &str) -> Result<Self> {
        match RECIPES.iter().find(|recipe| recipe.name == name) {
            Some(recipe) => Ok(Self(parse(recipe.text)?)),
            None => Err(Error::usage(format!(
                "there is no recipe {name:?}; there are {}",
                RECIPES.map(|recipe| recipe.name).join(", ")
            ))),
        }
    }

    /// A whole configuration.
    ///
    /// # Errors
    /// None for a configuration that [`Config::check`] accepts.
    pub fn of(config: &Config) -> Result<Self> {
        Ok(Self(parse(&config.to_toml()?)?))
    }

    /// Overrides values by those of a TOML text. A table such as `[schedule]` overrides single
    /// values; with another `kind`, it begins with that kind's own.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage), with line and column of this text.
    pub fn lay_over(&mut self, text: &str) -> Result<()> {
        self.merge(parse(text)?).map_err(|merged| {
            // On its own the text shows the place, unless it lacks what it overrides.
            let text = without_mark(text);
            match toml::from_str::<Config>(text) {
                Err(own) if !own.message().contains("missing") => toml_error(text, &own),
                _ => toml_error("", &merged),
            }
        })
    }

    /// Sets one value, whose key may be dotted: `schedule.kind`.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) if the key or the value has no meaning.
    pub fn set(&mut self, key: &str, value: Value) -> Result<()> {
        let over = match key.split_once('.') {
            Some((table, key)) => {
                let inner = Table::from_iter([(key.to_owned(), value)]);
                Table::from_iter([(table.to_owned(), Value::Table(inner))])
            }
            None => Table::from_iter([(key.to_owned(), value)]),
        };
        self.merge(over)
            .map_err(|error| Error::usage(shortened(&format!("{key}: {}", error.message()))))
    }

    /// Like [`Draft::set`] with `KEY=VALUE`, in which VALUE is TOML, or text without quotes.
    ///
    /// # Errors
    /// Those of [`Draft::set`].
    pub fn assign(&mut self, assignment: &str) -> Result<()> {
        if assignment.contains(['\n', '\r']) {
            let message = format!("{assignment:?}: one value at a time, without a line break");
            return Err(Error::usage(message));
        }
        let Some((key, text)) = assignment.split_once('=') else {
            return Err(Error::usage(format!(
                "{assignment:?}: it has no =, as in epochs=3 or schedule.kind=cosine"
            )));
        };
        let (key, text) = (key.trim(), text.trim());
        let parsed = toml::from_str::<Table>(&format!("value = {text}"));
        let value = parsed.ok().and_then(|mut table| table.remove("value"));
        self.set(key, value.unwrap_or_else(|| Value::from(text)))
    }

    /// The configuration.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn finish(self) -> Result<Config> {
        let config = read(self.0).map_err(|error| toml_error("", &error))?;
        config.check()?;
        Ok(config)
    }

    /// Overrides values, or changes nothing if the result would not be a configuration.
    fn merge(&mut self, over: Table) -> Result<(), toml::de::Error> {
        let mut changed = self.0.clone();
        merge(&mut changed, over);
        read(changed.clone())?;
        self.0 = changed;
        Ok(())
    }
}

fn read(table: Table) -> Result<Config, toml::de::Error> {
    Value::Table(table).try_into()
}

/// Reads TOML.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let text = without_mark(text);
    toml::from_str(text).map_err(|error| toml_error(text, &error))
}

/// The error of a TOML text: where, the beginning of that line, and what is wrong. The text may be
/// any file, and of any length.
fn toml_error(text: &str, error: &toml::de::Error) -> Error {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return Error::usage(shortened(&error.to_string()));
    };
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].chars().count() + 1;
    let line: String = text[start..].lines().next().unwrap_or_default().to_owned();
    let line: String = line.chars().take(60).collect();
    Error::usage(shortened(&format!(
        "line {}, column {column}, in {line:?}: {}",
        before.matches('\n').count() + 1,
        error.message()
    )))
}

/// The message of a parser in a line, as much of it as people read.
fn shortened(message: &str) -> String {
    let mut message = message.trim().replace('\n', ", ");
    if let Some((end, _)) = message.char_indices().nth(1_000) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// The text without the byte-order mark that some editors put first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(own)), Value::Table(new)) => {
                let kind = new.get("kind");
                if kind.is_some() && own.get("kind") != kind {
                    own.clear();
                }
                merge(own, new);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Optimizer;
    use crate::schedule::Schedule;

    fn config(recipe: &str, assignments: &[&str]) -> Config {
        let mut draft = Draft::recipe(recipe).unwrap();
        for assignment in assignments {
            draft.assign(assignment).unwrap();
        }
        draft.finish().unwrap()
    }

    /// The first recipe is the default of the library, too.
    #[test]
    fn every_recipe_is_a_configuration_of_its_name() {
        for recipe in RECIPES {
            let config = config(recipe.name, &[]);
            assert_eq!(config.recipe, recipe.name);
            let text = config.to_toml().unwrap();
            assert_eq!(Config::from_toml(&text).unwrap(), config);
        }
        assert_eq!(config(RECIPES[0].name, &[]), Config::default());
        let error = Draft::recipe("slow").unwrap_err().to_string();
        let expected = "there is no recipe \"slow\"; there are classic, fast, best, fashion, small";
        assert_eq!(error, expected);
    }

    #[test]
    fn files_override_recipes_value_by_value() {
        let mut draft = Draft::recipe("fast").unwrap();
        let text = "\u{feff}epochs = 3\n[schedule]\nend = 0.5\n[optimizer]\nkind = \"sgd\"\n";
        draft.lay_over(text).unwrap();
        let found = draft.finish().unwrap();
        assert_eq!((found.epochs, found.batch_size), (3, 64));
        let schedule = Schedule::OneCycle {
            start: 0.04,
            warmup: 0.15,
            end: 0.5,
        };
        assert_eq!(found.schedule, schedule);
        let sgd = Optimizer::Sgd {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.,
        };
        assert_eq!(found.optimizer, sgd);
    }

    #[test]
    fn assignments() {
        let texts = [
            "epochs=3",
            "schedule.kind=cosine",
            " schedule.warmup = 0.25",
            "augmentation.rotation=8.0",
            "clip_norm=1.5",
        ];
        let found = config("classic", &texts);
        let (warmup, end) = (0.25, 0.);
        assert_eq!(found.schedule, Schedule::Cosine { warmup, end });
        assert_eq!((found.epochs, found.clip_norm), (3, Some(1.5)));
        assert_eq!(found.augmentation.rotation, 8.);
        let mut draft = Draft::of(&found).unwrap();
        for (text, expected) in [
            ("epochs", "it has no ="),
            ("epoch=3", "unknown field `epoch`"),
            ("epochs=three", "invalid type: string \"three\""),
            ("schedule.kind=up", "unknown variant `up`"),
            ("optimizer.momentum=0.9", "unknown field `momentum`"),
        ] {
            let error = draft.assign(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        // What was refused has changed nothing.
        assert_eq!(draft.finish().unwrap(), found);
    }
}
