//! What a run was made by: its settings and its environment.

use std::fmt::Write;

use crate::canvas::escape;
use crate::{Environment, Run};

/// Configuration and environment side by side.
pub(super) fn write_record(html: &mut String, run: &Run) {
    html.push_str("<div class=\"columns\">\n");
    if let Some(config) = &run.config {
        // Writing to a string does not fail.
        let _ = writeln!(
            html,
            "<section>\n<h2>Configuration</h2>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</section>",
            escape(config.trim_end())
        );
    }
    if let Some(environment) = &run.environment {
        html.push_str("<section>\n<h2>Environment</h2>\n<dl class=\"record\">\n");
        for (name, value) in rows(environment) {
            write_row(html, name, &value);
        }
        for resumed in &environment.resumed {
            let facts = [started(resumed), program(resumed), processor(resumed)];
            let facts: Vec<String> = facts.into_iter().flatten().collect();
            write_row(html, "Resumed", &facts.join(", "));
        }
        html.push_str("</dl>\n");
        write_digests(html, environment);
        html.push_str("</section>\n");
    }
    html.push_str("</div>\n");
}

fn write_row(html: &mut String, name: &str, value: &str) {
    let (name, value) = (escape(name), escape(value));
    let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
}

/// What is known, in words.
fn rows(environment: &Environment) -> Vec<(&'static str, String)> {
    let data = [&environment.data.title, &environment.data.origin];
    let rows = [
        ("Started", started(environment)),
        ("Program", program(environment)),
        ("Commit", environment.commit.clone()),
        ("Compiler", environment.rustc.clone()),
        (
            "System",
            joined([&environment.system, &environment.architecture]),
        ),
        ("Processor", processor(environment)),
        ("Computed by", computation(environment)),
        ("Data", joined(data)),
    ];
    let known = |(name, value): (_, Option<String>)| Some((name, value?));
    rows.into_iter().filter_map(known).collect()
}

/// `2026-11-25T09:30:00Z` as people write it.
fn started(environment: &Environment) -> Option<String> {
    let started = environment.started.as_ref()?;
    Some(started.replacen('T', " ", 1).replace('Z', " UTC"))
}

fn program(environment: &Environment) -> Option<String> {
    let versions = [
        ("lenet", &environment.lenet),
        ("candle", &environment.candle),
    ];
    let version = |(name, version): (&str, &Option<String>)| {
        let version = version.as_ref()?;
        Some(format!("{name} {version}"))
    };
    some_of(versions.into_iter().filter_map(version).collect())
}

fn processor(environment: &Environment) -> Option<String> {
    let cores = match (environment.cores, environment.physical_cores) {
        (Some(1), _) => Some("1 core".to_owned()),
        (Some(cores), Some(physical)) if physical != cores => {
            Some(format!("{cores} cores, {physical} physical"))
        }
        (Some(cores), _) => Some(format!("{cores} cores")),
        (None, _) => None,
    };
    joined([&environment.processor, &cores])
}

fn computation(environment: &Environment) -> Option<String> {
    let engine = environment.engine.as_ref();
    let engine = engine.map(|engine| format!("{engine} engine"));
    let threads = environment.threads.map(|threads| match threads {
        1 => "1 thread".to_owned(),
        _ => format!("{threads} threads"),
    });
    let set = [&engine, &environment.device, &environment.instruction_set];
    joined([&joined(set), &environment.precision, &threads])
}

fn joined<const N: usize>(facts: [&Option<String>; N]) -> Option<String> {
    some_of(facts.into_iter().flatten().cloned().collect())
}

fn some_of(facts: Vec<String>) -> Option<String> {
    (!facts.is_empty()).then(|| facts.join(", "))
}

fn write_digests(html: &mut String, environment: &Environment) {
    let digests = &environment.data.sha256;
    if digests.is_empty() {
        return;
    }
    html.push_str("<h3>SHA-256 of the data</h3>\n<dl class=\"record digests\">\n");
    for (file, digest) in digests {
        write_row(html, file, digest);
    }
    html.push_str("</dl>\n");
}
