//! Several runs side by side: as a page, as a table, and by their settings.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;

use lenet_files::Result;
use lenet_run::{Records, Summary};
use minijinja::{Value, context};
use serde::Serialize;

use crate::chart::{chart, colour};
use crate::confusion::confusion_matrix;
use crate::curves::Quantity;
use crate::format::{NONE, moments, spread};
use crate::page::{framed_matrix, record, render, svg, trained};
use crate::settings::{Row, Settings, compare};

/// The most runs whose curves and confusion matrices are drawn.
const DRAWN: usize = 10;

/// The records of several runs. One that writes the same bytes again for the same records.
#[derive(Debug)]
pub struct Comparison {
    /// Each with what it is called: its folder's name, or its whole path if two folders have the
    /// same name.
    runs: Vec<(String, Records)>,
    settings: Vec<Settings>,
}

/// Runs whose settings are equal but for the seed.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// The settings that differ between the groups, as in `epochs=2, learning_rate=0.001`; the runs'
    /// names if none does.
    pub name: String,
    /// Places of its runs, each with a seed of its own.
    #[serde(skip)]
    runs: Vec<usize>,
    /// Accuracy on the validation images of the best epoch, in per cent.
    pub validation: Vec<f64>,
    /// Accuracy on the test images, in per cent.
    pub test: Vec<f64>,
    /// Wall time of the training steps, in seconds.
    pub train_seconds: Vec<f64>,
    /// By how much the test accuracy exceeds that of the first group, in percentage points, each
    /// seed compared with itself; `None` for the first, and if fewer than two seeds are common.
    pub difference: Option<Interval>,
}

/// A mean and half the width of its confidence interval of 95 %, by Student's t.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The interval is this much above and below it.
    pub half_width: f64,
}

impl Interval {
    fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let (mean, deviation) = moments(values);
        let error = deviation / (values.len() as f64).sqrt();
        let half_width = error * student(values.len() - 1);
        Some(Self { mean, half_width })
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+.2} ± {:.2}", self.mean, self.half_width)
    }
}

/// The quantile 0.975 of Student's t for 1 degree of freedom or more: a table, then Cornish and
/// Fisher's expansion (Abramowitz and Stegun 26.7.5), exact to three decimals from there on.
fn student(freedom: usize) -> f64 {
    const FIRST: [f64; 8] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306];
    let z = 1.959_964_f64;
    let n = freedom as f64;
    match FIRST.get(freedom - 1) {
        Some(value) => *value,
        None => {
            z + (z.powi(3) + z) / (4. * n)
                + (5. * z.powi(5) + 16. * z.powi(3) + 3. * z) / (96. * n * n)
                + (3. * z.powi(7) + 19. * z.powi(5) + 17. * z.powi(3) - 15. * z)
                    / (384. * n.powi(3))
        }
    }
}

