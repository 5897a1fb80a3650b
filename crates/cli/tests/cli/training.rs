//! `lenet train`: the files of a run, what the other commands make of it, divergence.

use std::fs;

use crate::{contains_all, fails, json, read_json, succeeds, trained};

#[test]
fn a_run_has_all_its_files_and_its_model_works() {
    let root = trained();
    let root = root.path();
    let run = root.join("runs/train-1");
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let results = read("results.csv");
    let heading = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds,\
                   images_per_second";
    assert_eq!(results.lines().next(), Some(heading));
    assert_eq!(results.lines().count(), 3);

    let summary = read_json(&run.join("summary.json"));
    assert_eq!(summary["dataset"], "mnist");
    assert_eq!(summary["parameters"], 61_706);
    assert_eq!(summary["test"]["count"], 10_000);
    let accuracy = summary["test"]["accuracy"].as_f64().unwrap();
    assert!((0.6..1.).contains(&accuracy), "{accuracy}");

    let events = read("events.jsonl");
    assert_eq!(events.matches("{\"event\":\"step\"").count(), 20);
    assert!(events.starts_with("{\"event\":\"started\""), "{events}");
    let last = events.lines().last().unwrap();
    assert!(last.starts_with("{\"event\":\"summary\""), "{last}");
    for picture in ["curves.png", "confusion_matrix.png"] {
        assert!(image::open(run.join(picture)).unwrap().width() > 600);
    }
    for file in ["curves.svg", "confusion_matrix.svg", "report.html"] {
        assert!(read(file).contains("<svg"), "{file}");
    }
    assert_eq!(fs::read_dir(run.join("checkpoint")).unwrap().count(), 2);
    let config = "train --config runs/train-1/config.toml --print-config";
    assert_eq!(succeeds(root, config), read("config.toml"));

    // The weights have the same figures again.
    let evaluated = &json(root, "eval --model runs/train-1")[0];
    assert_eq!(evaluated["errors"], summary["test"]["errors"]);
    assert_eq!(evaluated["per_class"].as_array().unwrap().len(), 10);
    let message = fails(root, "eval --model runs/train-1 --min-accuracy 0.999", 8);
    contains_all(&message, &["below --min-accuracy 99.90 %"]);
    let table = succeeds(root, "eval --model runs/train-1 --min-accuracy 0.5");
    assert_eq!(table.lines().count(), 13);
    assert!(succeeds(root, "summary --model runs/train-1").contains("61,706"));
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let root = tempfile::tempdir().unwrap();
    let weights = |output: &str, seed: u32| {
        let training = "train --epochs 1 --limit-train 500 --validation 0 --quiet";
        let flags = format!("{training} --seed {seed} --output {output}");
        succeeds(root.path(), &flags);
        fs::read(root.path().join(output).join("model.safetensors")).unwrap()
    };
    let first = weights("a", 7);
    assert!(first == weights("b", 7));
    assert!(first != weights("c", 8));
    // Nothing was held out: the columns are empty.
    let results = fs::read_to_string(root.path().join("a/results.csv")).unwrap();
    let row = results.lines().nth(1).unwrap();
    assert_eq!(row.split(',').filter(|field| field.is_empty()).count(), 2);
}

/// A10
/// The same command begins a run, goes on with it, and prints its result again.
#[test]
fn a_command_given_again_continues() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let command =
        "train --limit-train 1000 --epochs 2 --batch-size 100 --quiet --output r --continue";
    let result = |flags: &str| json(root, &format!("{command} {flags}")).remove(0);
    let first = result("");
    assert_eq!(first["folder"], "r");
    let read = |name: &str| fs::read(root.join("r").join(name)).unwrap();
    let [weights, events] = ["model.safetensors", "events.jsonl"].map(read);
    assert_eq!(result(""), first);
    assert_eq!(read("events.jsonl"), events, "trained twice");
    // Killed before its end, it is resumed from its checkpoint.
    fs::remove_file(root.join("r/summary.json")).unwrap();
    let again = result("--keep model");
    assert_eq!(again["test"], first["test"]);
    assert_eq!(read("model.safetensors"), weights);
    assert!(!root.join("r/checkpoint").exists() && !root.join("r/report.html").exists());
    let message = fails(root, &format!("{command} --seed 1"), 2);
    contains_all(&message, &["\"r\"", "another configuration"]);
    // One that does not verify is not the run's.
    fs::create_dir(root.join("r/checkpoint")).unwrap();
    fs::write(root.join("r/checkpoint/step-0000000099.safetensors"), "x").unwrap();
    result("--keep result");
    let files = fs::read_dir(root.join("r")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    let kept = [
        "LOCK",
        "checkpoint",
        "config.toml",
        "environment.json",
        "results.csv",
        "summary.json",
    ];
    assert_eq!(names, kept);
}

