//! The commands beside `train`: pictures, data sets, the network itself. FAULTS D1, D6.

use std::fs;

use image::{GrayImage, Luma};
use lenet_data::{Augmentation, embedded, registry};

use crate::{SHORT, fails, lenet, run, succeeds};

/// Pictures of the test split, as files of different kinds.
#[test]
fn predictions() {
    let root = tempfile::tempdir().unwrap();
    succeeds(root.path(), &format!("{SHORT} --quiet --output run"));
    let test = embedded::mnist_test().unwrap();
    fs::create_dir(root.path().join("digits")).unwrap();
    let mut labels = Vec::new();
    for (index, (pixels, label)) in test.iter().take(30).enumerate() {
        let picture = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
        picture
            .save(root.path().join(format!("digits/{index:02}.png")))
            .unwrap();
        labels.push(label.to_string());
    }
    let printed = succeeds(root.path(), "predict --model run --format json digits");
    let predictions: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(predictions.len(), 30);
    assert_eq!(predictions[7]["file"], "digits/07.png");
    let right = std::iter::zip(&predictions, &labels).filter(|(p, label)| p["label"] == **label);
    assert!(right.count() > 20, "{printed}");
    let sum: f64 = predictions[0]["probabilities"]
        .as_object()
        .unwrap()
        .values()
        .map(|p| p.as_f64().unwrap())
        .sum();
    assert!((sum - 1.).abs() < 1e-5, "{sum}");

    // The same digit as JPEG, black on white, on standard input, in colour and with alpha.
    let first = predictions[0]["label"].as_str().unwrap().to_owned();
    let png = image::open(root.path().join("digits/00.png")).unwrap();
    png.to_rgb8().save(root.path().join("rgb.png")).unwrap();
    png.save(root.path().join("photo.jpg")).unwrap();
    let mut inverted = png.to_luma8();
    image::imageops::invert(&mut inverted);
    inverted.save(root.path().join("ink.png")).unwrap();
    let mut clear = image::GrayAlphaImage::new(28, 28);
    for (pixel, Luma([value])) in std::iter::zip(clear.pixels_mut(), png.to_luma8().pixels()) {
        pixel.0 = [255, *value];
    }
    clear.save(root.path().join("clear.png")).unwrap();
    for arguments in [
        "rgb.png",
        "photo.jpg",
        "clear.png",
        "ink.png",
        "--invert ink.png",
        "--invert=no rgb.png",
    ] {
        let printed = succeeds(root.path(), &format!("predict --model run {arguments}"));
        assert!(
            printed.contains(&format!(": {first} ")),
            "{arguments}: {printed}"
        );
    }
    let stdin = fs::File::open(root.path().join("digits/00.png")).unwrap();
    let output = lenet(root.path())
        .args(["predict", "--model", "run", "-"])
        .stdin(stdin)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("-: {first} ")));

    // D1 and D6: bad pictures are named, the good ones are still classified.
    fs::write(
        root.path().join("torn.png"),
        &fs::read(root.path().join("rgb.png")).unwrap()[..100],
    )
    .unwrap();
    fs::write(root.path().join("text.png"), "a digit").unwrap();
    GrayImage::new(4097, 1)
        .save(root.path().join("large.png"))
        .unwrap();
    let output = run(
        root.path(),
        "predict --model run torn.png text.png large.png gone.png rgb.png --format json",
    );
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed
            .lines()
            .nth(1)
            .unwrap()
            .contains("\"file\":\"text.png\""),
        "{printed}"
    );
    for part in [
        "\"torn.png\": not a picture that can be read",
        "\"text.png\": a file of no known format; only PNG and JPEG pictures are read",
        "\"large.png\": a picture of 4097x1 pixels; no side may have more than 4096",
        "\"gone.png\": cannot read",
        "4 of 5 pictures could not be read",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(printed.lines().count(), 5);
    assert!(
        printed
            .lines()
            .last()
            .unwrap()
            .contains(&format!("\"label\":\"{first}\"")),
        "{printed}"
    );
}

#[test]
fn data_is_listed_and_verified() {
    let root = tempfile::tempdir().unwrap();
    let list = succeeds(root.path(), "data list");
    assert!(
        list.contains("MNIST handwritten digits (10 classes, 60000 + 10000 images): embedded"),
        "{list}"
    );
    // Two lines each, with the licence on the second.
    assert_eq!(list.lines().count(), 2 * registry::ALL.len());
    for (spec, lines) in std::iter::zip(
        registry::ALL.iter(),
        list.lines().collect::<Vec<_>>().chunks(2),
    ) {
        assert!(lines[0].starts_with(spec.name), "{lines:?}");
        assert!(lines[1].contains(spec.licence), "{lines:?}");
    }
    let printed = succeeds(root.path(), "data verify mnist --format json");
    let verified: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(verified["train"]["images"], 60_000);
    assert_eq!(verified["test"]["class_counts"][0], 980);
}

