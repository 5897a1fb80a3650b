//! The pages: HTML files that need no other, and no script.

mod bitmap;
mod chart;
mod compare;
mod figures;
mod format;
mod inspected;
mod record;
mod tables;

use std::fmt::Write;

pub use compare::comparison;

use crate::calibration::calibration;
use crate::canvas::{Picture, escape};
use crate::confusion::confusion_matrix;
use crate::curves::{Quantity, panel};
use crate::frame::Size;
use crate::{Calibration, Error, Run, Summary};

const STYLE: &str = include_str!("page.css");

/// The page of a run.
pub(crate) fn page(title: &str, run: &Run) -> Result<String, Error> {
    let mut html = open(title);
    figures::write_run(&mut html, run);
    html.push_str("</header>\n");
    figures::write_figures(&mut html, run);
    write_curves(&mut html, run);
    let summary = run.summary.as_ref();
    if let Some(summary) = summary {
        write_test(&mut html, summary);
    }
    if let Some(inspection) = &run.inspection {
        let names = summary.map_or(&[][..], |summary| &summary.class_names);
        write_calibration(&mut html, &inspection.calibration);
        inspected::write_mistakes(&mut html, &inspection.mistakes, names)?;
        inspected::write_filters(&mut html, &inspection.filters);
        if let Some(sample) = &inspection.sample {
            inspected::write_sample(&mut html, sample, names)?;
        }
    }
    html.push_str("<h2>Epochs</h2>\n");
    tables::write_epochs(&mut html, &run.results, run.best_epoch());
    record::write_record(&mut html, run);
    close(&mut html);
    Ok(html)
}

/// The document up to its title, within its header.
fn open(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    )
}

fn close(html: &mut String) {
    html.push_str("</main>\n</body>\n</html>\n");
}

/// A picture in a frame of its own. Writing to a string does not fail, here and in the modules
/// below.
fn write_picture(html: &mut String, picture: &Picture) {
    let _ = writeln!(html, "<figure>\n{}</figure>", picture.svg());
}

/// The panels apart, for a narrow screen stacks them.
fn write_curves(html: &mut String, run: &Run) {
    html.push_str("<h2>Learning curves</h2>\n<div class=\"plots\">\n");
    for quantity in [
        Quantity::Loss,
        Quantity::Accuracy,
        Quantity::LearningRate,
        Quantity::Speed,
    ] {
        let epochs = &run.results.epochs;
        let panel = panel(quantity, epochs, run.best_epoch(), Size::COMPACT);
        write_picture(html, &panel);
    }
    html.push_str("</div>\n");
}

fn write_test(html: &mut String, summary: &Summary) {
    if let Some((matrix, names)) = summary.confusion_with_names() {
        html.push_str("<h2>Confusion matrix</h2>\n");
        let title = "Test split: true against predicted";
        write_matrix(html, &confusion_matrix(matrix, names, title));
    }
    html.push_str("<div class=\"columns\">\n");
    if !summary.per_class.is_empty() {
        html.push_str("<section>\n<h2>Classes</h2>\n");
        tables::write_classes(html, &summary.per_class);
        html.push_str("</section>\n");
    }
    if let Some((matrix, names)) = summary.confusion_with_names() {
        tables::write_confusions(html, matrix, names);
    }
    html.push_str("</div>\n");
}

/// Below a part of its size the picture scrolls rather than shrinks: ten digits fit a phone.
fn write_matrix(html: &mut String, picture: &Picture) {
    let readable = (picture.width * 0.45).round();
    let _ = writeln!(
        html,
        "<figure class=\"matrix\" style=\"--readable: {readable}px\" tabindex=\"0\">\n{}</figure>",
        picture.svg()
    );
}

fn write_calibration(html: &mut String, found: &Calibration) {
    if found.bins.iter().all(|bin| bin.count == 0) {
        return;
    }
    let _ = writeln!(
        html,
        "<h2>Calibration</h2>\n<p class=\"lead\">How far its confidence, the probability of the \
         class that it names, can be trusted. Over the test split confidence and accuracy differ by \
         <strong>{}</strong> on average (expected calibration error).</p>\n\
         <div class=\"columns plots\">",
        format::percent(found.expected_calibration_error)
    );
    write_picture(html, &calibration(found, Size::COMPACT));
    tables::write_bins(html, &found.bins);
    html.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Colour;

    /// The pictures are drawn in these colours; a page that is dark replaces each.
    #[test]
    fn the_dark_style_knows_the_colours_of_the_pictures() {
        let (_, dark) = STYLE.split_once("prefers-color-scheme: dark").unwrap();
        for colour in [
            Colour::PAPER,
            Colour::INK,
            Colour::FAINT_INK,
            Colour::GRID,
            Colour::EMPTY,
            Colour::BLUE,
            Colour::VERMILION,
        ] {
            assert!(dark.contains(&format!("=\"{colour}\"]")), "{colour}");
        }
    }
}
