//! One recipe on several data sets.

use std::fs;

use crate::datasets::pictures;
use crate::{contains_all, fails, json, read_json, succeeds};

const COMPARE: &str = "compare --datasets mnist,shapes --limit-train 640 --batch-size 32";

#[test]
fn each_set_is_trained_and_all_are_tabulated() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    pictures(&root.join("shapes"));
    let printed = succeeds(root, COMPARE);
    let lines = printed.lines().map(str::split_whitespace);
    let rows: Vec<Vec<&str>> = lines.map(Iterator::collect).collect();
    let cells = |row: usize| [0, 1, 10].map(|column| rows[row][column]);
    assert_eq!(cells(1), ["mnist", "10", "61706"]);
    assert_eq!(cells(2), ["shapes", "3", "61111"]);
    let page = "runs/compare-1/comparison.html\n";
    assert!(printed.ends_with(page), "{printed}");

    // The table says what the runs say, and one recipe holds for all: not `small` for the smaller.
    let folder = root.join("runs/compare-1");
    let table = fs::read_to_string(folder.join("comparison.csv")).unwrap();
    for (line, name) in table.lines().skip(1).zip(["mnist", "shapes"]) {
        let summary = read_json(&folder.join(name).join("summary.json"));
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[..2], [name, "classic"]);
        assert_eq!(cells[4], summary["test"]["accuracy"].to_string());
        assert_eq!(cells[6], summary["test"]["errors"].to_string());
    }
    let page = fs::read_to_string(folder.join("comparison.html")).unwrap();
    assert_eq!(page.matches("<figure class=\"matrix\"").count(), 2);

    // The same command with the folder continues with what is missing: of one a part, the other.
    let again = format!("{COMPARE} --output runs/compare-1");
    let weights = |name: &str| fs::read(folder.join(name).join("model.safetensors")).unwrap();
    let before = [weights("mnist"), weights("shapes")];
    fs::remove_dir_all(folder.join("mnist")).unwrap();
    fs::remove_file(folder.join("shapes/summary.json")).unwrap();
    let rows = json(root, &again);
    assert_eq!((rows.len(), &rows[1]["test_images"]), (2, &24.into()));
    let after = [weights("mnist"), weights("shapes")];
    assert!(after == before, "other weights");
    let message = fails(root, &format!("{again} --epochs 3"), 2);
    contains_all(&message, &["mnist\"", "another configuration"]);
}

/// Nothing is trained, and no folder is made, if the last of the data sets is not there.
#[test]
fn what_is_wrong_is_said_before_anything_is_trained() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    for (datasets, code, part) in [
        ("mnist,empty", 3, "empty"),
        ("mnist,./nowhere", 5, "nowhere"),
        ("mnist,mnist", 2, "\"mnist\""),
    ] {
        let message = fails(root.path(), &format!("compare --datasets {datasets}"), code);
        contains_all(&message, &[part]);
    }
    assert!(!root.path().join("runs").exists());
}