#[test]
fn a_run_is_reproduced_or_the_first_difference_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    succeeds(
        root,
        "train --limit-train 500 --epochs 2 --batch-size 100 --quiet --output r",
    );
    let again = "reproduce r --quiet --threads 1";
    assert_eq!(succeeds(root, again), "identical, bit for bit\n");
    let path = root.join("r/model.safetensors");
    let whole = fs::read(&path).unwrap();
    let mut other = fs::read(root.join("r/config.toml"))
        .map(String::from_utf8)
        .unwrap()
        .unwrap();
    other = other.replace("seed = 42", "seed = 43");
    fs::write(root.join("other.toml"), other).unwrap();
    succeeds(root, "train --config other.toml --quiet --output s");
    fs::copy(root.join("s/model.safetensors"), &path).unwrap();
    contains_all(
        &fails(root, again, 8),
        &["first difference: conv1.weight, element 0"],
    );
    fs::write(&path, whole).unwrap();
    fs::copy(root.join("s/results.csv"), root.join("r/results.csv")).unwrap();
    contains_all(
        &fails(root, again, 8),
        &["first difference: epoch 1, train_loss"],
    );
}

/// Epochs as they end, steps if they are asked for, and at last the result.
#[test]
fn events_are_printed_as_they_happen() {
    let root = tempfile::tempdir().unwrap();
    let command = "train --limit-train 400 --epochs 2 --batch-size 100 --quiet --format jsonl";
    let events = |flags: &str| -> Vec<String> {
        let printed = succeeds(root.path(), &format!("{command} {flags}"));
        let lines = printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<serde_json::Value> = lines.collect();
        let name = |line: &serde_json::Value| line["event"].as_str().unwrap().to_owned();
        assert!(lines.last().unwrap()["folder"].is_string());
        lines.iter().map(name).collect()
    };
    assert_eq!(
        events(""),
        ["started", "untrained", "epoch", "epoch", "summary"]
    );
    assert_eq!(
        events("--steps")
            .iter()
            .filter(|event| *event == "step")
            .count(),
        8
    );
}

#[test]
fn a10_divergence_has_its_exit_code() {
    let root = tempfile::tempdir().unwrap();
    let training = "train --lr 1e30 --limit-train 500 --validation 0";
    let message = fails(root.path(), training, 6);
    contains_all(&message, &["diverged at epoch 1, step 2"]);
    let run = root.path().join("runs/train-1");
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    contains_all(events.lines().last().unwrap(), &["\"failed\""]);
    assert!(run.join("report.html").exists());
}

#[test]
fn the_architecture_in_every_form() {
    let root = tempfile::tempdir().unwrap();
    let summary = &json(root.path(), "summary --padding valid")[0];
    assert_eq!(summary["parameters"], 44_426);
    let shape = serde_json::json!([6, 24, 24]);
    assert_eq!(summary["layers"][0]["output_shape"], shape);
    assert!(succeeds(root.path(), "summary --format svg").starts_with("<svg "));
    assert!(succeeds(root.path(), "completions zsh").contains("#compdef lenet"));
}

/// Otherwise each of them would train the same.
#[cfg(not(feature = "mpi"))]
#[test]
fn a_program_without_mpi_says_so_under_mpirun() {
    let root = tempfile::tempdir().unwrap();
    for (variable, command) in [
        ("OMPI_COMM_WORLD_SIZE", "train --output run"),
        ("PMI_SIZE", "train --output run"),
        ("PMI_SIZE", "compare --datasets mnist"),
    ] {
        let mut command = crate::lenet(root.path(), command);
        let output = command.env(variable, "2").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        contains_all(&errors, &["mpirun started 2 processes"]);
    }
    assert!(!root.path().join("run").exists());
}
