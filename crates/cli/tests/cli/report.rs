//! `lenet report`, and what a training records for it.

use std::fs;

use crate::{contains_all, fails, json, read_json, succeeds, trained};

#[test]
fn runs_are_redrawn_and_compared() {
    let root = trained();
    let root = root.path();
    let other = "--epochs 2 --limit-train 1000 --validation 500 --batch-size 100 --seed 7";
    succeeds(root, &format!("train --quiet {other}"));
    let run = root.join("runs/train-1");
    let environment = read_json(&run.join("environment.json"));
    assert_eq!(environment["threads"], 1);
    assert_eq!(environment["engine"], "fused");
    let checks = &json(root, "checks")[0];
    for name in "lenet candle architecture instruction_set cores".split(' ') {
        assert_eq!(environment[name], checks[name], "{name}");
    }
    let inspection = read_json(&run.join("inspection.json"));
    let bins = inspection["calibration"]["bins"].as_array().unwrap();
    let count: u64 = bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 10_000);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let worst = &inspection["mistakes"][0]["index"];
    let parts = ["Calibration", "Feature maps", "Environment"];
    contains_all(&page, &parts);
    contains_all(&page, &[&format!("#{worst} ")]);

    // Redrawn from the files, the page is the same.
    fs::remove_file(run.join("report.html")).unwrap();
    let printed = succeeds(root, "report runs/train-1");
    assert!(printed.ends_with("runs/train-1/report.html\n"), "{printed}");
    assert_eq!(printed.lines().count(), 5);
    assert_eq!(fs::read_to_string(run.join("report.html")).unwrap(), page);

    let both = "report runs/train-1 runs/train-2";
    assert_eq!(succeeds(root, both), "comparison.html\n");
    let page = fs::read_to_string(root.join("comparison.html")).unwrap();
    contains_all(&page, &[">train-1<", ">train-2<", "Over seeds"]);
    succeeds(root, &format!("{both} --output page.html"));
    assert_eq!(fs::read_to_string(root.join("page.html")).unwrap(), page);

    fs::write(run.join("inspection.json"), "{").unwrap();
    for (arguments, code, part) in [
        ("report runs/train-1 --output page.html", 2, "--output"),
        ("report runs/train-1", 3, "runs/train-1/inspection.json"),
    ] {
        let message = fails(root, arguments, code);
        contains_all(&message, &[part]);
    }
}

/// A resumed run records both processes; a damaged record is no reason to stop.
#[test]
fn a_resumed_run_keeps_the_record_of_its_start() {
    let root = trained();
    let run = root.path().join("runs/train-1");
    let path = run.join("environment.json");
    let mut first = read_json(&path);
    let resume = |flags: &str| {
        fs::remove_file(run.join("summary.json")).unwrap();
        let resume = "train --quiet --resume runs/train-1";
        succeeds(root.path(), &format!("{resume} {flags}"));
    };
    resume("--threads 2");
    let both = read_json(&path);
    assert_eq!(both["resumed"][0]["threads"], 2);
    first["resumed"] = both["resumed"].clone();
    assert_eq!(both, first);
    fs::write(&path, "{").unwrap();
    resume("");
    assert_eq!(read_json(&path)["engine"], "fused");
}
