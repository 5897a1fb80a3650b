//! The tables of the page.

use std::cmp::Reverse;
use std::fmt::Write;

use super::format::{self, NONE};
use crate::canvas::escape;
use crate::{Bin, ClassScore, Results};

/// Precision, recall and F1 a class.
pub(super) fn write_classes(html: &mut String, classes: &[ClassScore]) {
    open_table(
        html,
        "Classes",
        &["Class", "Precision", "Recall", "F1", "Images"],
    );
    let ratio = |value: Option<f64>| match value {
        Some(_) => format::percent(value),
        None => "n/a".to_owned(),
    };
    for class in classes {
        let cells = [
            escape(&class.class).into_owned(),
            ratio(class.precision),
            ratio(class.recall),
            ratio(class.f1),
            format::count(class.support),
        ];
        write_row(html, &cells, false);
    }
    close_table(html);
}

/// The most frequent errors: what was taken for what, how often.
pub(super) fn write_confusions(html: &mut String, matrix: &[Vec<u64>], names: &[String]) {
    const MOST: usize = 10;
    let mut errors: Vec<(u64, usize, usize)> = matrix
        .iter()
        .enumerate()
        .flat_map(|(truth, row)| {
            row.iter()
                .enumerate()
                .map(move |(predicted, count)| (*count, truth, predicted))
        })
        .filter(|(count, truth, predicted)| *count > 0 && truth != predicted)
        .collect();
    if errors.is_empty() {
        return;
    }
    // Equal counts in the order of the classes, so that the page does not change from run to run.
    errors.sort_by_key(|(count, truth, predicted)| (Reverse(*count), *truth, *predicted));
    errors.truncate(MOST);
    let row_sum = |row: usize| {
        let row = matrix.get(row).map_or(&[][..], Vec::as_slice);
        row.iter()
            .fold(0_u64, |sum, count| sum.saturating_add(*count))
    };
    let name = |class: usize| {
        names
            .get(class)
            .map_or_else(|| class.to_string(), |name| escape(name).into_owned())
    };
    html.push_str("<section>\n<h2>Most frequent errors</h2>\n");
    open_table(
        html,
        "Most frequent errors",
        &["True class → predicted", "Images", "Of the class"],
    );
    for (count, truth, predicted) in errors {
        let share = count as f64 / row_sum(truth) as f64;
        let cells = [
            format!("{} → {}", name(truth), name(predicted)),
            format::count(count),
            format::percent(Some(share)),
        ];
        write_row(html, &cells, false);
    }
    close_table(html);
    html.push_str("</section>\n");
}

/// The bins that hold images.
pub(super) fn write_bins(html: &mut String, bins: &[Bin]) {
    let heading = ["Confidence", "Images", "Mean confidence", "Accuracy"];
    open_table(html, "Calibration", &heading);
    let share = |number: usize| 100.0 * number as f64 / bins.len() as f64;
    let filled = bins.iter().enumerate().filter(|(_, bin)| bin.count > 0);
    for (number, bin) in filled {
        let cells = [
            format!("{:.1}–{:.1} %", share(number), share(number + 1)),
            format::count(bin.count),
            format::percent(bin.confidence),
            format::percent(bin.accuracy),
        ];
        write_row(html, &cells, false);
    }
    close_table(html);
}

/// A row an epoch, the best one set off.
pub(super) fn write_epochs(html: &mut String, results: &Results, best_epoch: Option<u64>) {
    let heading = [
        "Epoch",
        "Training loss",
        "Training accuracy",
        "Validation loss",
        "Validation accuracy",
        "Learning rate",
        "Seconds",
        "Images/s",
    ];
    open_table(html, "Epochs", &heading);
    for epoch in &results.epochs {
        let cells = [
            epoch.epoch.to_string(),
            format::loss(Some(epoch.train_loss)),
            format::percent(Some(epoch.train_accuracy)),
            format::loss(epoch.val_loss),
            format::percent(epoch.val_accuracy),
            format::rate(epoch.learning_rate),
            format::seconds(epoch.seconds),
            format::whole(epoch.images_per_second),
        ];
        write_row(html, &cells, best_epoch == Some(epoch.epoch));
    }
    if results.epochs.is_empty() {
        write_row(html, &heading.map(|_| NONE.to_owned()), false);
    }
    close_table(html);
}

/// A table scrolls within its frame, which the keyboard can reach.
pub(super) fn open_table(html: &mut String, label: &str, heading: &[&str]) {
    let _ = write!(
        html,
        "<div class=\"table\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\">\n<table>\n\
         <thead><tr>"
    );
    for (index, name) in heading.iter().enumerate() {
        let class = if index == 0 { " class=\"name\"" } else { "" };
        let _ = write!(html, "<th scope=\"col\"{class}>{name}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>\n");
}

/// The cells are HTML already.
pub(super) fn write_row(html: &mut String, cells: &[String], is_best: bool) {
    html.push_str(if is_best {
        "<tr class=\"best\">"
    } else {
        "<tr>"
    });
    for (index, cell) in cells.iter().enumerate() {
        let class = if index == 0 { " class=\"name\"" } else { "" };
        let _ = write!(html, "<td{class}>{cell}</td>");
    }
    html.push_str("</tr>\n");
}

pub(super) fn close_table(html: &mut String) {
    html.push_str("</tbody>\n</table>\n</div>\n");
}
