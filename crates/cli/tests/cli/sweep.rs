//! Many runs: `lenet sweep`, and `lenet report` of what it leaves.

use std::fs;

use crate::{contains_all, fails, json, read_json, succeeds};

const SWEEP: &str = "recipe = \"fast\"\nseeds = 2\n[set]\nlimit_train = 640\n[grid]\n\
                     learning_rate = [0.001, 0.004]\n";

#[test]
fn a_sweep_is_what_its_commands_train() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::write(root.join("s.toml"), SWEEP).unwrap();
    let groups = json(root, "sweep s.toml --output s --quiet");
    let names: Vec<&str> = groups
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["learning_rate=0.001", "learning_rate=0.004"]);
    let accuracy = |run: &str| {
        let summary = read_json(&root.join("s").join(run).join("summary.json"));
        100. * summary["test"]["accuracy"].as_f64().unwrap()
    };
    let differences = [1, 2]
        .map(|seed| accuracy(&format!("2-seed-{seed}")) - accuracy(&format!("1-seed-{seed}")));
    let mean = groups[1]["difference"]["mean"].as_f64().unwrap();
    assert!((mean - (differences[0] + differences[1]) / 2.).abs() < 1e-9);
    assert!(groups[0]["difference"].is_null());

    // Each is what its command trains.
    let commands = succeeds(root, "sweep s.toml --output t --list");
    assert_eq!(commands.lines().count(), 4);
    let last = commands
        .lines()
        .last()
        .unwrap()
        .strip_prefix("lenet ")
        .unwrap();
    succeeds(root, last);
    let [swept, single] = ["s", "t"]
        .map(|folder| fs::read(root.join(folder).join("2-seed-2/model.safetensors")).unwrap());
    assert!(swept == single, "not the bytes of its command");
    fs::write(root.join("s.toml"), SWEEP.replace("640", "512")).unwrap();
    contains_all(
        &fails(root, "sweep s.toml --output s", 2),
        &["another configuration"],
    );

    // The table of all, by a pattern that the shell has not expanded.
    let table = succeeds(root, "report s/* --format csv");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("run,folder,learning_rate,seed,epochs,"),
        "{}",
        lines[0]
    );
    assert!(
        lines.len() == 5 && lines[4].starts_with("2-seed-2,s/2-seed-2,0.004,2,1,"),
        "{table}"
    );
    assert_eq!(table, fs::read_to_string(root.join("s/sweep.csv")).unwrap());
}

/// That a setting diverges does not end the others.
#[test]
fn a_setting_that_diverges_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let sweep = SWEEP
        .replace("0.004", "1e6")
        .replace("seeds = 2", "seeds = 1");
    fs::write(root.path().join("s.toml"), sweep).unwrap();
    let message = fails(root.path(), "sweep s.toml --output s", 6);
    contains_all(&message, &["2-seed-1", "1 of 2 trainings diverged"]);
    assert!(root.path().join("s/1-seed-1/summary.json").exists());
    fs::write(root.path().join("bad.toml"), "[grid]\nepochs = 3").unwrap();
    contains_all(
        &fails(root.path(), "sweep bad.toml", 2),
        &["bad.toml", "grid.epochs"],
    );
}
