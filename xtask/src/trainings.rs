//! Checks of the longer kind that train: the accuracies of recipes, and equal bytes from equal seeds.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::ci::words;
use crate::run::{PROFILE, Workspace, checked, empty_folder};

/// What a recipe must reach, a little below what it does by any seed.
struct Claim {
    recipe: &'static str,
    /// A name, or a folder from the workspace's root.
    dataset: &'static str,
    /// The folder without which the data is not on this machine.
    needs: Option<&'static str>,
    accuracy: &'static str,
}

const CLAIMS: [Claim; 3] = [
    Claim {
        recipe: "fast",
        dataset: "mnist",
        needs: None,
        accuracy: "0.988",
    },
    Claim {
        recipe: "fashion",
        dataset: "fashion-mnist",
        needs: Some("/usr/share/datasets/fashion-mnist"),
        accuracy: "0.915",
    },
    // IDX files of 2,990 capital letters, of which a fifth is held out.
    Claim {
        recipe: "best",
        dataset: "../shared/data/letters",
        needs: Some("../shared/data/letters"),
        accuracy: "0.96",
    },
];

/// Trains by each recipe, and has `lenet eval` judge.
pub fn accuracy(workspace: &Workspace) -> Result<()> {
    let program = workspace.build_program(PROFILE)?;
    let folder = empty_folder(workspace, "accuracy")?;
    for claim in CLAIMS {
        let missing = claim.needs.map(|needs| workspace.root.join(needs));
        if let Some(missing) = missing.filter(|folder| !folder.exists()) {
            println!(
                "accuracy: skipped {}: no {}",
                claim.recipe,
                missing.display()
            );
            continue;
        }
        let run = folder.join(claim.recipe);
        let mut train = Command::new(&program);
        train
            .current_dir(&workspace.root)
            .args(words("train --quiet --seed 1 --recipe"))
            .args([claim.recipe, "--dataset", claim.dataset, "--output"]);
        checked(train.arg(&run))?;
        let mut eval = Command::new(&program);
        eval.current_dir(&workspace.root)
            .args(words("eval --min-accuracy"))
            .args([claim.accuracy, "--model"]);
        checked(eval.arg(&run))?;
    }
    Ok(())
}

/// Trains twice from one seed, on one thread and on all, and compares the weights.
pub fn determinism(workspace: &Workspace) -> Result<()> {
    let program = workspace.build_program(PROFILE)?;
    let folder = empty_folder(workspace, "determinism")?;
    let runs = [folder.join("first"), folder.join("second")];
    for (run, threads) in std::iter::zip(&runs, [&["--threads", "1"][..], &[]]) {
        let mut command = Command::new(&program);
        command
            .args(words("train --epochs 2 --seed 7 --quiet --output"))
            .arg(run)
            .args(threads);
        checked(&mut command)?;
    }
    let [first, second] = runs.map(|run| run.join("model.safetensors"));
    same_bytes(&first, &second)
}

fn same_bytes(first: &Path, second: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let (a, b) = (read(first)?, read(second)?);
    ensure!(
        a.len() == b.len(),
        "the weights have {} and {} bytes",
        a.len(),
        b.len()
    );
    let differing = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    if differing > 0 {
        bail!("the weights differ in {differing} of {} bytes", a.len());
    }
    println!("determinism: {} bytes of weights, equal", a.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_differ_fail() {
        let workspace = Workspace::scratch("bytes");
        let folder = empty_folder(&workspace, "bytes").unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let a = file("a", b"weights");
        same_bytes(&a, &file("b", b"weights")).unwrap();
        let error = same_bytes(&a, &file("c", b"weighty"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("1 of 7"), "{error}");
        let error = same_bytes(&a, &file("d", b"weight"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("7 and 6"), "{error}");
        assert!(same_bytes(&a, &folder.join("missing")).is_err());
        fs::remove_dir_all(&workspace.target).unwrap();
    }
}
