//! Several runs on one page.

use std::fs;
use std::path::{Path, PathBuf};

use lenet_files::Kind;
use lenet_report::Comparison;

use crate::{ENVIRONMENT, HEADING, SUMMARY, assert_well_formed, body};

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
        let mut summary: serde_json::Value = serde_json::from_str(SUMMARY).unwrap();
        let best = case.validation.iter().copied().fold(0., f64::max);
        let best_epoch = case.validation.iter().position(|v| *v == best).unwrap() + 1;
        summary["epochs"] = case.validation.len().into();
        summary["best_epoch"] = best_epoch.into();
        summary["validation"]["accuracy"] = best.into();
        summary["train_seconds"] = (errors / 10).into();
        summary["images_per_second"] = 12345.6.into();
        summary["test"] =
            serde_json::json!({"loss":0.1,"accuracy":accuracy,"errors":errors,"count":10000});
        let summary = summary.to_string();
        fs::write(folder.join("summary.json"), summary).unwrap();
    }
    folder
}

fn page_of(folders: &[PathBuf]) -> String {
    Comparison::read(folders).unwrap().page().unwrap()
}

fn compare(cases: &[Case<'_>]) -> String {
    let root = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = cases.iter().map(|case| write(root.path(), case)).collect();
    let page = page_of(&folders);
    assert_well_formed(body(&page));
    page
}

/// The page up to its table.
fn plots(page: &str) -> &str {
    page.split_once("<h2>Settings and results</h2>").unwrap().0
}

/// The texts of the cells in each row of the table with this label.
fn table(page: &str, label: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(&format!("aria-label=\"{label}\"")).unwrap();
    let (table, _) = rest.split_once("</table>").unwrap();
    let text = |cell: &str| {
        let (_, text) = cell.rsplit_once('>').unwrap();
        text.replace("&#x2f;", "/")
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
fn settings_that_differ_and_results_are_in_one_table() {
    let page = compare(&[FIRST, SECOND, OTHER]);
    let rows: Vec<String> = table(&page, "Settings and results")
        .iter()
        .map(|row| row.join(" | "))
        .collect();
    assert_eq!(
        rows,
        [
            "Run | batch_size | seed | Best epoch | Validation accuracy | Test accuracy | \
             Test error | Test errors | Parameters | Training time | Images/s",
            "first | 128 | 1 | 2 of 3 | 98.00 % | 98.90 % | 1.10 % | 110 of 10,000 | 61,706 | \
             11.0 s | 12,346",
            "second | 128 | 2 | 2 of 2 | 97.00 % | 98.80 % | 1.20 % | 120 of 10,000 | 61,706 | \
             12.0 s | 12,346",
            "&lt;other&gt;&amp; | 64 | 1 | 1 of 1 | 50.00 % | – | – | – | – | – | –",
        ]
    );
    // Of the two that are finished, each under its name.
    let (_, matrices) = page.split_once("<h2>Confusion matrices</h2>").unwrap();
    assert_eq!(matrices.matches("<figure class=\"matrix\"").count(), 2);
    let (first, second) = matrices.split_once("</figure>").unwrap();
    assert!(first.contains(">first</text>") && second.contains(">second</text>"));
    assert!(page.contains("still training or were stopped: &lt;other&gt;&amp;"));
    // What all share is apart.
    assert!(page.contains("<dt>learning_rate</dt><dd>0.001</dd>"));
    assert!(page.contains("<dt>processor</dt><dd>A &amp; B</dd>"));
    assert!(!page.contains("<dt>seed</dt>"));
    for (colour, name, points) in [
        ("#0072b2", "first", 3),
        ("#d55e00", "second", 2),
        ("#009e73", "&lt;other&gt;&amp;", 1),
    ] {
        // In both plots.
        let text = format!(">{name}</text>");
        assert_eq!(plots(&page).matches(&text).count(), 2);
        // A marker for each point and one beside the name, in both plots; and the swatch.
        let circles = page.matches(&format!("fill=\"{colour}\"/>")).count();
        assert_eq!(circles, 2 * (points + 1) + 1, "{name}");
    }
    for foreign in ["<link", "url(", "@import", " src=", " href="] {
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
    let rows = table(&page, "Over seeds");
    // The second run of a seed is no further measurement.
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[1].join(" | "),
        "batch_size=128 | 2 | 97.50 ± 0.71 % | 98.85 ± 0.07 % | – | 115.0 ± 7.1 | 11.50 ± 0.71 | \
         12,346 ± 0"
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
    // There is no space for so many names beside the curves.
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
fn folders_of_one_name_are_distinct_and_errors_name_them() {
    let root = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|parent| write(&root.path().join(parent), &FIRST));
    let page = page_of(&folders);
    let names: Vec<String> = table(&page, "Settings and results")[1..]
        .iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(names, folders.map(|folder| folder.display().to_string()));

    let missing = root.path().join("missing");
    let broken = Case {
        name: "broken",
        config: "seed = \n",
        ..FIRST
    };
    let broken = write(root.path(), &broken);
    for (folder, path) in [
        (&missing, missing.clone()),
        (&broken, broken.join("config.toml")),
    ] {
        let error = Comparison::read(std::slice::from_ref(folder)).unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (Kind::Input, Some(path.as_path()))
        );
    }
}
