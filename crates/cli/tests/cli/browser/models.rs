//! Networks of other classes than digits, served and dropped; and pictures that a user corrects.

use std::fs;
use std::path::Path;

use candle_core::Device;
use lenet_model::{Architecture, Init, LeNet5, Metadata, Weights, pretrained};
use lenet_picture::{Normalization, Preparation};
use serde_json::json;

use super::files::{digit, give};
use super::{Browser, Site, click, draw, is_clean, opened, opened_from, recorded};

/// The file of an untrained network with these classes, which takes pictures as they are and is
/// familiar with none.
fn untrained(names: &[&str]) -> Vec<u8> {
    let architecture = Architecture {
        classes: names.len(),
        ..Architecture::default()
    };
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let familiarity = json!({
        "means": vec![vec![0; 84]; architecture.classes],
        "variances": vec![1; 84],
        "roughness": [0, 1],
        "scales": [[0, 1], [0, 1], [0, 1]],
        "threshold": 1e30,
    });
    let metadata = Metadata {
        familiarity: serde_json::from_value(familiarity).unwrap(),
        preparation: Some(Preparation::AsIs),
        dataset: Some("pets".to_owned()),
        ..Metadata::new(architecture.clone(), names, Normalization::default())
    };
    let model = LeNet5::new(&architecture, Init::default(), 3, &Device::Cpu).unwrap();
    Weights { model, metadata }.to_bytes().unwrap()
}

/// The names beside the bars.
fn bars(browser: &Browser) -> Vec<String> {
    let names =
        "return [...document.querySelectorAll('#bars .name')].map((name) => name.textContent)";
    serde_json::from_value(browser.run(names, &[])).unwrap()
}

fn text(browser: &Browser, id: &str) -> String {
    let text = browser.run(
        &format!("return document.getElementById('{id}').textContent"),
        &[],
    );
    text.as_str().unwrap().to_owned()
}

#[test]
fn a_served_network_shows_its_own_classes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let names = ["cat", "golden retriever", "T-shirt/top"];
    fs::write(root.join("model.safetensors"), untrained(&names)).unwrap();
    let site = Site::serving(root, "--model model.safetensors");
    let Some((browser, site)) = opened_from(Some(site)) else {
        return;
    };
    assert_eq!(bars(&browser), names);
    assert_eq!(
        text(&browser, "network"),
        "Network: trained on pets, 3 classes"
    );
    assert!(text(&browser, "preparation").contains("as they are"));
    let texture = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(9 * x + y) as u8]));
    texture.save(root.join("a.png")).unwrap();
    let answer = give(
        &browser,
        "drop",
        "a.png",
        &fs::read(root.join("a.png")).unwrap(),
    );
    let predicted = crate::json(root, "predict a.png --model model.safetensors").remove(0);
    assert_eq!(answer.digit, predicted["label"]);
    assert!(
        answer.words.ends_with("unlike any training image"),
        "{answer:?}"
    );
    for (name, part) in std::iter::zip(names, &answer.probabilities) {
        let other = predicted["probabilities"][name].as_f64().unwrap();
        assert!((part - other).abs() < 1e-5, "{answer:?} {predicted}");
    }

    // Any other network takes its place, and sees the same picture.
    let many: Vec<String> = (0..12).map(|class| format!("class {class}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = give(&browser, "drop", "many.safetensors", &untrained(&many));
    assert_eq!(
        (answer.probabilities.len(), &bars(&browser)[0]),
        (10, &answer.digit)
    );
    assert!(
        answer.probabilities.is_sorted_by(|a, b| a >= b),
        "{answer:?}"
    );
    assert_eq!(
        text(&browser, "network"),
        "Network: many.safetensors, trained on pets, 12 classes"
    );
    let cut = &pretrained::MNIST[..9_000];
    let answer = give(&browser, "drop", "cut.safetensors", cut);
    assert!(
        answer.message.starts_with("cut.safetensors: "),
        "{answer:?}"
    );
    assert_eq!(bars(&browser).len(), 10);
    give(&browser, "drop", "mnist.safetensors", pretrained::MNIST);
    assert_eq!(
        bars(&browser),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    assert_eq!(give(&browser, "paste", "b.png", &digit(0)).digit, "7");
    is_clean(&browser, &site);
}

/// They are a folder to train on, with the pixels that the network saw.
#[test]
fn corrected_pictures_are_downloaded() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let place = json!({ "behavior": "allow", "downloadPath": root.display().to_string() });
    browser.devtools("Browser.setDownloadBehavior", place);
    let keep = |class: &str| {
        let choice = "const right = document.getElementById('right');
                      right.value = arguments[0];
                      right.dispatchEvent(new Event('change'));";
        browser.run(choice, &[class.into()]);
        click(&browser, "#keep");
    };
    let (_, strokes) = &recorded()[12];
    let drawn = draw(&browser, "mouse", strokes);
    keep("3");
    // The same picture again: the first choice was a mistake.
    keep("2");
    let dropped = give(&browser, "drop", "a.png", &digit(0));
    keep("7");
    assert_eq!(text(&browser, "download"), "Download 2 corrected pictures");
    click(&browser, "#download");
    let file = root.join("corrections.zip");
    let begun = std::time::Instant::now();
    while !file.exists() {
        assert!(begun.elapsed().as_secs() < 120);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    is_clean(&browser, &site);
    let mut files = zip::ZipArchive::new(fs::File::open(file).unwrap()).unwrap();
    files.extract(root).unwrap();
    assert_eq!(files.len(), 2);
    let predictions = crate::json(root, "predict corrections");
    assert_eq!(predictions.len(), 2);
    for (prediction, seen) in std::iter::zip(predictions, [drawn, dropped]) {
        let file = Path::new(prediction["file"].as_str().unwrap());
        let folder = file.parent().unwrap().file_name().unwrap();
        assert_eq!(folder.to_str(), Some(&*seen.digit));
        let class = &seen.digit;
        let part = prediction["probabilities"][class].as_f64().unwrap();
        let shown = seen.probabilities[class.parse::<usize>().unwrap()];
        assert!((part - shown).abs() < 1e-5, "{prediction} {seen:?}");
    }
}