/// A digit of each class in half-blocks: two lines of five, seven characters high.
#[test]
fn data_is_shown_on_a_terminal() {
    let root = tempfile::tempdir().unwrap();
    let printed = succeeds(root.path(), "data show --split test --preview always");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2 * 8 + 3, "{printed}");
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(lines[7]), ["0", "1", "2", "3", "4"]);
    assert_eq!(words(lines[15]), ["5", "6", "7", "8", "9"]);
    for line in lines[..7].iter().chain(&lines[8..15]) {
        assert_eq!(line.matches('▄').count(), 5 * 14, "{line:?}");
    }
    let printed = succeeds(root.path(), "data show --force --preview never");
    assert!(!printed.contains('▄'));
}

/// The pictures of a sheet are the data set's, and with --augment what training makes of them.
#[test]
fn data_is_shown() {
    let root = tempfile::tempdir().unwrap();
    let printed = succeeds(root.path(), "data show --split test --count 3");
    assert_eq!(
        printed,
        "test  10000 images, pixels 0.1325 ± 0.3105\n      0: 980, 1: 1135, 2: 1032, 3: 1010, 4: 982, \
         5: 892, 6: 958, 7: 1028, 8: 974, 9: 1009\nmnist.png: 30 pictures\n"
    );
    let read = |name: &str| image::open(root.path().join(name)).unwrap().to_rgb8();
    let samples = read("mnist.png");
    // A row of three for each of ten classes: 28 x 28 squares of 4 x 4 pixels, 12 between them.
    let height = |rows: u32| 112 * rows + 12 * (rows - 1);
    // And the title above them, with the margins, as high as less than two rows.
    assert!((height(10)..height(12)).contains(&samples.height()));

    // Never overwritten, unless one says so.
    let message = fails(root.path(), "data show --split test", 2);
    assert!(
        message.contains("\"mnist.png\" already exists; pass --force"),
        "{message}"
    );
    succeeds(root.path(), "data show --split test --count 4 --force");
    assert!(read("mnist.png").width() > samples.width());

    let sheet = |arguments: &str| {
        let printed = succeeds(
            root.path(),
            &format!("data show --augment --count 2 --force --output sheet.png {arguments}"),
        );
        assert!(printed.ends_with("\nsheet.png: 20 pictures\n"), "{printed}");
        read("sheet.png")
    };
    // The grey of the sheet's last row and columns, from the right edge, 24 layout pixels away.
    let picture = |sheet: &image::RgbImage, from_right: u32| {
        let (right, bottom) = (sheet.width() - 48, sheet.height() - 48);
        let left = right - 112 - from_right * 124;
        let pixels = (0..28).flat_map(|y| (0..28).map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| sheet.get_pixel(left + 4 * x, bottom - 112 + 4 * y).0[0]);
        pixels.collect::<Vec<u8>>()
    };
    let default = sheet("");
    assert_ne!(picture(&default, 0), picture(&default, 1));
    let shifted = sheet("--shift 3 --seed 7");
    let same = sheet("--shift 3 --seed 7");
    assert_eq!(shifted, same);
    assert_ne!(picture(&shifted, 0), picture(&sheet("--shift 3"), 0));

    // The last picture of the last row is what training gets: found again in the training images.
    let train = embedded::mnist().unwrap().train;
    let settings = Augmentation {
        shift: 3.,
        ..Augmentation::NONE
    };
    let shown = picture(&shifted, 0);
    let made = |index: usize| {
        let mut made = [0; 784];
        let (image, _) = train.get(index).unwrap();
        settings.apply(1., 7, 9, index as u32, image, &mut made);
        made
    };
    assert!((0..train.len()).any(|index| made(index)[..] == shown));

    // A configuration's table, and flags that override it; off, nothing changes.
    let file = root.path().join("c.toml");
    fs::write(
        &file,
        "epochs = 3\n[augmentation]\nshift = 3.0\nerase = 1.0\n",
    )
    .unwrap();
    assert_eq!(sheet("--config c.toml --erase 0 --seed 7"), shifted);
    assert_ne!(sheet("--config c.toml --seed 7"), shifted);
    let off = sheet("--shift 0");
    assert_eq!(picture(&off, 0), picture(&off, 8));
}

/// Mirrors that fail are named one by one, and nothing is left behind.
#[test]
fn downloads_that_fail_say_why() {
    let root = tempfile::tempdir().unwrap();
    // A port that was free a moment ago: the connection is refused.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mirror = format!("http://127.0.0.1:{port}/mnist");
    let message = fails(
        root.path(),
        &format!("data download --data-dir cache --mirror {mirror}"),
        4,
    );
    for part in [
        &mirror,
        "could not be downloaded",
        "without a network",
        "--data-dir",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let left = fs::read_dir(root.path().join("cache/mnist")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn the_architecture_in_every_form() {
    let root = tempfile::tempdir().unwrap();
    let json: serde_json::Value = serde_json::from_str(&succeeds(
        root.path(),
        "summary --padding valid --format json",
    ))
    .unwrap();
    assert_eq!(json["parameters"], 44_426);
    assert_eq!(
        json["layers"][0]["output_shape"],
        serde_json::json!([6, 24, 24])
    );
    assert!(succeeds(root.path(), "summary --format svg").starts_with("<svg "));
    let checks: serde_json::Value =
        serde_json::from_str(&succeeds(root.path(), "checks --format json")).unwrap();
    assert_eq!(checks["data"]["mnist"], "embedded in the program");
    assert!(succeeds(root.path(), "completions zsh").contains("#compdef lenet"));
}
