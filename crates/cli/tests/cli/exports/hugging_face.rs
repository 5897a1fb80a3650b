//! The layout of the Hugging Face hub, and PyTorch.

use std::fs;
use std::path::Path;
use std::process::Command;

use candle_core::Device;
use lenet_export::pytorch;
use lenet_model::{Weights, pretrained};
use serde_json::{Value, json};

use super::{
    IMAGES, PYTHON, TORCH_PYTHON, bytes_of, checked, embedded_network, fails, floats, mnist,
    normalized, other, other_network, pixels, script, succeeds,
};

const EXPORT: &str = "export --format hf --output hub";

/// The card in a folder, once huggingface_hub has read it as the hub does.
fn card(folder: &Path, accuracy: f64) -> String {
    let path = folder.join("hub/README.md");
    if let Some(python) = other(PYTHON) {
        let mut command = Command::new(python);
        command.arg(script("check_card.py")).arg(&path);
        command.arg(accuracy.to_string());
        assert!(checked(&mut command).contains("card agrees"));
    }
    fs::read_to_string(path).unwrap()
}

#[test]
fn of_the_embedded_network() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeeds(folder, EXPORT);
    let weights = fs::read(folder.join("hub/model.safetensors")).unwrap();
    assert_eq!(weights, pretrained::MNIST);
    let config = fs::read(folder.join("hub/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["id2label"]["7"], "7");
    assert_eq!(config["label2id"]["7"], 7);
    let std = config["image_std"][0].as_f64().unwrap() as f32;
    assert_eq!(std, embedded_network().metadata.input.std);

    // What `lenet eval` says.
    let evaluation = &crate::json(folder, "eval")[0];
    let errors = evaluation["errors"].as_u64().unwrap();
    let accuracy = (10_000 - errors) as f64 / 10_000.;
    let card = card(folder, accuracy);
    for words in [
        &format!("accuracy {:.2} %, {errors} errors", 100. * accuracy),
        "\nlicense: \"mit\"\n",
        "\npipeline_tag: image-classification\n",
        "- \"ylecun/mnist\"\n",
        &format!("      value: {accuracy}\n"),
        "CC BY-SA 3.0",
        "Please cite: LeCun",
        "load_state_dict",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    assert!(fails(folder, EXPORT, 2).contains("pass --force to overwrite it"));
}

/// The figures of a run folder are those of its summary. Weights that say nothing of their data have
/// none; names that YAML would read otherwise are quoted.
#[test]
fn of_a_run_and_of_an_unknown_network() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("run")).unwrap();
    fs::write(folder.join("run/model.safetensors"), pretrained::MNIST).unwrap();
    let summary = json!({
        "dataset": "mnist", "recipe": "classic", "engine": "fused", "parameters": 61_706,
        "epochs": 1, "seed": 1, "threads": 1, "not_identical": false, "train_seconds": 1.0,
        "images_per_second": 1.0, "best_epoch": 1, "validation": null, "class_names": [],
        "confusion": [], "per_class": [],
        "test": {"count": 8_000, "errors": 250, "loss": 0.125, "accuracy": null}
    });
    fs::write(folder.join("run/summary.json"), summary.to_string()).unwrap();
    let said = fails(folder, &format!("{EXPORT} --model run"), 0);
    assert!(said.contains("--license"), "{said}");
    let of_run = card(folder, 0.968_75);
    assert!(of_run.contains("On the 8000 test images: accuracy 96.88 %, 250 errors, loss 0.1250"));
    assert!(!of_run.contains("\nlicense"), "{of_run}");

    let weights = other_network().to_bytes().unwrap();
    fs::write(folder.join("other.safetensors"), weights).unwrap();
    let unknown = format!("{EXPORT} --force --model other.safetensors --license a:#");
    let said = fails(folder, &unknown, 0);
    assert!(said.contains("--dataset"), "{said}");
    let unknown = card(folder, f64::NAN);
    assert!(unknown.contains("not evaluated") && !unknown.contains("model-index:"));
    assert!(unknown.contains("\nlicense: \"a:#\"\n"), "{unknown}");
}

/// The four lines of the card, in PyTorch; README shows the same.
#[test]
fn pytorch_loads_the_weights_in_four_lines() {
    let lines = |weights: &Weights| pytorch(&weights.metadata, "model.safetensors");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let shown = lines(&embedded_network());
    assert!(readme.contains(&shown), "README.md lacks:\n{shown}");
    let Some(python) = other(TORCH_PYTHON) else {
        return;
    };
    let test = &mnist().test;
    for weights in [embedded_network(), other_network()] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let images = normalized(&weights, test, IMAGES);
        let logits = weights.model.forward(&images).unwrap();
        write("logits", &bytes_of(&floats(&logits)));
        write("images", &pixels(test, IMAGES));
        write("model.safetensors", &weights.to_bytes().unwrap());
        write("lines.py", lines(&weights).as_bytes());
        let mut command = Command::new(&python);
        command.current_dir(folder.path());
        command.arg(script("check_pytorch.py"));
        assert!(checked(&mut command).contains("logits agree"));

        // And back: what PyTorch saves has the same numbers under the same names.
        let back = Weights::load(&folder.path().join("saved.safetensors"), &Device::Cpu).unwrap();
        assert!(back.metadata.assumed);
        for (name, var) in weights.model.parameters().iter() {
            let saved = back.model.parameters().get(name).unwrap();
            assert_eq!(floats(saved), floats(var), "{name}");
        }
    }
}