impl Comparison {
    /// Reads the figures of these run folders.
    ///
    /// # Errors
    /// Those of [`Records::read_figures`]; [`Kind::Input`](lenet_files::Kind::Input) if a configuration
    /// is not TOML.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let runs = folders.iter().map(|folder| Records::read_figures(folder));
        let runs: Vec<Records> = runs.collect::<Result<_>>()?;
        let settings = runs.iter().map(Settings::of).collect::<Result<_>>()?;
        let runs = names(&runs).into_iter().zip(runs).collect();
        Ok(Self { runs, settings })
    }

    /// A page: the validation curves in one plot, the settings that differ and the results in one
    /// table, and mean and standard deviation of runs that differ only in their seeds. Of many runs
    /// those of the best settings are drawn. One HTML file that needs no other; its one script sorts
    /// the table.
    ///
    /// # Errors
    /// [`Kind::Internal`](lenet_files::Kind::Internal) if the page cannot be rendered.
    pub fn page(&self) -> Result<String> {
        let (differing, common) = compare(&self.settings);
        let groups = self.groups();
        let drawn = self.drawn(&groups);
        let place = |run: usize| drawn.iter().position(|other| *other == run);
        let shown: Vec<(String, Records)> =
            drawn.iter().map(|run| self.runs[*run].clone()).collect();
        let charts = [Quantity::Accuracy, Quantity::Loss];
        let charts = charts.map(|quantity| svg(&chart(quantity, &shown)));
        let rows = self.runs.iter().enumerate().map(|(at, (name, run))| {
            context! {
                name => name.as_str(),
                colour => place(at).map(|place| colour(place).to_string()),
                settings => record(differing.iter().map(|(_, values)| values[at]).collect::<Vec<_>>()),
                summary => record(&run.summary),
                best => run.best_epoch(),
                trained => trained(run),
                validation => record(run.validation()),
            }
        });
        let matrices = shown.iter().filter_map(|(name, run)| {
            let summary = run.summary.as_ref()?;
            let picture = confusion_matrix(&summary.confusion, &summary.class_names, name);
            (!summary.confusion.is_empty()).then(|| framed_matrix(&picture))
        });
        let common: Vec<(&str, &str)> = common.iter().filter_map(shared).collect();
        let repeated = |group: &&Group| group.runs.len() > 1 && self.seed(group.runs[0]).is_some();
        render(
            "comparison.html",
            context! {
                title => format!("{} runs of LeNet-5", self.runs.len()),
                charts => charts.to_vec(),
                drawn => drawn.len(),
                differing => record(differing.iter().map(|(name, _)| name).collect::<Vec<_>>()),
                runs => rows.collect::<Vec<_>>(),
                seeds => groups.iter().filter(repeated).map(|group| self.over_seeds(group)).collect::<Vec<_>>(),
                matrices => matrices.collect::<Vec<_>>(),
                common => record(common),
            },
        )
    }

    /// A heading, and a row of plain values for each run: its name, the settings that differ, the
    /// results, empty where there are none.
    pub fn table(&self) -> Vec<Vec<String>> {
        let (differing, _) = compare(&self.settings);
        let settings = differing.iter().map(|(name, _)| *name);
        let heading = ["run", "folder"].into_iter().chain(settings);
        let heading = heading.chain(RESULTS.map(|(name, _)| name));
        let mut rows = vec![heading.map(str::to_owned).collect::<Vec<_>>()];
        for (at, (name, run)) in self.runs.iter().enumerate() {
            let mut row = vec![name.clone(), run.path.display().to_string()];
            let values = differing.iter().map(|(_, values)| values[at]);
            row.extend(values.map(|value| value.unwrap_or_default().to_owned()));
            row.extend(RESULTS.map(|(_, result)| result(run).unwrap_or_default()));
            rows.push(row);
        }
        rows
    }

    /// The runs by their settings, in the order of the first of each.
    pub fn groups(&self) -> Vec<Group> {
        let mut places: HashMap<_, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (run, own) in self.settings.iter().enumerate() {
            let group = *places.entry(own.without_seed()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            // Equal seeds give equal results: a second run of one is no further measurement.
            let mut others = groups[group].iter();
            if others.all(|other| self.seed(*other) != self.seed(run)) {
                groups[group].push(run);
            }
        }
        let firsts: Vec<&Settings> = groups.iter().map(|runs| &self.settings[runs[0]]).collect();
        let labels = crate::settings::labels(&firsts);
        let first = groups.first().cloned().unwrap_or_default();
        let group = |(at, runs): (usize, Vec<usize>)| {
            let of = |figure: fn(&Records) -> Option<f64>| self.figures(&runs, figure);
            let difference = |run: &usize| {
                let mut others = first.iter();
                let other = others.find(|other| self.seed(**other) == self.seed(*run))?;
                Some(tested(&self.runs[*run].1)? - tested(&self.runs[*other].1)?)
            };
            let differences: Vec<f64> = runs.iter().filter_map(difference).collect();
            let names: Vec<&str> = runs.iter().map(|run| self.runs[*run].0.as_str()).collect();
            Group {
                name: if labels[at].is_empty() {
                    names.join(", ")
                } else {
                    labels[at].clone()
                },
                validation: of(|run| Some(100. * run.validation()?.accuracy)),
                test: of(tested),
                train_seconds: of(|run| Some(summary(run)?.train_seconds)),
                difference: Interval::of(&differences).filter(|_| at > 0),
                runs,
            }
        };
        groups.into_iter().enumerate().map(group).collect()
    }

    fn seed(&self, run: usize) -> Option<&String> {
        self.settings[run].seed()
    }

    /// The runs that are drawn: all, or the first of each of the best settings, by the mean
    /// validation accuracy, or by that of the test where nothing is held out.
    fn drawn(&self, groups: &[Group]) -> Vec<usize> {
        if self.runs.len() <= DRAWN {
            return (0..self.runs.len()).collect();
        }
        let score = |group: &Group| {
            let validation = Some(&group.validation).filter(|values| !values.is_empty());
            let values = validation.unwrap_or(&group.test);
            // Places after the decimal point that matter, as an integer, which has an order.
            (1e6 * values.iter().sum::<f64>() / values.len().max(1) as f64) as i64
        };
        let mut best: Vec<&Group> = groups.iter().collect();
        best.sort_by_key(|group| Reverse(score(group)));
        best.iter().take(DRAWN).map(|group| group.runs[0]).collect()
    }

    /// A figure of those of these runs that have it.
    fn figures(&self, runs: &[usize], figure: fn(&Records) -> Option<f64>) -> Vec<f64> {
        let all = runs.iter().map(|run| &self.runs[*run].1);
        all.filter_map(figure).collect()
    }

    /// A row of the table over seeds.
    fn over_seeds(&self, group: &Group) -> Value {
        let errors = self.figures(&group.runs, |run| Some(summary(run)?.test.errors as f64));
        let speeds = self.figures(&group.runs, |run| Some(summary(run)?.images_per_second));
        Value::from(vec![
            group.name.clone(),
            group.runs.len().to_string(),
            spread(&group.validation, 2, " %"),
            spread(&group.test, 2, " %"),
            (group.difference).map_or(NONE.to_owned(), |difference| difference.to_string()),
            spread(&errors, 1, ""),
            spread(&group.train_seconds, 2, ""),
            spread(&speeds, 0, ""),
        ])
    }
}

