//! What runs were made by, as names and values that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use lenet_files::{Error, Result};
use lenet_run::{Records, name};
use toml::{Table, Value};

/// The setting that is expected to differ.
const SEED: &str = "seed";

/// Values by their names.
pub(crate) type Values = BTreeMap<String, String>;

/// The settings of a run.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The values of its configuration, under the names that they have in TOML.
    configuration: Values,
    /// What computed it.
    environment: Values,
}

impl Settings {
    pub(crate) fn of(run: &Records) -> Result<Self> {
        let mut settings = Self::default();
        if let Some(config) = &run.config {
            let table = config.parse::<Table>().map_err(|error| {
                let message = error.to_string();
                Error::input(message.trim_end()).at(&run.path.join(name::CONFIG))
            })?;
            settings.add("", table);
        }
        if let Some(environment) = run.environment.clone() {
            let named = [
                ("lenet", Some(environment.lenet)),
                ("commit", environment.commit.map(|commit| short(&commit))),
                ("processor", environment.processor),
                ("instruction set", Some(environment.instruction_set)),
                ("device", Some(environment.device)),
                ("engine", Some(environment.engine)),
                ("threads", Some(environment.threads.to_string())),
            ];
            let known = named.into_iter();
            settings.environment = known
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect();
        }
        Ok(settings)
    }

    /// Adds the values of a table and of those within it.
    fn add(&mut self, prefix: &str, table: Table) {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            let text = match value {
                Value::Table(table) => {
                    self.add(&format!("{name}."), table);
                    continue;
                }
                Value::String(text) => text,
                other => other.to_string(),
            };
            self.configuration.insert(name, text);
        }
    }

    pub(crate) fn seed(&self) -> Option<&String> {
        self.configuration.get(SEED)
    }

    /// The configuration but for the seed: that of repetitions is the same.
    pub(crate) fn without_seed(&self) -> Values {
        let mut configuration = self.configuration.clone();
        configuration.remove(SEED);
        configuration
    }
}

/// A setting's name, and its value in each run that has it.
pub(crate) type Row<'a> = (&'a str, Vec<Option<&'a str>>);

/// The settings that are not the same in all runs, and those that are.
pub(crate) fn compare(settings: &[Settings]) -> (Vec<Row<'_>>, Vec<Row<'_>>) {
    let parts: [fn(&Settings) -> &Values; 2] = [|own| &own.configuration, |own| &own.environment];
    let rows = parts.into_iter().flat_map(|part| {
        let keys: BTreeSet<&String> = settings.iter().flat_map(|own| part(own).keys()).collect();
        keys.into_iter().map(move |key| {
            let values = settings.iter().map(|own| part(own).get(key));
            let values = values.map(|value| value.map(String::as_str));
            (key.as_str(), values.collect())
        })
    });
    rows.partition(|(_, values): &Row<'_>| values.windows(2).any(|pair| pair[0] != pair[1]))
}

/// What differs between these configurations, but for the seed: `epochs=2, learning_rate=0.001`.
pub(crate) fn labels(settings: &[&Settings]) -> Vec<String> {
    let keys: BTreeSet<&String> = settings
        .iter()
        .flat_map(|own| own.configuration.keys())
        .collect();
    let value = |own: &Settings, key: &str| own.configuration.get(key).cloned();
    let differs = |key: &&&String| {
        let first = settings.first().and_then(|own| value(own, key));
        key.as_str() != SEED && settings.iter().any(|own| value(own, key) != first)
    };
    let differing: Vec<&&String> = keys.iter().filter(differs).collect();
    let label = |own: &&Settings| {
        let parts = differing.iter().map(|key| {
            let value = value(own, key).unwrap_or_default();
            format!("{key}={value}")
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    settings.iter().map(label).collect()
}

/// Enough of a commit to tell it from others, and whether it was changed.
fn short(commit: &str) -> String {
    let (commit, changed) = match commit.split_once('-') {
        Some((commit, changed)) => (commit, format!("-{changed}")),
        None => (commit, String::new()),
    };
    commit.chars().take(10).collect::<String>() + &changed
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use lenet_run::Environment;

    use super::*;

    fn settings(config: &str, threads: usize) -> Settings {
        let run = Records {
            path: PathBuf::from("runs/a"),
            epochs: Vec::new(),
            summary: None,
            config: Some(config.to_owned()),
            environment: Some(Environment {
                threads,
                commit: Some("0123456789abcdef-dirty".to_owned()),
                ..Environment::default()
            }),
            inspection: None,
        };
        Settings::of(&run).unwrap()
    }

    #[test]
    fn what_differs_is_named_and_what_is_missing_differs() {
        let a = settings("seed = 1\nlr = 0.1\n[augment]\nshift = 2\n", 1);
        let b = settings("lr = 0.10\nseed = 2\nlimit = 9\n[augment]\nshift = 3\n", 4);
        let both = [a, b];
        let (differing, common) = compare(&both);
        let expected = [
            ("augment.shift", vec![Some("2"), Some("3")]),
            ("limit", vec![None, Some("9")]),
            ("seed", vec![Some("1"), Some("2")]),
            ("threads", vec![Some("1"), Some("4")]),
        ];
        assert_eq!(differing, expected);
        assert!(common.contains(&("lr", vec![Some("0.1"); 2])));
        assert!(common.contains(&("commit", vec![Some("0123456789-dirty"); 2])));
    }

    #[test]
    fn only_the_seed_may_differ_in_a_repetition() {
        let of = |config: &str| settings(config, 1);
        let first = of("seed = 1\nlr = 0.1");
        let same = |other: &str| first.without_seed() == of(other).without_seed();
        assert!(same("seed = 2\nlr = 0.1"));
        assert!(!same("seed = 1\nlr = 0.2"));
        assert!(!same("seed = 1\nlr = 0.1\nx = 1"));
        let other = of("seed = 2\nlr = 0.2\nx = 1");
        assert_eq!(labels(&[&first, &other]), ["lr=0.1, x=", "lr=0.2, x=1"]);
    }
}
