//! `lenet report`, and what a training records for it.

use std::fs;

use crate::{contains_all, drawn_digits, fails, json, read_json, succeeds, trained};

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

    assert_eq!(succeeds(root, &format!("{both} --output -")), page);

    fs::write(run.join("inspection.json"), "{").unwrap();
    for (arguments, code, part) in [
        ("report runs/train-1 --output page.html", 2, "--output"),
        ("report runs/train-1", 3, "runs/train-1/inspection.json"),
    ] {
        let message = fails(root, arguments, code);
        contains_all(&message, &[part]);
    }
}

/// One rule for the outputs of all commands: a file that exists needs --force, and what is no regular
/// file is never replaced; in a run folder, the files that are the run's are drawn again.
#[test]
fn outputs_replace_no_file_unless_forced_and_nothing_else_ever() {
    let root = trained();
    let root = root.path();
    let digit = drawn_digits().join("0-007.png");
    let digit = digit.to_str().unwrap();
    succeeds(root, "export --format c-header --output twin.h");
    fs::create_dir(root.join("twin")).unwrap();
    fs::rename(root.join("runs/train-1"), root.join("twin/run")).unwrap();
    let both = "report twin/run twin/run";
    let commands = [
        both.to_owned(),
        format!("{both} --output OUT"),
        "export --format safetensors --output OUT".to_owned(),
        "data show --count 1 --output OUT".to_owned(),
        format!("predict {digit} --explain OUT.png"),
    ];
    for command in &commands {
        let output = if command.contains("OUT.png") {
            "OUT.png"
        } else {
            "OUT"
        };
        let output = if command == both {
            "comparison.html"
        } else {
            output
        };
        let path = root.join(output);
        let _ = fs::remove_file(&path);
        fs::write(&path, "mine").unwrap();
        contains_all(&fails(root, command, 2), &[output, "--force"]);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let forced = format!("{command} --force");
        succeeds(root, &forced);
        assert_ne!(fs::read(&path).unwrap(), b"mine");
        #[cfg(unix)]
        {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/null", &path).unwrap();
            contains_all(&fails(root, &forced, 2), &[output, "never replaced"]);
            assert!(path.is_symlink());
        }
    }
    fs::create_dir(root.join("other")).unwrap();
    fs::write(root.join("other/comparison.html"), "mine").unwrap();
    let compare = "compare --datasets mnist --epochs 1 --output other";
    contains_all(&fails(root, compare, 2), &["comparison.html", "--output"]);
    let header = fs::read_to_string(root.join("twin.h")).unwrap();
    assert_eq!(
        succeeds(root, "export --format c-header --output -"),
        header
    );
    assert!(!root.join("-").exists());
    #[cfg(unix)]
    {
        let curves = root.join("twin/run/curves.svg");
        fs::remove_file(&curves).unwrap();
        std::os::unix::fs::symlink("/dev/null", &curves).unwrap();
        contains_all(&fails(root, "report twin/run", 2), &["curves.svg", "never"]);
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