/// The test accuracy in per cent.
fn tested(run: &Records) -> Option<f64> {
    Some(100. * summary(run)?.test.accuracy?)
}

/// A result's name, and its value if the run has it.
type Figure = (&'static str, fn(&Records) -> Option<String>);

/// The results in [`Comparison::table`].
const RESULTS: [Figure; 11] = [
    ("epochs", |run| text(trained(run))),
    ("best_epoch", |run| text(run.best_epoch()?)),
    ("validation_loss", |run| text(run.validation()?.loss)),
    ("validation_accuracy", |run| {
        text(run.validation()?.accuracy)
    }),
    ("test_loss", |run| text(summary(run)?.test.loss?)),
    ("test_accuracy", |run| text(summary(run)?.test.accuracy?)),
    ("test_errors", |run| text(summary(run)?.test.errors)),
    ("test_images", |run| text(summary(run)?.test.count)),
    ("parameters", |run| text(summary(run)?.parameters)),
    ("train_seconds", |run| text(summary(run)?.train_seconds)),
    ("images_per_second", |run| {
        text(summary(run)?.images_per_second)
    }),
];

fn summary(run: &Records) -> Option<&Summary> {
    run.summary.as_ref()
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// A setting that all runs have, and its value.
fn shared<'a>((name, values): &Row<'a>) -> Option<(&'a str, &'a str)> {
    Some((name, (*values.first()?)?))
}

/// What to call each run.
fn names(runs: &[Records]) -> Vec<String> {
    let mut count = HashMap::new();
    for run in runs {
        *count.entry(run.path.file_name()).or_insert(0) += 1;
    }
    let name = |run: &Records| match run.path.file_name() {
        Some(name) if count[&Some(name)] == 1 => name.to_string_lossy().into_owned(),
        _ => run.path.to_string_lossy().into_owned(),
    };
    runs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_students() {
        // R: t.test(c(0.1, 0.3, 0.2))$conf.int; qt(0.975, c(1, 9, 30, 1000))
        let interval = Interval::of(&[0.1, 0.3, 0.2]).unwrap();
        assert!((interval.mean - 0.2).abs() < 1e-12);
        assert!((interval.half_width - 0.248_4).abs() < 1e-4, "{interval:?}");
        for (freedom, quantile) in [(1, 12.706), (9, 2.262_2), (30, 2.042_3), (1_000, 1.962_3)] {
            let found = student(freedom);
            assert!((found / quantile - 1.).abs() < 2e-4, "{freedom}: {found}");
        }
        assert_eq!(Interval::of(&[1.]), None);
    }
}
