//! Several runs on one page.

mod settings;

use std::fmt::Write;

use settings::{Row, Settings, compare};

use super::chart::{chart, colour};
use super::format::{self, NONE};
use super::tables::{close_table, open_table, write_row};
use super::{write_matrix, write_picture};
use crate::canvas::escape;
use crate::confusion::confusion_matrix;
use crate::curves::Quantity;
use crate::{Error, Run};

/// The page that lays several runs side by side: their validation curves in one plot, the settings
/// that differ and the results in one table, and mean and standard deviation of runs that differ in
/// their seeds alone. One HTML file that needs no other, and no script.
///
/// A run is called by its folder's name, or by its whole path where two folders have one name.
///
/// # Errors
/// [`Error::Config`] if the configuration of a run is no TOML.
pub fn comparison(runs: &[Run]) -> Result<String, Error> {
    let names = names(runs);
    let named: Vec<(&str, &Run)> = names.iter().map(String::as_str).zip(runs).collect();
    let settings = runs.iter().map(Settings::of);
    let settings = settings.collect::<Result<Vec<_>, _>>()?;

    let mut html = super::open(&format!("{} runs of LeNet-5", runs.len()));
    let _ = writeln!(
        html,
        "<p class=\"run\">{}</p>\n</header>",
        escape(&names.join(" · "))
    );
    html.push_str("<h2>Curves</h2>\n<div class=\"plots\">\n");
    for quantity in [Quantity::Accuracy, Quantity::Loss] {
        write_picture(&mut html, &chart(quantity, &named));
    }
    html.push_str("</div>\n");
    let (differing, common) = compare(&settings);
    write_runs(&mut html, &named, &differing);
    write_seeds(&mut html, &named, &settings);
    write_matrices(&mut html, &named);
    write_common(&mut html, &common);
    super::close(&mut html);
    Ok(html)
}

/// What to call each run.
fn names(runs: &[Run]) -> Vec<String> {
    let short = |run: &Run| {
        let name = run.path.file_name();
        name.map(|name| name.to_string_lossy().into_owned())
    };
    let all: Vec<Option<String>> = runs.iter().map(short).collect();
    let is_unique = |name: &Option<String>| all.iter().filter(|other| *other == name).count() == 1;
    runs.iter()
        .zip(&all)
        .map(|(run, name)| match name {
            Some(name) if is_unique(&Some(name.clone())) => name.clone(),
            _ => run.path.to_string_lossy().into_owned(),
        })
        .collect()
}

