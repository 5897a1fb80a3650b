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
            let known = known.filter_map(|(name, value)| Some((name.to_owned(), value?)));
            settings.environment = known.collect();
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
    let configurations = settings.iter().map(|own| &own.configuration).collect();
    let environments = settings.iter().map(|own| &own.environment).collect();
    let parts: [Vec<&Values>; 2] = [configurations, environments];
    parts.into_iter().flat_map(rows).partition(differs)
}

/// A row for each key that one of these has.
fn rows(all: Vec<&Values>) -> Vec<Row<'_>> {
    let keys: BTreeSet<&String> = all.iter().flat_map(|own| own.keys()).collect();
    let row = |key| {
        let values = all.iter().map(|own| own.get(key).map(String::as_str));
        (String::as_str(key), values.collect())
    };
    keys.into_iter().map(row).collect()
}

fn differs((_, values): &Row<'_>) -> bool {
    values.windows(2).any(|pair| pair[0] != pair[1])
}

/// What differs between these configurations, but for the seed: `epochs=2, learning_rate=0.001`.
pub(crate) fn labels(settings: &[&Settings]) -> Vec<String> {
    let mut rows = rows(settings.iter().map(|own| &own.configuration).collect());
    rows.retain(|row| row.0 != SEED && differs(row));
    let label = |at: usize| {
        let part = |(key, values): &Row<'_>| format!("{key}={}", values[at].unwrap_or_default());
        rows.iter().map(part).collect::<Vec<_>>().join(", ")
    };
    (0..settings.len()).map(label).collect()
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
