//! Recipes on the command line: what they are, and what overrides them.

use std::fs;

use crate::succeeds;

/// The lines of a configuration that differ from another's.
fn changed(config: &str, from: &str) -> Vec<String> {
    let lines = config.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<String> = lines
        .filter(|line| !from.lines().any(|other| other == *line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn recipes_are_shown_whole_and_overridden() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let shown = |arguments: &str| {
        let printed = succeeds(root, &format!("train --print-config {arguments}"));
        // What is printed can be read back.
        fs::write(root.join("shown.toml"), &printed).unwrap();
        let again = succeeds(root, "train --print-config --config shown.toml");
        assert_eq!(printed, again);
        printed
    };
    assert_eq!(shown(""), shown("--recipe classic"));
    let fast = shown("--recipe fast");
    let flags = "--epochs 3 --lr 0.5 --seed 9 --label-smoothing 0.25 --checkpoint-every 7 \
                 --scaling standard --set augmentation.erase=0.5 --schedule cosine";
    assert_eq!(
        changed(&shown(&format!("--recipe fast {flags}")), &fast),
        [
            "checkpoint_every = 7",
            "end = 0.0",
            "epochs = 3",
            "erase = 0.5",
            "kind = \"cosine\"",
            "label_smoothing = 0.25",
            "learning_rate = 0.5",
            "scaling = \"standard\"",
            "seed = 9",
            "warmup = 0.0",
        ]
    );
    // A file names the recipe that it changes, and a flag overrides the file.
    let file = "recipe = \"best\"\nepochs = 7\nseed = 3\n";
    fs::write(root.join("mine.toml"), file).unwrap();
    let mine = shown("--config mine.toml --seed 4");
    let changes = changed(&mine, &shown("--recipe best"));
    assert_eq!(changes, ["epochs = 7", "seed = 4"]);
}

/// Each recipe trains, with augmentation, averaging and all.
#[test]
fn recipes_train() {
    let root = tempfile::tempdir().unwrap();
    for recipe in ["classic", "fast", "best"] {
        let training = format!("train --recipe {recipe} --limit-train 2000 --epochs 2 -q");
        let printed = succeeds(root.path(), &training);
        let accuracy = printed.strip_prefix("test accuracy ").unwrap();
        let accuracy: f64 = accuracy.split(' ').next().unwrap().parse().unwrap();
        // After some thirty steps; an ingredient that harms ends far below.
        assert!(accuracy > 65., "{recipe}: {printed}");
    }
}
