//! `lenet report`, and what a training records for it.

use std::fs;

use crate::{fails, succeeds};

const RUN: &str = "train --quiet --epochs 1 --limit-train 1000 --validation 500 --batch-size 100";

#[test]
fn runs_are_recorded_drawn_anew_and_laid_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    succeeds(root.path(), &format!("{RUN} --threads 1"));
    succeeds(root.path(), &format!("{RUN} --seed 7"));
    let run = root.path().join("runs/train-1");
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(run.join(name)).unwrap()).unwrap()
    };

    let environment = json("environment.json");
    assert_eq!(environment["lenet"], env!("CARGO_PKG_VERSION"));
    assert_eq!(environment["threads"], 1);
    assert_eq!(environment["engine"], "fused");
    assert_eq!(environment["data"]["name"], "mnist");
    assert_eq!(environment["data"]["sha256"].as_object().unwrap().len(), 4);
    let started = environment["started"].as_str().unwrap();
    assert!(
        started.starts_with("20") && started.ends_with('Z'),
        "{started}"
    );
    let checks = succeeds(root.path(), "checks --format json");
    let checks: serde_json::Value = serde_json::from_str(&checks).unwrap();
    for name in ["candle", "architecture", "instruction_set", "cores"] {
        assert_eq!(environment[name], checks[name], "{name}");
    }

    let (summary, inspection) = (json("summary.json"), json("inspection.json"));
    let bins = inspection["calibration"]["bins"].as_array().unwrap();
    let count: u64 = bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum();
    assert_eq!(summary["test"]["count"], count);
    let right = |bin: &serde_json::Value| {
        bin["accuracy"].as_f64().unwrap_or(0.) * bin["count"].as_f64().unwrap()
    };
    let right: f64 = bins.iter().map(right).sum();
    let accuracy = summary["test"]["accuracy"].as_f64().unwrap();
    assert!((right / 10_000. - accuracy).abs() < 1e-9);
    assert_eq!(inspection["mistakes"].as_array().unwrap().len(), 24);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let worst = &inspection["mistakes"][0]["index"];
    assert!(page.contains(&format!("#{worst} · loss ")));
    for section in [
        "Calibration",
        "First-layer filters",
        "Feature maps",
        "Environment",
    ] {
        assert!(page.contains(&format!("<h2>{section}</h2>")), "{section}");
    }

    // Redrawn from the files, the page is the same.
    fs::remove_file(run.join("report.html")).unwrap();
    let printed = succeeds(root.path(), "report runs/train-1");
    assert!(printed.ends_with("runs/train-1/report.html\n"), "{printed}");
    assert_eq!(printed.lines().count(), 5);
    assert_eq!(fs::read_to_string(run.join("report.html")).unwrap(), page);

    let printed = succeeds(root.path(), "report runs/train-1 runs/train-2");
    assert_eq!(printed, "comparison.html\n");
    let page = fs::read_to_string(root.path().join("comparison.html")).unwrap();
    assert!(page.contains(">train-1<") && page.contains(">train-2<"));
    assert!(page.contains("Over seeds") && page.contains(">seed</th>"));
    let errors = &summary["test"]["errors"];
    assert!(page.contains(&format!(">{errors}</td>")) || errors.as_u64() > Some(999));
    let printed = succeeds(
        root.path(),
        "report runs/train-1 runs/train-2 --output page.html",
    );
    assert_eq!(printed, "page.html\n");
    assert_eq!(
        fs::read_to_string(root.path().join("page.html")).unwrap(),
        page
    );

    let message = fails(root.path(), "report runs/train-1 --output page.html", 2);
    assert!(
        message.contains("--output is for several runs"),
        "{message}"
    );
    for arguments in ["report runs/train-9", "report runs/train-1 runs/train-9"] {
        let message = fails(root.path(), arguments, 3);
        assert!(
            message.contains("\"runs/train-9\": not a run folder"),
            "{message}"
        );
    }
    fs::write(run.join("inspection.json"), "{").unwrap();
    let message = fails(root.path(), "report runs/train-1", 3);
    assert!(
        message.contains("\"runs/train-1/inspection.json\": "),
        "{message}"
    );
    let message = fails(
        root.path(),
        "report runs/train-2 runs/train-2 --output none/page.html",
        5,
    );
    assert!(
        message.contains("\"none/page.html\": cannot create"),
        "{message}"
    );
}

/// A run that is resumed tells of both processes.
#[test]
fn a_resumed_run_keeps_the_record_of_its_beginning() {
    let root = tempfile::tempdir().unwrap();
    succeeds(root.path(), &format!("{RUN} --output run"));
    let path = root.path().join("run/environment.json");
    let read =
        || -> serde_json::Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    let mut first = read();
    // As it would be of a run that did not end.
    fs::remove_file(root.path().join("run/summary.json")).unwrap();
    succeeds(root.path(), "train --quiet --resume run --threads 1");
    let both = read();
    assert_eq!(both["resumed"].as_array().unwrap().len(), 1);
    assert_eq!(both["resumed"][0]["threads"], 1);
    first["resumed"] = both["resumed"].clone();
    assert_eq!(both, first);
    // A damaged record is no reason not to go on.
    fs::write(&path, "{").unwrap();
    fs::remove_file(root.path().join("run/summary.json")).unwrap();
    succeeds(root.path(), "train --quiet --resume run");
    assert_eq!(read()["engine"], "fused");
}
