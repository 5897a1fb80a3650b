//! Training, evaluation and prediction on data of one's own: the classes are those of the data.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::{fails, run, succeeds};

/// A bar of white at a place that tells the class.
fn picture(class: u32, at: u32) -> GrayImage {
    GrayImage::from_fn(28, 28, |x, y| {
        let inside = match class {
            0 => y / 4 == at % 7,
            1 => x / 4 == at % 7,
            _ => x.abs_diff(14 + at % 3) < 4 && y.abs_diff(14) < 4,
        };
        Luma([if inside { 255 - at as u8 } else { 0 }])
    })
}

const CLASSES: [&str; 3] = ["across", "down", "spot"];

/// 40 pictures of each class.
pub fn pictures(folder: &Path) {
    for (class, name) in CLASSES.iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for at in 0..40 {
            let file = folder.join(name).join(format!("{at:02}.png"));
            picture(class as u32, at).save(file).unwrap();
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_folder_of_pictures_from_training_to_prediction() {
    let root = tempfile::tempdir().unwrap();
    pictures(&root.path().join("shapes"));
    let output = run(
        root.path(),
        "train --dataset shapes --epochs 12 --batch-size 8 --lr 0.003 --output run --format json",
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    for part in [
        "\"shapes\" has no test split: 24 of its 120 images are held out for it",
        "96 training images: 9 are held out for validation, not 5000",
        "data set shapes, \"shapes\"",
        "\"shapes\": 120 of 120 pictures are grey and have 28x28 pixels, and are taken as they are",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    let summary = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(summary["dataset"], "shapes");
    assert_eq!(summary["class_names"], serde_json::json!(CLASSES));
    assert_eq!(summary["test"]["count"], 24);
    let config = fs::read_to_string(root.path().join("run/config.toml")).unwrap();
    assert!(config.contains("dataset = \"shapes\"\n"), "{config}");
    assert!(config.contains("validation = 9\n"), "{config}");
    let environment = fs::read(root.path().join("run/environment.json")).unwrap();
    let environment: Value = serde_json::from_slice(&environment).unwrap();
    assert_eq!(
        environment["data"]["sha256"]["test"]
            .as_str()
            .unwrap()
            .len(),
        64
    );

    // The model knows its data, and its test images are the same as those of the training.
    let evaluated = json(&succeeds(root.path(), "eval --model run --format json"));
    assert_eq!(evaluated["dataset"], "shapes");
    assert_eq!(evaluated["errors"], summary["test"]["errors"]);
    assert_eq!(evaluated["count"], 24);
    assert_eq!(evaluated["per_class"][2]["class"], "spot");
    assert!(evaluated["accuracy"].as_f64().unwrap() > 0.9, "{evaluated}");
    let predicted = json(&succeeds(
        root.path(),
        "predict --model run --as-is shapes/spot/05.png --format json",
    ));
    assert_eq!(predicted["label"], "spot");
    let verified = json(&succeeds(root.path(), "data verify shapes --format json"));
    assert_eq!(verified["sha256"], environment["data"]["sha256"]);
    let shown = succeeds(root.path(), "data show --dataset shapes --count 2");
    assert!(shown.starts_with("train 96 images, pixels "), "{shown}");
    assert!(shown.contains("across: 32, down: 32, spot: 32"), "{shown}");
    assert!(shown.ends_with("\nshapes.png: 6 pictures\n"), "{shown}");

    // Three classes are no ten digits.
    let message = fails(root.path(), "eval --model run --dataset mnist", 2);
    assert!(message.contains("mnist has 10 classes"), "{message}");
    // As many, but others.
    fs::rename(
        root.path().join("shapes/spot"),
        root.path().join("shapes/block"),
    )
    .unwrap();
    let output = run(root.path(), "eval --model run");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("trained on other classes than those of shapes: across, down, spot"),
        "{errors}"
    );
    fs::rename(
        root.path().join("shapes/block"),
        root.path().join("shapes/spot"),
    )
    .unwrap();

    // A7: what was trained on is part of the training.
    picture(2, 39)
        .save(root.path().join("shapes/spot/40.png"))
        .unwrap();
    let message = fails(root.path(), "train --resume run --epochs 13", 2);
    assert!(message.contains("data"), "{message}");
}

/// An IDX file of unsigned bytes.
fn idx(dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

/// As many classes as EMNIST's largest set has, on both engines; and CSV of the same images.
#[test]
fn sixty_two_classes() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("characters");
    fs::create_dir(&data).unwrap();
    let count = 62 * 5;
    let labels: Vec<u8> = (0..count).map(|i| (i % 62) as u8).collect();
    let pixels: Vec<u8> = (0..count * 784).map(|i| (i * 31 % 251) as u8).collect();
    fs::write(
        data.join("train-images-idx3-ubyte"),
        idx(&[count as u32, 28, 28], &pixels),
    )
    .unwrap();
    fs::write(
        data.join("train-labels-idx1-ubyte"),
        idx(&[count as u32], &labels),
    )
    .unwrap();
    for engine in ["fused", "candle"] {
        let printed = succeeds(
            root.path(),
            &format!(
                "train --dataset characters --epochs 1 --batch-size 31 --engine {engine} --output {engine} --format json"
            ),
        );
        let summary = json(&printed);
        // 84 x 62 + 62 in place of the last layer's 850.
        assert_eq!(summary["parameters"], 61_706 - 850 + 85 * 62);
        assert_eq!(summary["confusion"].as_array().unwrap().len(), 62);
        assert_eq!(summary["test"]["count"], 62);
        succeeds(root.path(), &format!("eval --model {engine}"));
        assert!(root.path().join(engine).join("report.html").exists());
    }
    let lines = std::iter::zip(&labels, pixels.chunks(784)).map(|(label, image)| {
        let pixels: Vec<String> = image.iter().map(u8::to_string).collect();
        format!("{label},{}\n", pixels.join(","))
    });
    fs::write(
        root.path().join("characters.csv"),
        lines.collect::<String>(),
    )
    .unwrap();
    let digest = |name: &str| {
        let verified = succeeds(root.path(), &format!("data verify {name} --format json"));
        json(&verified)["sha256"].clone()
    };
    assert_eq!(digest("characters.csv"), digest("characters"));
    // What was asked for is not changed, also where it does not fit.
    let message = fails(
        root.path(),
        "train --dataset characters.csv --validation 5000",
        2,
    );
    assert!(
        message.contains("validation 5000: must be less than the 248 training images"),
        "{message}"
    );
    fs::write(root.path().join("c.toml"), "validation = 5000\n").unwrap();
    fails(
        root.path(),
        "train --dataset characters.csv --config c.toml",
        2,
    );
    fails(
        root.path(),
        "train --dataset characters.csv --set validation=5000",
        2,
    );
}

/// B13: a path that is no UTF-8 is found again by what the run has written of it.
#[cfg(target_os = "linux")]
#[test]
fn b13_a_path_that_is_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let root = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"shapes\xff\n");
    pictures(&root.path().join(name));
    let output = crate::lenet(root.path())
        .args(["train", "--epochs", "1", "--output", "run", "--dataset"])
        .arg(name)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let config = fs::read_to_string(root.path().join("run/config.toml")).unwrap();
    assert!(
        config.contains("dataset = \"file:shapes%FF%0A\"\n"),
        "{config}"
    );
    succeeds(root.path(), "eval --model run");
}

#[test]
fn data_that_is_none_leaves_no_run() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    let message = fails(root.path(), "train --dataset empty", 3);
    assert!(
        message.contains("\"empty\": no data set: neither IDX files"),
        "{message}"
    );
    let message = fails(root.path(), "train --dataset ./gone", 5);
    assert!(message.contains("\"./gone\": cannot read"), "{message}");
    let message = fails(root.path(), "train --dataset kmnist --data-dir empty", 3);
    assert!(
        message.contains("kmnist is incomplete: 4 of its 4 files are missing"),
        "{message}"
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}
