//! Recipes: configurations that are shipped, and how files and flags change them.

use toml::{Table, Value};

use crate::{Config, Error, Result};

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
pub const RECIPES: [Recipe; 4] = [
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
];

/// A configuration in the making: a recipe, then what is laid over it, value by value.
#[derive(Debug, Clone)]
pub struct Draft(Table);

impl Draft {
    /// The recipe of a name.
    ///
    /// # Errors
    /// [`Error::UnknownRecipe`].
    pub fn recipe(name: &str) -> Result<Self> {
        let recipe = RECIPES.iter().find(|recipe| recipe.name == name);
        let recipe = recipe.ok_or_else(|| Error::UnknownRecipe {
            name: name.to_owned(),
        })?;
        Ok(Self(parse(recipe.text)?))
    }

    /// Of a whole configuration.
    ///
    /// # Errors
    /// None for a configuration that [`Config::check`] accepts.
    pub fn of(config: &Config) -> Result<Self> {
        Ok(Self(parse(&config.to_toml()?)?))
    }

    /// Lays the values of a TOML text over those that there are. A table such as `[schedule]` is laid
    /// over its values one by one, but for another `kind`, which begins with that kind's own.
    ///
    /// # Errors
    /// [`Error::ConfigSyntax`], of this text, with line and column.
    pub fn lay_over(&mut self, text: &str) -> Result<()> {
        let mut changed = self.0.clone();
        merge(&mut changed, parse(text)?);
        match read(changed.clone()) {
            Ok(_) => {
                self.0 = changed;
                Ok(())
            }
            // By itself the text tells the place, unless it lacks what lies below it.
            Err(error) => Err(match Config::from_toml_unchecked(text) {
                Err(Error::ConfigSyntax(own)) if !own.message().contains("missing") => {
                    Error::ConfigSyntax(own)
                }
                _ => Error::ConfigSyntax(error),
            }),
        }
    }

    /// Sets one value, whose key may be dotted: `schedule.kind`.
    ///
    /// # Errors
    /// [`Error::Assignment`] where the key or the value means nothing.
    pub fn set(&mut self, key: &str, value: Value) -> Result<()> {
        let wrong = |reason: String| Error::Assignment {
            key: key.to_owned(),
            reason,
        };
        let mut table = Table::new();
        match key.split_once('.') {
            Some((outer, inner)) => {
                let inner = Table::from_iter([(inner.to_owned(), value)]);
                table.insert(outer.to_owned(), Value::Table(inner));
            }
            None => {
                table.insert(key.to_owned(), value);
            }
        }
        let mut changed = self.0.clone();
        merge(&mut changed, table);
        read(changed.clone()).map_err(|error| wrong(error.message().trim().to_owned()))?;
        self.0 = changed;
        Ok(())
    }

    /// As [`Draft::set`] with `KEY=VALUE`, where VALUE is TOML, or a text without quotes.
    ///
    /// # Errors
    /// [`Error::Assignment`].
    pub fn assign(&mut self, assignment: &str) -> Result<()> {
        let Some((key, text)) = assignment.split_once('=') else {
            return Err(Error::Assignment {
                key: assignment.to_owned(),
                reason: "it has no =, as in epochs=3 or schedule.kind=cosine".to_owned(),
            });
        };
        let (key, text) = (key.trim(), text.trim());
        let parsed = toml::from_str::<Table>(&format!("value = {text}"));
        let value = parsed.ok().and_then(|mut table| table.remove("value"));
        self.set(key, value.unwrap_or_else(|| Value::from(text)))
    }

    /// The configuration.
    ///
    /// # Errors
    /// As [`Config::check`].
    pub fn finish(self) -> Result<Config> {
        let config = read(self.0).map_err(Error::ConfigSyntax)?;
        config.check()?;
        Ok(config)
    }
}

fn read(table: Table) -> Result<Config, toml::de::Error> {
    Value::Table(table).try_into()
}

fn parse(text: &str) -> Result<Table> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    toml::from_str(text).map_err(Error::ConfigSyntax)
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(own)), Value::Table(new)) => {
                let another = new
                    .get("kind")
                    .is_some_and(|kind| own.get("kind") != Some(kind));
                if another {
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
    use crate::{Optimizer, Schedule};

    #[test]
    fn every_recipe_is_a_configuration_of_its_name() {
        for recipe in RECIPES {
            let config = Draft::recipe(recipe.name).unwrap().finish().unwrap();
            assert_eq!(config.recipe, recipe.name);
            let text = config.to_toml().unwrap();
            assert_eq!(Config::from_toml(&text).unwrap(), config);
        }
        let error = Draft::recipe("slow").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no recipe \"slow\"; there are classic, fast, best, fashion"
        );
    }

    /// The defaults of the library are those of the program.
    #[test]
    fn the_first_recipe_is_the_default() {
        let classic = Draft::recipe(RECIPES[0].name).unwrap().finish().unwrap();
        assert_eq!(classic, Config::default());
    }

    #[test]
    fn files_lie_over_recipes_value_by_value() {
        let mut draft = Draft::recipe("fast").unwrap();
        draft
            .lay_over("\u{feff}epochs = 3\n[schedule]\nend = 0.5\n[optimizer]\nkind = \"sgd\"\n")
            .unwrap();
        let config = draft.finish().unwrap();
        assert_eq!((config.epochs, config.batch_size), (3, 64));
        let schedule = Schedule::OneCycle {
            start: 0.04,
            warmup: 0.15,
            end: 0.5,
        };
        assert_eq!(config.schedule, schedule);
        let sgd = Optimizer::Sgd {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.,
        };
        assert_eq!(config.optimizer, sgd);
    }

    #[test]
    fn assignments() {
        let mut draft = Draft::recipe("classic").unwrap();
        for text in [
            "epochs=3",
            "schedule.kind=cosine",
            " schedule.warmup = 0.25",
            "scaling=\"standard\"",
            "augmentation.rotation=8.0",
            "clip_norm=1.5",
        ] {
            draft.assign(text).unwrap();
        }
        let config = draft.clone().finish().unwrap();
        assert_eq!(config.epochs, 3);
        let cosine = Schedule::Cosine {
            warmup: 0.25,
            end: 0.,
        };
        assert_eq!(config.schedule, cosine);
        assert_eq!(config.augmentation.rotation, 8.);
        assert_eq!(config.clip_norm, Some(1.5));
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
        assert_eq!(draft.finish().unwrap(), config);
    }
}
