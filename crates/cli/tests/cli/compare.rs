//! The same recipe on several data sets.

use std::fs;

use serde_json::Value;

use crate::datasets::pictures;
use crate::{fails, run, succeeds};

const COMPARE: &str =
    "compare --datasets mnist,shapes --epochs 2 --limit-train 640 --batch-size 32";

#[test]
fn each_set_is_trained_and_all_are_tabulated() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    pictures(&root.join("shapes"));
    let printed = succeeds(root, COMPARE);
    let lines: Vec<&str> = printed.lines().collect();
    let columns = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        columns(lines[0]),
        "data set classes accuracy error errors loss parameters trained"
            .split(' ')
            .collect::<Vec<_>>()
    );
    assert_eq!(
        (lines[1].len(), lines[2].len()),
        (lines[0].len(), lines[0].len())
    );
    let mnist = columns(lines[1]);
    assert_eq!(
        (&*mnist[0], &*mnist[1], &*mnist[8]),
        ("mnist", "10", "10000"),
        "{mnist:?}"
    );
    let shapes = columns(lines[2]);
    assert_eq!(
        (&*shapes[0], &*shapes[1], &*shapes[8]),
        ("shapes", "3", "24"),
        "{shapes:?}"
    );
    assert_eq!((&*mnist[10], &*shapes[10]), ("61706", "61111"));
    assert!(
        lines[3].ends_with("runs/compare-1/comparison.html"),
        "{printed}"
    );

    // The table says what the runs say.
    let folder = root.join("runs/compare-1");
    let table = fs::read_to_string(folder.join("comparison.csv")).unwrap();
    let table: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!(table[0][..3], ["dataset", "recipe", "classes"]);
    for (row, name) in table[1..].iter().zip(["mnist", "shapes"]) {
        let summary = fs::read(folder.join(name).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        assert_eq!(row[..2], [name, "classic"]);
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        let accuracy = &summary["test"]["accuracy"];
        assert_eq!(
            (table[0][4], number(4)),
            ("test_accuracy", accuracy.as_f64().unwrap())
        );
        let errors = summary["test"]["errors"].as_u64().unwrap();
        assert_eq!((table[0][6], row[6]), ("test_errors", &*errors.to_string()));
        assert!((number(5) - (1. - number(4))).abs() < 1e-12, "{row:?}");
    }
    let page = fs::read_to_string(folder.join("comparison.html")).unwrap();
    assert_eq!(page.matches("<figure class=\"matrix\"").count(), 2);

    // The same command with the folder goes on with what is not done: nothing, then one of two.
    let again = format!("{COMPARE} --output runs/compare-1 --format json");
    let weights = |name: &str| fs::read(folder.join(name).join("model.safetensors")).unwrap();
    let before = [weights("mnist"), weights("shapes")];
    let printed = succeeds(root, &again);
    let rows: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((rows.len(), &rows[1]["test_images"]), (2, &24.into()));
    fs::remove_dir_all(folder.join("mnist")).unwrap();
    fs::remove_file(folder.join("shapes/summary.json")).unwrap();
    let output = run(root, &again);
    assert!(output.status.success());
    assert!(
        [weights("mnist"), weights("shapes")] == before,
        "other weights"
    );

    let message = fails(root, &again.replace("--epochs 2", "--epochs 3"), 2);
    assert!(
        message.contains("is a run of another configuration"),
        "{message}"
    );
    assert!(message.contains("mnist\""), "{message}");
}

/// Nothing is trained, and no folder is made, where the last of the data sets is not there.
#[test]
fn what_is_wrong_is_said_before_anything_is_trained() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir(root.join("empty")).unwrap();
    for (datasets, code, expected) in [
        ("mnist,empty", 3, "empty"),
        ("mnist,./nowhere", 5, "nowhere"),
        ("mnist,mnits", 2, "mnits"),
        ("mnist,mnist", 2, "two of them are called \"mnist\""),
    ] {
        let message = fails(root, &format!("compare --datasets {datasets}"), code);
        assert!(message.contains(expected), "{message}");
    }
    assert!(!root.join("runs").exists());
    let message = fails(root, "compare", 2);
    assert!(message.contains("--datasets"), "{message}");
}
