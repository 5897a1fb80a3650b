//! Training, evaluation and prediction on data of one's own: the classes are those of the data.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};

use crate::{contains_all, fails, json, read_json, succeeds};

/// A white bar at a place that tells the class.
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

/// 40 pictures of each of three classes.
pub fn pictures(folder: &Path) {
    for (class, name) in ["across", "down", "spot"].iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for at in 0..40 {
            let file = folder.join(name).join(format!("{at:02}.png"));
            picture(class as u32, at).save(file).unwrap();
        }
    }
}

#[test]
fn a_folder_of_pictures_from_training_to_prediction() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    pictures(&root.join("shapes"));
    let training = "train --dataset shapes --epochs 12 --batch-size 8 --lr 0.003 --output run";
    let log = fails(root, training, 0);
    contains_all(
        &log,
        &[
            "24 of its 120 images",
            "9 are held out for validation, not 5000",
        ],
    );
    let summary = read_json(&root.join("run/summary.json"));
    let names = serde_json::json!(["across", "down", "spot"]);
    assert_eq!(summary["class_names"], names);
    assert_eq!(summary["test"]["count"], 24);
    let config = fs::read_to_string(root.join("run/config.toml")).unwrap();
    contains_all(&config, &["dataset = \"shapes\"\n", "validation = 9\n"]);
    let environment = read_json(&root.join("run/environment.json"));

    // The model knows its data, whose test images are those of the training.
    let evaluated = &json(root, "eval --model run")[0];
    assert_eq!(evaluated["dataset"], "shapes");
    assert_eq!(evaluated["errors"], summary["test"]["errors"]);
    assert!(evaluated["accuracy"].as_f64().unwrap() > 0.9, "{evaluated}");
    let predicted = &json(root, "predict --model run shapes/spot/05.png")[0];
    assert_eq!(predicted["label"], "spot");
    let verified = &json(root, "data verify shapes")[0];
    assert_eq!(verified["sha256"], environment["data"]["sha256"]);
    let shown = succeeds(root, "data show --dataset shapes --count 2");
    contains_all(
        &shown,
        &[
            "across: 32, down: 32, spot: 32",
            "\nshapes.png: 6 pictures\n",
        ],
    );

    let message = fails(root, "eval --model run --dataset mnist", 2);
    contains_all(&message, &["mnist has 10 classes", "distinguishes 3"]);
    // As many classes, but others.
    fs::rename(root.join("shapes/spot"), root.join("shapes/block")).unwrap();
    let log = fails(root, "eval --model run", 0);
    contains_all(
        &log,
        &["trained on other classes than those of shapes: across, down, spot"],
    );
    fs::rename(root.join("shapes/block"), root.join("shapes/spot")).unwrap();
    // A7: the data is part of the training.
    let added = root.join("shapes/spot/40.png");
    picture(2, 39).save(added).unwrap();
    let message = fails(root, "train --resume run --epochs 13", 2);
    contains_all(&message, &["data"]);
}

/// An IDX file of unsigned bytes.
pub fn idx(dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

/// As many classes as EMNIST's largest set has, on both engines.
#[test]
fn sixty_two_classes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let data = root.join("characters");
    fs::create_dir(&data).unwrap();
    let count = 62 * 5;
    let labels: Vec<u8> = (0..count).map(|i| (i % 62) as u8).collect();
    let pixels: Vec<u8> = (0..count * 784).map(|i| (i * 31 % 251) as u8).collect();
    let images = idx(&[count as u32, 28, 28], &pixels);
    fs::write(data.join("train-images-idx3-ubyte"), images).unwrap();
    let labels = idx(&[count as u32], &labels);
    fs::write(data.join("train-labels-idx1-ubyte"), labels).unwrap();
    for engine in ["fused", "candle"] {
        let training = format!("train --dataset characters --epochs 1 --engine {engine}");
        let summary = &json(root, &format!("{training} --output {engine}"))[0];
        // 84 x 62 + 62 in place of the last layer's 850.
        assert_eq!(summary["parameters"], 61_706 - 850 + 85 * 62);
        assert_eq!(summary["confusion"].as_array().unwrap().len(), 62);
        succeeds(root, &format!("eval --model {engine}"));
    }
    // A number that was asked for is not adapted to the data.
    for stated in ["--validation 5000", "--set validation=5000"] {
        let message = fails(root, &format!("train --dataset characters {stated}"), 2);
        contains_all(&message, &["less than the 248 training images"]);
    }
}

/// B13: a path that is not UTF-8 is found again by what the run has written of it.
#[cfg(target_os = "linux")]
#[test]
fn b13_a_path_that_is_not_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let root = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"shapes\xff\n");
    pictures(&root.path().join(name));
    let mut command = crate::lenet(root.path(), "train --epochs 1 --output run --dataset");
    assert!(command.arg(name).status().unwrap().success());
    let config = fs::read_to_string(root.path().join("run/config.toml")).unwrap();
    contains_all(&config, &["dataset = \"file:shapes%FF%0A\"\n"]);
    succeeds(root.path(), "eval --model run");
}
