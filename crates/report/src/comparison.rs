//! The page that compares several runs.

use lenet_files::Result;
use lenet_run::{Records, Summary};
use minijinja::{Value, context};

use crate::chart::{chart, colour};
use crate::confusion::confusion_matrix;
use crate::curves::Quantity;
use crate::format::spread;
use crate::page::{framed_matrix, record, render, svg, trained};
use crate::settings::{Row, Settings, compare};

/// The page that compares several runs: their validation curves in one plot, the settings that differ
/// and the results in one table, and mean and standard deviation of runs that differ only in their
/// seeds. One HTML file that needs no other and no script.
///
/// A run is called by its folder's name, or by its whole path if two folders have the same name.
pub(crate) fn comparison(runs: Vec<Records>) -> Result<String> {
    let settings = runs.iter().map(Settings::of).collect::<Result<Vec<_>>>()?;
    let names = names(&runs);
    let runs: Vec<(String, Records)> = names.into_iter().zip(runs).collect();
    let (differing, common) = compare(&settings);
    let charts = [Quantity::Accuracy, Quantity::Loss].map(|quantity| svg(&chart(quantity, &runs)));
    let rows = runs.iter().enumerate().map(|(place, (name, run))| {
        context! {
            name => name.as_str(),
            colour => colour(place).to_string(),
            settings => record(differing.iter().map(|(_, values)| values[place]).collect::<Vec<_>>()),
            summary => record(&run.summary),
            best => run.best_epoch(),
            trained => trained(run),
            validation => record(run.validation()),
        }
    });
    let matrices = runs.iter().filter_map(|(name, run)| {
        let summary = run.summary.as_ref()?;
        let picture = confusion_matrix(&summary.confusion, &summary.class_names, name);
        (!summary.confusion.is_empty()).then(|| framed_matrix(&picture))
    });
    let common: Vec<(&str, &str)> = common.iter().filter_map(shared).collect();
    render(
        "comparison.html",
        context! {
            title => format!("{} runs of LeNet-5", runs.len()),
            charts => charts.to_vec(),
            differing => record(differing.iter().map(|(name, _)| name).collect::<Vec<_>>()),
            runs => rows.collect::<Vec<_>>(),
            seeds => over_seeds(&runs, &settings),
            matrices => matrices.collect::<Vec<_>>(),
            common => record(common),
        },
    )
}

/// A setting that all runs have, and its value.
fn shared<'a>((name, values): &Row<'a>) -> Option<(&'a str, &'a str)> {
    Some((name, (*values.first()?)?))
}

/// What to call each run.
fn names(runs: &[Records]) -> Vec<String> {
    let last = |run: &Records| run.path.file_name().map(|name| name.to_owned());
    let is_unique = |run: &Records| {
        let of_name = runs.iter().filter(|other| last(other) == last(run));
        of_name.count() == 1
    };
    let name = |run: &Records| match last(run) {
        Some(name) if is_unique(run) => name.to_string_lossy().into_owned(),
        _ => run.path.to_string_lossy().into_owned(),
    };
    runs.iter().map(name).collect()
}

/// Mean and standard deviation of each group of runs whose settings are equal but for the seed.
fn over_seeds(runs: &[(String, Records)], settings: &[Settings]) -> Vec<Value> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, own) in settings.iter().enumerate() {
        let is_group = |group: &&mut Vec<usize>| settings[group[0]].is_repeated_by(own);
        match groups.iter_mut().find(is_group) {
            Some(group) => {
                // Equal seeds give equal results: a second run of one is no further measurement.
                let mut seeds = group.iter().map(|other| settings[*other].seed());
                if seeds.all(|seed| seed != own.seed()) {
                    group.push(place);
                }
            }
            None => groups.push(vec![place]),
        }
    }
    groups.retain(|group| group.len() > 1 && settings[group[0]].seed().is_some());
    let row = |group: Vec<usize>| {
        let own: Vec<&(String, Records)> = group.iter().map(|place| &runs[*place]).collect();
        let all = |figure: &dyn Fn(&Records) -> Option<f64>| -> Vec<f64> {
            own.iter().filter_map(|(_, run)| figure(run)).collect()
        };
        let finished = |figure: &dyn Fn(&Summary) -> Option<f64>| {
            all(&|run| run.summary.as_ref().and_then(figure))
        };
        let validated = all(&|run| Some(100.0 * run.validation()?.accuracy));
        let tested = finished(&|summary| Some(100.0 * summary.test.accuracy?));
        let errors = finished(&|summary| Some(summary.test.errors as f64));
        let seconds = finished(&|summary| Some(summary.train_seconds));
        let speed = finished(&|summary| Some(summary.images_per_second));
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        Value::from(vec![
            names.join(", "),
            own.len().to_string(),
            spread(&validated, 2, " %"),
            spread(&tested, 2, " %"),
            spread(&errors, 1, ""),
            spread(&seconds, 2, ""),
            spread(&speed, 0, ""),
        ])
    };
    groups.into_iter().map(row).collect()
}
