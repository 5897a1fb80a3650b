//! The layout of the Hugging Face hub.

use std::fs;
use std::path::Path;
use std::process::Command;

use lenet_data::Sha256;
use lenet_export::pytorch;
use lenet_model::pretrained;
use serde_json::{Value, json};

use crate::{
    IMAGES, PYTHON, TORCH_PYTHON, bytes_of, checked, embedded_network, fails, floats, normalized,
    other, other_network, pixels, script, succeeds, test_images,
};

const EXPORT: [&str; 5] = ["export", "--format", "hf", "--output", "hub"];

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join("hub").join(name)).unwrap()
}

/// The lines between the two of `---`.
fn front_matter(card: &str) -> Vec<&str> {
    let lines = card.strip_prefix("---\n").unwrap().lines();
    lines.take_while(|line| *line != "---").collect()
}

#[test]
fn of_the_embedded_network() {
    let folder = tempfile::tempdir().unwrap();
    let said = succeeds(folder.path(), &EXPORT);
    assert!(
        said.contains("evaluated on the 10000 test images"),
        "{said}"
    );
    let weights = fs::read(folder.path().join("hub/model.safetensors")).unwrap();
    assert_eq!(weights, pretrained::MNIST);

    let config: Value = serde_json::from_str(&read(folder.path(), "config.json")).unwrap();
    assert_eq!(config["id2label"]["7"], "7");
    assert_eq!(config["label2id"]["7"], 7);
    assert_eq!(config["num_labels"], 10);
    let input = embedded_network().metadata.input;
    assert_eq!(config["image_mean"][0].as_f64().unwrap() as f32, input.mean);
    assert_eq!(config["image_std"][0].as_f64().unwrap() as f32, input.std);

    // What `lenet eval` says, and nothing else.
    let card = read(folder.path(), "README.md");
    let errors = lenet_errors(folder.path());
    let accuracy = (10_000 - errors) as f64 / 10_000.;
    let stated = format!("accuracy {:.2} %, {errors} errors", 100. * accuracy);
    assert!(card.contains(&stated), "{stated}: {card}");
    let front = front_matter(&card);
    for line in [
        "license: \"mit\"",
        "pipeline_tag: image-classification",
        "- \"ylecun/mnist\"",
        &format!("      value: {accuracy}"),
    ] {
        assert!(front.contains(&line), "{line}: {front:?}");
    }
    for words in ["CC BY-SA 3.0", "Please cite: LeCun", "load_state_dict"] {
        assert!(card.contains(words), "{words}");
    }
    assert!(fails(folder.path(), &EXPORT, 2).contains("--force"));
    check_cards(&[(folder.path(), accuracy)]);
}

fn lenet_errors(folder: &Path) -> u64 {
    let output = crate::lenet(folder, &["eval", "--format", "json"]);
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    evaluation["errors"].as_u64().unwrap()
}

/// huggingface_hub reads the card, as the hub does.
fn check_cards(cards: &[(&Path, f64)]) {
    let Some(python) = other(PYTHON) else { return };
    for (folder, accuracy) in cards {
        let mut command = Command::new(&python);
        command.arg(script("check_card.py"));
        command
            .arg(folder.join("hub/README.md"))
            .arg(accuracy.to_string());
        assert!(checked(&mut command).contains("card agrees"));
    }
}

/// A run folder's figures are those of its summary.
#[test]
fn of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("model.safetensors"), pretrained::MNIST).unwrap();
    let summary = json!({"test": {"count": 8_000, "errors": 250, "loss": 0.125}});
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    let said = succeeds(folder.path(), &[&EXPORT[..], &["--model", "run"]].concat());
    assert!(said.contains("--license"), "{said}");
    let card = read(folder.path(), "README.md");
    assert!(card.contains("On the 8000 test images: accuracy 96.88 %, 250 errors, loss 0.1250"));
    let front = front_matter(&card);
    assert!(front.contains(&"      value: 0.96875"), "{front:?}");
    assert!(
        !front.iter().any(|line| line.starts_with("license")),
        "{front:?}"
    );
    check_cards(&[(folder.path(), 0.968_75)]);
}

/// Names that YAML would read otherwise, and weights that say nothing of their data.
#[test]
fn of_an_unknown_network() {
    let folder = tempfile::tempdir().unwrap();
    let weights = other_network().to_bytes().unwrap();
    fs::write(folder.path().join("other.safetensors"), weights).unwrap();
    let model = ["--model", "other.safetensors", "--license", "a: \"b\" #"];
    let said = succeeds(folder.path(), &[&EXPORT[..], &model].concat());
    assert!(said.contains("--dataset"), "{said}");
    let card = read(folder.path(), "README.md");
    assert!(card.contains("not evaluated"));
    let front = front_matter(&card);
    assert!(front.contains(&r##"license: "a: \"b\" #""##), "{front:?}");
    assert!(!front.contains(&"model-index:"), "{front:?}");
    check_cards(&[(folder.path(), f64::NAN)]);
}

/// The four lines of the card, in PyTorch; README shows the same.
#[test]
fn pytorch_loads_the_weights_in_four_lines() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let shown = pytorch(&embedded_network().metadata, "model.safetensors");
    let readme = fs::read_to_string(readme).unwrap();
    assert!(readme.contains(&shown), "README.md lacks:\n{shown}");

    let Some(python) = other(TORCH_PYTHON) else {
        return;
    };
    let test = test_images();
    for weights in [embedded_network(), other_network()] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let logits = weights
            .model
            .forward(&normalized(&weights, &test, IMAGES))
            .unwrap();
        write("logits", &bytes_of(&floats(&logits)));
        write("images", &pixels(&test, IMAGES));
        write("model.safetensors", &weights.to_bytes().unwrap());
        write(
            "lines.py",
            pytorch(&weights.metadata, "model.safetensors").as_bytes(),
        );
        let mut command = Command::new(&python);
        command
            .current_dir(folder.path())
            .arg(script("check_pytorch.py"));
        assert!(checked(&mut command).contains("logits agree"));

        // And back: what PyTorch saves has the same numbers under the same names.
        let saved = folder.path().join("saved.safetensors");
        let back = lenet_model::Weights::load(&saved, &candle_core::Device::Cpu).unwrap();
        assert!(back.metadata.assumed);
        for (name, var) in weights.model.parameters().iter() {
            let own = floats(var);
            assert_eq!(
                floats(back.model.parameters().get(name).unwrap()),
                own,
                "{name}"
            );
        }
    }
}

/// The embedded file is what the other tests take it for.
#[test]
fn digest_of_the_exported_weights() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "export",
        "--format",
        "safetensors",
        "--output",
        "w.safetensors",
    ];
    succeeds(folder.path(), &arguments);
    let written = fs::read(folder.path().join("w.safetensors")).unwrap();
    let digests = [&written[..], pretrained::MNIST].map(|bytes| Sha256::of(bytes).to_string());
    assert_eq!(digests[0], digests[1]);
}
