//! Several runs on one page.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{ENVIRONMENT, HEADING, assert_well_formed, body};
use lenet_report::{Error, write_comparison};

struct Case<'a> {
    name: &'a str,
    config: &'a str,
    /// Validation accuracies of the epochs.
    validation: &'a [f64],
    /// Test errors of 10,000; none of a run that was stopped.
    errors: Option<u32>,
}

fn write(root: &Path, case: &Case<'_>) -> PathBuf {
    let folder = root.join(case.name);
    fs::create_dir_all(&folder).unwrap();
    let row = |(index, accuracy): (usize, &f64)| {
        let epoch = index + 1;
        format!(
            "{epoch},0.2,0.9,{},{accuracy},0.001,2,1600\n",
            1. - accuracy
        )
    };
    let rows: String = case.validation.iter().enumerate().map(row).collect();
    fs::write(folder.join("results.csv"), format!("{HEADING}\n{rows}")).unwrap();
    fs::write(folder.join("config.toml"), case.config).unwrap();
    fs::write(folder.join("environment.json"), ENVIRONMENT).unwrap();
    if let Some(errors) = case.errors {
        let accuracy = 1. - f64::from(errors) / 10_000.;
        let summary = format!(
            r#"{{"epochs":{},"parameters":61706,"class_names":["cat","dog"],
                "confusion":[[4990,10],[{},4900]],"train_seconds":{},"images_per_second":12345.6,
                "test":{{"loss":0.1,"accuracy":{accuracy},"errors":{errors},"count":10000}}}}"#,
            case.validation.len(),
            errors - 10,
            errors / 10,
        );
        fs::write(folder.join("summary.json"), summary).unwrap();
    }
    folder
}

fn compare(cases: &[Case<'_>]) -> String {
    let root = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = cases.iter().map(|case| write(root.path(), case)).collect();
    let output = root.path().join("comparison.html");
    write_comparison(&folders, &output).unwrap();
    let page = fs::read_to_string(output).unwrap();
    assert_well_formed(body(&page));
    page
}

/// The page up to its table.
fn plots(page: &str) -> &str {
    page.split_once("<h2>Settings and results</h2>").unwrap().0
}

/// The texts of the cells of each row of the table of that label.
fn table(page: &str, label: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(&format!("aria-label=\"{label}\"")).unwrap();
    let (table, _) = rest.split_once("</table>").unwrap();
    let text = |cell: &str| {
        let (_, text) = cell.rsplit_once('>').unwrap();
        text.to_owned()
    };
    table
        .split("</tr>")
        .map(|row| {
            let cells = row.split("</th>").flat_map(|part| part.split("</td>"));
            let mut cells: Vec<&str> = cells.collect();
            cells.pop();
            cells.into_iter().map(text).collect()
        })
        .filter(|row: &Vec<String>| !row.is_empty())
        .collect()
}

const FIRST: Case<'_> = Case {
    name: "first",
    config: "seed = 1\nbatch_size = 128\nlearning_rate = 0.001\n",
    validation: &[0.95, 0.98, 0.97],
    errors: Some(110),
};
const SECOND: Case<'_> = Case {
    name: "second",
    config: "seed = 2\nbatch_size = 128\nlearning_rate = 0.001\n",
    validation: &[0.96, 0.97],
    errors: Some(120),
};
const OTHER: Case<'_> = Case {
    name: "<other>&",
    config: "seed = 1\nbatch_size = 64\nlearning_rate = 0.001\n",
    validation: &[0.5],
    errors: None,
};

