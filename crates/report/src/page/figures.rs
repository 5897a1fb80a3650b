//! The head of the page: what was run, and how well it did.

use std::fmt::Write;

use super::format::{self, NONE};
use crate::Run;
use crate::canvas::escape;

/// One line on the run, and a note on what is missing of it.
pub(super) fn write_run(html: &mut String, run: &Run) {
    let mut facts = Vec::new();
    if let Some(summary) = &run.summary {
        facts.extend(
            summary
                .recipe
                .as_ref()
                .map(|recipe| format!("{recipe} recipe")),
        );
        facts.extend(
            summary
                .engine
                .as_ref()
                .map(|engine| format!("{engine} engine")),
        );
        facts.extend(summary.seed.map(|seed| format!("seed {seed}")));
        facts.extend(summary.threads.map(|threads| match threads {
            1 => "1 thread".to_owned(),
            _ => format!("{threads} threads"),
        }));
    }
    if !facts.is_empty() {
        let _ = writeln!(html, "<p class=\"run\">{}</p>", escape(&facts.join(" · ")));
    }
    if run.summary.is_none() {
        html.push_str(
            "<p class=\"note\">The run has no summary: it is under way, or was stopped.</p>\n",
        );
    }
    if run.results.torn {
        html.push_str(
            "<p class=\"note\">The last row of results.csv is incomplete and is left out.</p>\n",
        );
    }
}

/// The headline figures.
pub(super) fn write_figures(html: &mut String, run: &Run) {
    html.push_str("<dl class=\"figures\">\n");
    let test = run
        .summary
        .as_ref()
        .and_then(|summary| summary.test.as_ref());
    match test {
        Some(test) => {
            let loss = format!("loss {}", format::loss(test.loss));
            write_figure(
                html,
                "Test accuracy",
                &format::percent(test.accuracy),
                &loss,
            );
            let count = format!("of {} images", format::count(test.count));
            write_figure(html, "Test errors", &format::count(test.errors), &count);
        }
        None => write_figure(html, "Test accuracy", "", "not evaluated"),
    }
    write_best_epoch(html, run);
    if let Some(summary) = &run.summary {
        if let Some(parameters) = summary.parameters {
            write_figure(html, "Parameters", &format::count(parameters), "trainable");
        }
        if let Some(seconds) = summary.train_seconds {
            let speed = summary.images_per_second.map(format::whole);
            let speed = speed.map_or_else(String::new, |speed| format!("{speed} images/s"));
            write_figure(html, "Training time", &format::duration(seconds), &speed);
        }
    }
    html.push_str("</dl>\n");
}

fn write_best_epoch(html: &mut String, run: &Run) {
    let trained = run.epochs();
    let Some(best) = run.best_epoch() else {
        let detail = if trained > 0 {
            "no validation split"
        } else {
            ""
        };
        return write_figure(html, "Epochs", &format::count(trained), detail);
    };
    let detail = match run.validation_accuracy() {
        Some(accuracy) => format!("validation {}", format::percent(Some(accuracy))),
        None => String::new(),
    };
    let value = format!("{} of {}", format::count(best), format::count(trained));
    write_figure(html, "Best epoch", &value, &detail);
}

/// A figure with its name above and a detail below; an empty value is a dash.
fn write_figure(html: &mut String, name: &str, value: &str, detail: &str) {
    let (class, value) = if value.is_empty() {
        (" class=\"none\"", NONE)
    } else {
        ("", value)
    };
    let _ = write!(
        html,
        "<div><dt>{}</dt><dd{class}>{}</dd>",
        escape(name),
        escape(value)
    );
    if !detail.is_empty() {
        let _ = write!(html, "<dd>{}</dd>", escape(detail));
    }
    html.push_str("</div>\n");
}
