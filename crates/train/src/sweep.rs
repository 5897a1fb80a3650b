//! Many trainings from one file: a grid of values or random ones, by several seeds.

use lenet_files::{Error, Result};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::Deserialize;
use toml::{Table, Value};

use crate::recipe::parse;

/// The most trainings of a sweep.
const MOST: usize = 100_000;

/// A sweep as its file has it:
///
/// ```toml
/// recipe = "fast"              # as --recipe
/// dataset = "mnist"            # as --dataset
/// seeds = 5                    # 1 to 5, or a list
///
/// [set]                        # values of all runs
/// epochs = 2
///
/// [grid]                       # every combination of these
/// learning_rate = [0.001, 0.002]
/// schedule.kind = ["constant", "cosine"]
///
/// # [random]                   # or, in place of the grid, this many random draws
/// # trials = 20
/// # seed = 1
/// # [random.values]
/// # learning_rate = { from = 1e-4, to = 1e-2, log = true }
/// # batch_size = [64, 128]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The recipe of all runs, the default's if it is `None`.
    pub recipe: Option<String>,
    /// The data set of all runs, MNIST if it is `None`.
    pub dataset: Option<String>,
    #[serde(default)]
    seeds: Seeds,
    #[serde(default)]
    set: Table,
    #[serde(default)]
    grid: Table,
    random: Option<Random>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Seeds {
    Count(u64),
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Self::List(vec![42])
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Random {
    trials: usize,
    #[serde(default)]
    seed: u64,
    values: Table,
}

/// A range to draw from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: f64,
    to: f64,
    #[serde(default)]
    log: bool,
}

/// One training of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The name of its folder: the number of its setting and its seed.
    pub name: String,
    /// Its values, as in `--set`: `learning_rate=0.001`.
    pub values: Vec<String>,
    /// Its seed.
    pub seed: u64,
}

impl Sweep {
    /// Reads the text of a sweep's file.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) with line and column.
    pub fn from_toml(text: &str) -> Result<Self> {
        parse(text)
    }

    /// The trainings, seed after seed of each setting.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) for a grid and random draws together, values that are no
    /// list or range, no seed, and more trainings than 100,000.
    pub fn trials(&self) -> Result<Vec<Trial>> {
        let seeds = match &self.seeds {
            Seeds::Count(count) => (1..=*count).take(MOST + 1).collect(),
            Seeds::List(seeds) => seeds.clone(),
        };
        let fixed = leaves(&self.set);
        let settings = match &self.random {
            Some(_) if !self.grid.is_empty() => {
                return Err(Error::usage("grid or random, not both"));
            }
            Some(random) => random.draw()?,
            None => combinations(&self.grid)?,
        };
        let count = settings.len().saturating_mul(seeds.len());
        if !(1..=MOST).contains(&count) {
            let message = format!("{count} trainings; a sweep has 1 to {MOST}");
            return Err(Error::usage(message));
        }
        let width = settings.len().to_string().len();
        let mut trials = Vec::new();
        for (number, setting) in settings.iter().enumerate() {
            let values = fixed.iter().chain(setting);
            let values: Vec<_> = values
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            trials.extend(seeds.iter().map(|&seed| Trial {
                name: format!("{:0width$}-seed-{seed}", number + 1),
                values: values.clone(),
                seed,
            }));
        }
        Ok(trials)
    }
}

impl Random {
    fn draw(&self) -> Result<Vec<Vec<(String, Value)>>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let values = leaves(&self.values);
        let draw = |_| {
            let values = values.iter().map(|(key, from)| {
                let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                Ok((key.clone(), drawn(key, from, uniform)?))
            });
            values.collect()
        };
        (0..self.trials.min(MOST + 1)).map(draw).collect()
    }
}

