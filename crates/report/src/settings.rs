//! What runs were made by, as names and values that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use lenet_files::{Error, Result};
use lenet_run::{Records, name};
use toml::{Table, Value};

/// The setting that is expected to differ.
const SEED: &str = "seed";

/// Where a setting comes from, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Configuration,
    Environment,
}

/// The settings of a run: those of its configuration, and what computed it.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<(Place, String), String>);

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
            for (name, value) in [
                ("lenet", Some(environment.lenet)),
                ("commit", environment.commit.map(|commit| short(&commit))),
                ("processor", environment.processor),
                ("instruction set", Some(environment.instruction_set)),
                ("device", Some(environment.device)),
                ("engine", Some(environment.engine)),
                ("threads", Some(environment.threads.to_string())),
            ] {
                let named = value.map(|value| ((Place::Environment, name.to_owned()), value));
                settings.0.extend(named);
            }
        }
        Ok(settings)
    }

    /// Adds the values of a table and of those within it, under the names that they have in TOML.
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
            self.0.insert((Place::Configuration, name), text);
        }
    }

    pub(crate) fn seed(&self) -> Option<&String> {
        self.0.get(&(Place::Configuration, SEED.to_owned()))
    }

    /// Whether another run has the same configuration but for the seed.
    pub(crate) fn is_repeated_by(&self, other: &Self) -> bool {
        let configuration = |settings: &Self| -> BTreeMap<(Place, String), String> {
            let all = settings.0.clone().into_iter();
            all.filter(|((place, name), _)| *place == Place::Configuration && name != SEED)
                .collect()
        };
        configuration(self) == configuration(other)
    }
}

/// A setting's name, and its value in each run that has it.
pub(crate) type Row<'a> = (&'a str, Vec<Option<&'a str>>);

/// The settings that are not the same in all runs, and those that are.
pub(crate) fn compare(settings: &[Settings]) -> (Vec<Row<'_>>, Vec<Row<'_>>) {
    let keys: BTreeSet<_> = settings.iter().flat_map(|own| own.0.keys()).collect();
    let row = |key: &'_ &'_ (Place, String)| {
        let values = settings.iter().map(|own| own.0.get(*key));
        values.map(|value| value.map(String::as_str)).collect()
    };
    let rows = keys.iter().map(|key| (key.1.as_str(), row(key)));
    rows.partition(|(_, values): &Row<'_>| values.windows(2).any(|pair| pair[0] != pair[1]))
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
        assert!(first.is_repeated_by(&of("seed = 2\nlr = 0.1")));
        assert!(!first.is_repeated_by(&of("seed = 1\nlr = 0.2")));
        assert!(!first.is_repeated_by(&of("seed = 1\nlr = 0.1\nx = 1")));
    }
}