/// A row a run: what differs, and what came of it.
fn write_runs(html: &mut String, runs: &[(&str, &Run)], differing: &[Row<'_>]) {
    html.push_str("<h2>Settings and results</h2>\n");
    if differing.is_empty() {
        html.push_str("<p class=\"lead\">All settings are equal.</p>\n");
    }
    let names: Vec<_> = differing.iter().map(|(name, _)| escape(name)).collect();
    let mut heading = vec!["Run"];
    heading.extend(names.iter().map(|name| &**name));
    heading.extend([
        "Best epoch",
        "Validation accuracy",
        "Test accuracy",
        "Test error",
        "Test errors",
        "Parameters",
        "Training time",
        "Images/s",
    ]);
    open_table(html, "Settings and results", &heading);
    for (place, (name, run)) in runs.iter().enumerate() {
        let swatch = colour(place);
        let name = escape(name);
        let mut cells = vec![format!(
            "<svg class=\"swatch\" viewBox=\"0 0 2 2\" aria-hidden=\"true\">\
             <circle cx=\"1\" cy=\"1\" r=\"1\" fill=\"{swatch}\"/></svg>{name}"
        )];
        let values = differing.iter().map(|(_, values)| values[place]);
        cells.extend(values.map(|value| escape(value.unwrap_or(NONE)).into_owned()));
        cells.extend(results(run));
        write_row(html, &cells, false);
    }
    close_table(html);
    let unfinished = runs.iter().filter(|(_, run)| run.summary.is_none());
    let unfinished: Vec<&str> = unfinished.map(|(name, _)| *name).collect();
    if !unfinished.is_empty() {
        let _ = writeln!(
            html,
            "<p class=\"note\">Without a summary, being under way or stopped: {}</p>",
            escape(&unfinished.join(", "))
        );
    }
}

fn results(run: &Run) -> [String; 8] {
    let summary = run.summary.as_ref();
    let test = summary.and_then(|summary| summary.test.as_ref());
    let none = || NONE.to_owned();
    let best = run.best_epoch().map_or_else(none, format::count);
    [
        format!("{best} of {}", format::count(run.epochs())),
        format::percent(run.validation_accuracy()),
        format::percent(test.and_then(|test| test.accuracy)),
        format::percent(test.and_then(|test| Some(1. - test.accuracy?))),
        test.map_or_else(none, |test| {
            let [errors, count] = [test.errors, test.count].map(format::count);
            format!("{errors} of {count}")
        }),
        summary
            .and_then(|summary| summary.parameters)
            .map_or_else(none, format::count),
        summary
            .and_then(|summary| summary.train_seconds)
            .map_or_else(none, format::duration),
        summary
            .and_then(|summary| summary.images_per_second)
            .map_or_else(none, format::whole),
    ]
}

/// The confusion matrices side by side, as many as the page is wide.
fn write_matrices(html: &mut String, runs: &[(&str, &Run)]) {
    let matrices = runs.iter().filter_map(|(name, run)| {
        let (matrix, names) = run.summary.as_ref()?.confusion_with_names()?;
        Some(confusion_matrix(matrix, names, name))
    });
    let mut matrices = matrices.peekable();
    if matrices.peek().is_none() {
        return;
    }
    html.push_str(
        "<h2>Confusion matrices</h2>\n<p class=\"lead\">Of the test splits, a row a true class, a \
         column a predicted one.</p>\n<div class=\"matrices\">\n",
    );
    for picture in matrices {
        write_matrix(html, &picture);
    }
    html.push_str("</div>\n");
}

/// Mean and standard deviation of each group of runs whose settings are equal but for the seed.
fn write_seeds(html: &mut String, runs: &[(&str, &Run)], settings: &[Settings]) {
    let mut groups: Vec<(&Settings, Vec<usize>)> = Vec::new();
    for (place, own) in settings.iter().enumerate() {
        match groups
            .iter_mut()
            .find(|(first, _)| first.is_repeated_by(own))
        {
            // Equal seeds give equal results: a second run of one is no further measurement.
            Some((_, places)) => {
                if places
                    .iter()
                    .all(|other| settings[*other].seed() != own.seed())
                {
                    places.push(place);
                }
            }
            None => groups.push((own, vec![place])),
        }
    }
    groups.retain(|(own, places)| places.len() > 1 && own.seed().is_some());
    if groups.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Over seeds</h2>\n<p class=\"lead\">Mean ± standard deviation of the runs whose settings \
         are equal but for the seed.</p>\n",
    );
    let heading = [
        "Runs",
        "Seeds",
        "Validation accuracy",
        "Test accuracy",
        "Test errors",
        "Training time (s)",
        "Images/s",
    ];
    open_table(html, "Over seeds", &heading);
    for (_, places) in groups {
        let own: Vec<&(&str, &Run)> = places.iter().filter_map(|place| runs.get(*place)).collect();
        let figure = |figure: &dyn Fn(&Run) -> Option<f64>| -> Vec<f64> {
            own.iter().filter_map(|(_, run)| figure(run)).collect()
        };
        let test = |run: &Run| run.summary.as_ref()?.test.clone();
        let names: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
        let cells = [
            escape(&names.join(", ")).into_owned(),
            format::count(own.len() as u64),
            spread(
                &figure(&|run| Some(100.0 * run.validation_accuracy()?)),
                2,
                " %",
            ),
            spread(&figure(&|run| Some(100.0 * test(run)?.accuracy?)), 2, " %"),
            spread(&figure(&|run| Some(test(run)?.errors as f64)), 1, ""),
            spread(&figure(&|run| run.summary.as_ref()?.train_seconds), 2, ""),
            spread(
                &figure(&|run| run.summary.as_ref()?.images_per_second),
                0,
                "",
            ),
        ];
        write_row(html, &cells, false);
    }
    close_table(html);
}

/// Mean ± standard deviation, with n - 1 in the denominator, and how many they are of where one
/// would be none.
fn spread(values: &[f64], decimals: usize, unit: &str) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        0 => NONE.to_owned(),
        1 => format!("{mean:.decimals$}{unit} (one run)"),
        _ => {
            let deviation = (squares / (count - 1.0)).sqrt();
            if decimals == 0 {
                let [mean, deviation] = [mean, deviation].map(format::whole);
                return format!("{mean} ± {deviation}{unit}");
            }
            format!("{mean:.decimals$} ± {deviation:.decimals$}{unit}")
        }
    }
}

/// The settings that all runs share.
fn write_common(html: &mut String, common: &[Row<'_>]) {
    if common.is_empty() {
        return;
    }
    html.push_str("<h2>Common settings</h2>\n<dl class=\"record\">\n");
    for (name, values) in common {
        let value = values.first().copied().flatten().unwrap_or(NONE);
        let (name, value) = (escape(name), escape(value));
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_a_sample() {
        // R: mean(c(98.85, 98.79, 98.89)); sd(c(98.85, 98.79, 98.89))
        assert_eq!(spread(&[98.85, 98.79, 98.89], 3, " %"), "98.843 ± 0.050 %");
        assert_eq!(spread(&[2.0], 1, ""), "2.0 (one run)");
        assert_eq!(spread(&[], 1, ""), "–");
    }
}