/// One of a list, or from a range with three digits, at a place in [0, 1).
fn drawn(key: &str, from: &Value, place: f64) -> Result<Value> {
    if let Value::Array(list) = from
        && let Some(value) = list.get((place * list.len() as f64) as usize)
    {
        return Ok(value.clone());
    }
    let range = from.clone().try_into::<Range>();
    let range = range.ok().filter(|range| {
        range.from < range.to && range.to.is_finite() && !(range.log && range.from <= 0.)
    });
    let Some(Range { from, to, log }) = range else {
        return Err(Error::usage(format!(
            "random.values.{key}: a list, or {{ from = 1e-4, to = 1e-2, log = true }}"
        )));
    };
    let value = if log {
        (from.ln() + place * (to.ln() - from.ln())).exp()
    } else {
        from + place * (to - from)
    };
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    Ok(Value::Float(rounded))
}

/// Every combination of the lists, the last list changing fastest.
fn combinations(grid: &Table) -> Result<Vec<Vec<(String, Value)>>> {
    let mut all = vec![Vec::new()];
    for (key, values) in leaves(grid) {
        let Value::Array(values) = values else {
            let message = format!("grid.{key}: a list, such as [{values}]");
            return Err(Error::usage(message));
        };
        let pair = |value| (key.clone(), value);
        let pairs: Vec<_> = values.into_iter().map(pair).collect();
        let with = |before: &Vec<_>| {
            let longer = |pair| [before.as_slice(), std::slice::from_ref(pair)].concat();
            pairs.iter().map(longer).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).take(MOST + 1).collect();
    }
    Ok(all)
}

/// The values of a table and of those within it by their dotted names; a table with `from` is a range.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let leaf = |(key, value): (&String, &Value)| match value {
        Value::Table(inner) if !inner.contains_key("from") => {
            let within = |(name, value)| (format!("{key}.{name}"), value);
            leaves(inner).into_iter().map(within).collect()
        }
        value => vec![(key.clone(), value.clone())],
    };
    table.iter().flat_map(leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_values(text: &str) -> Vec<String> {
        let trials = Sweep::from_toml(text).unwrap().trials().unwrap();
        let line = |trial: Trial| format!("{} {}", trial.name, trial.values.join(" "));
        trials.into_iter().map(line).collect()
    }

    #[test]
    fn a_grid_is_every_combination_by_every_seed() {
        let text =
            "seeds = 2\n[set]\nepochs = 1\n[grid]\nlr = [0.1, 0.2]\nschedule.kind = [\"step\"]";
        assert_eq!(
            names_and_values(text),
            [
                "1-seed-1 epochs=1 lr=0.1 schedule.kind=\"step\"",
                "1-seed-2 epochs=1 lr=0.1 schedule.kind=\"step\"",
                "2-seed-1 epochs=1 lr=0.2 schedule.kind=\"step\"",
                "2-seed-2 epochs=1 lr=0.2 schedule.kind=\"step\"",
            ]
        );
        assert_eq!(names_and_values("seeds = [7]"), ["1-seed-7 "]);
    }

    #[test]
    fn random_values_are_from_their_ranges_and_always_the_same() {
        let text = "[random]\ntrials = 500\n[random.values]\n\
                    lr = { from = 1e-4, to = 1e-2, log = true }\nbatch_size = [64, 128]";
        let drawn = names_and_values(text);
        assert_eq!(drawn, names_and_values(text));
        let number = |line: &String| -> f64 {
            line.split("lr=")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let rates: Vec<f64> = drawn.iter().map(number).collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-2).contains(rate)));
        // Half of them below the middle of the logarithms.
        let low = rates.iter().filter(|rate| **rate < 1e-3).count();
        assert!((200..300).contains(&low), "{low}");
        let small = drawn
            .iter()
            .filter(|line| line.contains("batch_size=64"))
            .count();
        assert!((200..300).contains(&small), "{small}");
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        for (text, part) in [
            ("seeds = 0", "0 trainings"),
            ("[grid]\nlr = 0.1", "grid.lr: a list, such as [0.1]"),
            ("sedes = 1", "unknown field `sedes`"),
            (
                "[random]\ntrials = 1\n[random.values]\nlr = { from = 2, to = 1 }",
                "random.values.lr",
            ),
            (
                "[grid]\nlr = [1]\n[random]\ntrials = 1\n[random.values]\nx = [1]",
                "not both",
            ),
        ] {
            let error = Sweep::from_toml(text)
                .and_then(|sweep| sweep.trials())
                .unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
