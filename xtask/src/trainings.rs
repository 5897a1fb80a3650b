//! Tasks that train: equal bytes from equal seeds, the accuracies of recipes, the weights that come
//! with the program.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::{PROFILE, Workspace, checked, output};
use crate::usage_error;
use crate::web::WEIGHTS;

/// Recipe, data set (a name, or a folder from the root), the folder that holds its files if it is
/// not in the program, and the least test accuracy: a little below what the recipe reaches by any
/// seed.
const CLAIMS: [(&str, &str, Option<&str>, &str); 3] = [
    ("fast", "mnist", None, "0.988"),
    (
        "fashion",
        "fashion-mnist",
        Some("/usr/share/datasets/fashion-mnist"),
        "0.915",
    ),
    // IDX files of 2,990 capital letters, of which a fifth is held out.
    (
        "best",
        "../shared/data/letters",
        Some("../shared/data/letters"),
        "0.96",
    ),
];

/// What else the first of them keeps to on the test images: how far probabilities are from the truth,
/// and the share of images that are taken for something unknown.
const MOST: [(&str, f64); 2] = [("expected_calibration_error", 0.006), ("unfamiliar", 0.02)];

/// Trains by each recipe and has `lenet eval` judge.
pub fn accuracy(workspace: &Workspace) -> Result<()> {
    let program = workspace.build_program(PROFILE)?;
    let folder = workspace.empty_folder("accuracy")?;
    for (recipe, dataset, needs, least) in CLAIMS {
        if let Some(needs) = needs.filter(|needs| !workspace.root.join(needs).exists()) {
            println!("accuracy: skipped {recipe}: no {needs}");
            continue;
        }
        for line in [
            format!("train --quiet --seed 1 --recipe {recipe} --dataset {dataset} --output"),
            format!("eval --min-accuracy {least} --model"),
        ] {
            let mut lenet = Command::new(&program);
            lenet.current_dir(&workspace.root).args(line.split(' '));
            checked(lenet.arg(folder.join(recipe)))?;
        }
    }
    let mut eval = Command::new(&program);
    eval.args(["eval", "--format", "json", "--model"]);
    let figures: Value = serde_json::from_str(&output(eval.arg(folder.join(CLAIMS[0].0)))?)?;
    for (figure, most) in MOST {
        let found = figures[figure].as_f64().context("a figure is missing")?;
        println!("accuracy: {figure} {found:.4}, at most {most}");
        ensure!(found <= most, "{figure} {found}: at most {most}");
    }
    Ok(())
}

/// Trains twice from one seed, on one thread and on all, and compares the weights.
pub fn determinism(workspace: &Workspace) -> Result<()> {
    let program = workspace.build_program(PROFILE)?;
    let folder = workspace.empty_folder("determinism")?;
    let train = |name: &str, threads: &[&str]| -> Result<Vec<u8>> {
        let mut train = Command::new(&program);
        train.args(["train", "--epochs", "2", "--seed", "7", "--quiet"]);
        checked(train.args(threads).arg("--output").arg(folder.join(name)))?;
        read(&folder.join(name).join("model.safetensors"))
    };
    let weights = train("one", &["--threads", "1"])?;
    let is_equal = weights == train("all", &[])?;
    ensure!(is_equal, "the weights differ: {folder:?}");
    println!("determinism: {} bytes of weights, equal", weights.len());
    Ok(())
}

/// `cargo xtask weights [--check]`: trains the weights that lenet-model embeds and puts them in
/// place, or only compares them.
pub fn weights(workspace: &Workspace, arguments: Vec<OsString>) -> Result<ExitCode> {
    let check = match arguments.as_slice() {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Ok(usage_error("weights", "weights takes --check or nothing")),
    };
    let folder = workspace.empty_folder("weights")?;
    let (run, published) = (folder.join("run"), folder.join("mnist.safetensors"));
    let program = workspace.build_program(PROFILE)?;
    let mut train = Command::new(&program);
    train.args(["train", "--recipe", "best", "--seed", "42", "--output"]);
    checked(train.arg(&run))?;
    // With scaling and temperature inside the parameters.
    let mut export = Command::new(&program);
    export.args(["export", "--format", "safetensors", "--model"]);
    checked(export.arg(&run).arg("--output").arg(&published))?;
    let file = workspace.root.join(WEIGHTS);
    let trained = read(&published)?;
    if read(&file).is_ok_and(|embedded| embedded == trained) {
        println!("weights: {} bytes, as embedded", trained.len());
    } else if check {
        println!("weights: not those embedded; other instruction sets round otherwise");
        return Ok(ExitCode::FAILURE);
    } else {
        fs::write(&file, &trained)?;
        println!("weights: {} bytes, new in {WEIGHTS}", trained.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