#[test]
fn settings_that_differ_and_results_stand_in_one_table() {
    let page = compare(&[FIRST, SECOND, OTHER]);
    let table = table(&page, "Settings and results");
    assert_eq!(
        table[0],
        [
            "Run",
            "batch_size",
            "seed",
            "Best epoch",
            "Validation accuracy",
            "Test accuracy",
            "Test error",
            "Test errors",
            "Parameters",
            "Training time",
            "Images/s"
        ]
    );
    assert_eq!(
        table[1],
        [
            "first",
            "128",
            "1",
            "2 of 3",
            "98.00 %",
            "98.90 %",
            "1.10 %",
            "110 of 10,000",
            "61,706",
            "11.0 s",
            "12,346"
        ]
    );
    assert_eq!(
        table[3],
        [
            "&lt;other&gt;&amp;",
            "64",
            "1",
            "1 of 1",
            "50.00 %",
            "–",
            "–",
            "–",
            "–",
            "–",
            "–"
        ]
    );
    assert_eq!(table.len(), 4);
    // Of the two that are finished, each under its name.
    let (_, matrices) = page.split_once("<h2>Confusion matrices</h2>").unwrap();
    assert_eq!(matrices.matches("<figure class=\"matrix\"").count(), 2);
    let (first, second) = matrices.split_once("</figure>").unwrap();
    assert!(first.contains(">first</text>") && first.contains(">100</text>"));
    assert!(second.contains(">second</text>") && second.contains(">110</text>"));
    assert!(page.contains("being under way or stopped: &lt;other&gt;&amp;"));
    // What all share stands apart.
    assert!(page.contains("<dt>learning_rate</dt><dd>0.001</dd>"));
    assert!(page.contains("<dt>processor</dt><dd>A &amp; B</dd>"));
    assert!(!page.contains("<dt>seed</dt>"));
}

#[test]
fn every_run_has_its_line_its_colour_and_its_name() {
    let page = compare(&[FIRST, SECOND, OTHER]);
    for (colour, name, points) in [
        ("#0072b2", "first", 3),
        ("#d55e00", "second", 2),
        ("#009e73", "&lt;other&gt;&amp;", 1),
    ] {
        // In both plots.
        let text = format!(">{name}</text>");
        assert_eq!(plots(&page).matches(&text).count(), 2);
        // A marker a point and one beside the name, in both plots; and the swatch.
        let circles = format!("fill=\"{colour}\"/>");
        assert_eq!(
            page.matches(&circles).count(),
            2 * (points + 1) + 1,
            "{name}"
        );
    }
    for foreign in ["<script", "<link", "url(", "@import", " src=", " href="] {
        assert!(!page.contains(foreign), "{foreign} is in the page");
    }
}

#[test]
fn repetitions_with_other_seeds_have_mean_and_deviation() {
    let again = Case {
        name: "again",
        errors: Some(9_999),
        ..FIRST
    };
    let page = compare(&[FIRST, SECOND, OTHER, again]);
    let table = table(&page, "Over seeds");
    // The run of a seed that was there before is no further measurement.
    assert_eq!(table.len(), 2);
    assert_eq!(
        table[1],
        [
            "first, second",
            "2",
            "97.50 ± 0.71 %",
            "98.85 ± 0.07 %",
            "115.0 ± 7.1",
            "11.50 ± 0.71",
            "12,346 ± 0"
        ]
    );
    assert!(!compare(&[FIRST, OTHER]).contains("Over seeds"));
}

#[test]
fn equal_runs_and_many_runs_have_a_page_too() {
    let names: Vec<String> = (0..40).map(|number| format!("run-{number}")).collect();
    let same = |name| Case { name, ..FIRST };
    let cases: Vec<Case<'_>> = names.iter().map(|name| same(name.as_str())).collect();
    let page = compare(&cases);
    assert!(page.contains("All settings are equal."));
    // There is no room for so many names beside the curves.
    assert!(!plots(&page).contains(">run-7</text>"));
    assert_eq!(table(&page, "Settings and results").len(), 41);
    let without = Case {
        validation: &[],
        errors: None,
        ..FIRST
    };
    assert!(compare(&[without]).contains("No run has such values"));
}

#[test]
fn folders_of_one_name_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|parent| write(&root.path().join(parent), &FIRST));
    let output = root.path().join("page.html");
    write_comparison(&folders, &output).unwrap();
    let page = fs::read_to_string(output).unwrap();
    for folder in folders {
        assert!(page.contains(&format!("</svg>{}</td>", folder.display())));
    }
}

#[test]
fn errors_name_the_folder_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let good = write(root.path(), &FIRST);
    let missing = root.path().join("missing");
    let output = root.path().join("page.html");
    let error = write_comparison(&[good.clone(), missing], &output).unwrap_err();
    assert!(matches!(error, Error::NoRun { .. }));
    assert!(
        error.to_string().contains("missing is no run folder"),
        "{error}"
    );
    let broken = Case {
        name: "broken",
        config: "seed = \n",
        ..FIRST
    };
    let broken = write(root.path(), &broken);
    let error = write_comparison(&[good, broken], &output)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("broken/config.toml: ") && error.contains("line 1"),
        "{error}"
    );
    assert!(!output.exists());
}
