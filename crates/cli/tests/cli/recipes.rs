//! Recipes on the command line: what they are, what lies over them, and going on with other values.

use std::fs;

use crate::{fails, succeeds};

/// The lines of a configuration that differ from another's.
fn changed(config: &str, from: &str) -> Vec<String> {
    let lines = config.lines().filter(|line| !line.is_empty());
    lines
        .filter(|line| !from.lines().any(|other| other == *line))
        .map(str::to_owned)
        .collect()
}

#[test]
fn recipes_are_shown_whole() {
    let root = tempfile::tempdir().unwrap();
    let shown = |arguments: &str| {
        let printed = succeeds(root.path(), &format!("train --print-config {arguments}"));
        // What is shown can be given back.
        fs::write(root.path().join("shown.toml"), &printed).unwrap();
        let again = succeeds(root.path(), "train --print-config --config shown.toml");
        assert_eq!(printed, again);
        printed
    };
    let classic = shown("");
    assert_eq!(classic, shown("--recipe classic"));
    let fast = shown("--recipe fast");
    assert!(fast.contains("kind = \"one-cycle\""), "{fast}");
    let best = shown("--recipe best");
    assert!(best.contains("[augmentation]\nrotation = 8.0"), "{best}");

    let flags = "--epochs 3 --lr 0.5 --seed 9 --label-smoothing 0.25 --checkpoint-every 7 \
                 --scaling standard --set augmentation.erase=0.5 --schedule cosine";
    let mut lines = changed(&shown(&format!("--recipe fast {flags}")), &fast);
    lines.sort();
    assert_eq!(
        lines,
        [
            "checkpoint_every = 7",
            "epochs = 3",
            "erase = 0.5",
            "kind = \"cosine\"",
            "label_smoothing = 0.25",
            "learning_rate = 0.5",
            "scaling = \"standard\"",
            "seed = 9",
        ]
        .into_iter()
        .chain(["end = 0.0", "warmup = 0.0"])
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    // A file names the recipe that it changes, and a flag wins over the file.
    fs::write(
        root.path().join("mine.toml"),
        "recipe = \"best\"\nepochs = 7\nseed = 3\n",
    )
    .unwrap();
    let mine = shown("--config mine.toml --seed 4");
    assert_eq!(changed(&mine, &best), ["seed = 4", "epochs = 7"]);
}

/// Each recipe trains, with augmentation, averaging and all.
#[test]
fn recipes_train() {
    let root = tempfile::tempdir().unwrap();
    for recipe in ["classic", "fast", "best"] {
        let output = format!("{recipe}-run");
        let printed = succeeds(
            root.path(),
            &format!("train --recipe {recipe} --limit-train 2000 --epochs 2 -q --output {output}"),
        );
        let accuracy = printed.strip_prefix("test accuracy ").unwrap();
        let accuracy: f64 = accuracy.split(' ').next().unwrap().parse().unwrap();
        // Twenty steps of a guess at first; an ingredient that harms ends far below.
        assert!(accuracy > 65., "{recipe}: {printed}");
        let config = fs::read_to_string(root.path().join(&output).join("config.toml")).unwrap();
        assert!(config.starts_with(&format!("recipe = \"{recipe}\"")));
    }
}

/// A7 and A8: a finished run is given more epochs only by a word of the user, who is told what that
/// means for the learning rate.
#[test]
fn a7_a8_a_finished_run_goes_on_by_force() {
    let root = tempfile::tempdir().unwrap();
    let small = "--limit-train 300 --validation 0 -q";
    succeeds(
        root.path(),
        &format!("train --recipe fast --epochs 2 {small} --output run"),
    );
    let run = root.path().join("run");
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let summary = read("summary.json");

    let message = fails(root.path(), "train --resume run --epochs 4", 2);
    for part in [
        "(epochs: 2, now 4)",
        "the learning rate of the next step becomes 0.0",
        "--force-config",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(read("summary.json"), summary, "a refusal changed the run");
    assert!(read("config.toml").contains("epochs = 2"));

    let printed = succeeds(
        root.path(),
        "train --resume run --epochs 4 --force-config -q",
    );
    assert!(printed.contains("best epoch 4 of 4"), "{printed}");
    assert_ne!(read("summary.json"), summary);
    assert_eq!(read("results.csv").lines().count(), 5);
    assert!(read("config.toml").contains("epochs = 4"));

    // How often checkpoints come changes no result, and needs no force.
    let printed = succeeds(root.path(), "train --resume run");
    assert!(printed.contains("already finished: 4 of 4"), "{printed}");
}
