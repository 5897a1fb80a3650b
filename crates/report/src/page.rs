//! The page of a run: one HTML file that needs no other, and no script.

mod figures;
mod format;
mod tables;

use std::fmt::Write;

use crate::canvas::escape;
use crate::confusion::confusion_matrix;
use crate::curves::{Quantity, panel};
use crate::{Results, Summary};

/// What the page shows.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) results: &'a Results,
    pub(crate) summary: Option<&'a Summary>,
    pub(crate) best_epoch: Option<u64>,
    pub(crate) config: Option<&'a str>,
}

const STYLE: &str = include_str!("page.css");

/// The whole HTML document.
pub(crate) fn page(page: &Page<'_>) -> String {
    let title = escape(page.title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    figures::write_run(&mut html, page);
    html.push_str("</header>\n");
    figures::write_figures(&mut html, page);
    write_curves(&mut html, page);
    if let Some(summary) = page.summary {
        write_test(&mut html, summary);
    }
    html.push_str("<h2>Epochs</h2>\n");
    tables::write_epochs(&mut html, page.results, page.best_epoch);
    if let Some(config) = page.config {
        // Writing to a string does not fail, here and in the modules below.
        let _ = writeln!(
            html,
            "<h2>Configuration</h2>\n<details>\n<summary>config.toml</summary>\n\
             <pre><code>{}</code></pre>\n</details>",
            escape(config)
        );
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The two panels apart, for a narrow screen stacks them.
fn write_curves(html: &mut String, page: &Page<'_>) {
    html.push_str("<h2>Learning curves</h2>\n<div class=\"curves\">\n");
    for quantity in [Quantity::Loss, Quantity::Accuracy] {
        let panel = panel(quantity, &page.results.epochs, page.best_epoch);
        let _ = writeln!(html, "<figure>\n{}</figure>", panel.svg());
    }
    html.push_str("</div>\n");
}

fn write_test(html: &mut String, summary: &Summary) {
    if let Some((matrix, names)) = summary.confusion_with_names() {
        let picture = confusion_matrix(matrix, names, "Test split: true against predicted");
        // Below four fifths of its size the picture scrolls rather than shrinks.
        let readable = (picture.width * 0.8).round();
        let _ = writeln!(
            html,
            "<h2>Confusion matrix</h2>\n<figure class=\"matrix\" style=\"--readable: {readable}px\" \
             tabindex=\"0\">\n{}</figure>",
            picture.svg()
        );
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
