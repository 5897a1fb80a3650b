//! `lenet data`, but for downloads.

use std::fs;

use image::RgbImage;
use lenet_data::{Augmentation, registry};

use crate::{contains_all, fails, json, lenet, mnist, succeeds};

#[test]
fn data_is_listed_and_verified() {
    let root = tempfile::tempdir().unwrap();
    let list = succeeds(root.path(), "data list");
    contains_all(&list, &["(10 classes, 60000 + 10000 images): embedded"]);
    // Two lines each, with the licence on the second.
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2 * registry::ALL.len());
    for (spec, lines) in std::iter::zip(registry::ALL.iter(), lines.chunks(2)) {
        assert!(lines[0].starts_with(spec.name), "{lines:?}");
        assert!(lines[1].contains(spec.licence), "{lines:?}");
    }
    let verified = &json(root.path(), "data verify mnist")[0];
    assert_eq!(verified["train"]["images"], 60_000);
    assert_eq!(verified["test"]["class_counts"][0], 980);
    let checks = &json(root.path(), "checks")[0];
    assert_eq!(checks["data"]["mnist"], "embedded in the program");
}

/// A file in place of the folder of data sets is not passed over.
#[test]
fn a_file_is_no_folder_of_data_sets() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::write(root.join("file"), "x").unwrap();
    for command in [
        "data list",
        "data verify mnist",
        "eval",
        "data download mnist",
    ] {
        let output = lenet(root, command).env("LENET_DATA", "file").output();
        let output = output.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {errors}");
        contains_all(&errors, &["LENET_DATA", "\"file\""]);
        contains_all(
            &fails(root, &format!("{command} --data-dir file"), 2),
            &["--data-dir"],
        );
    }
}

/// The grey of a picture in the sheet's last row, from the right edge: 28x28 squares of 4x4 pixels,
/// 12 between them, 48 from the edges.
fn picture(sheet: &RgbImage, from_right: u32) -> Vec<u8> {
    let left = sheet.width() - 48 - 112 - from_right * 124;
    let top = sheet.height() - 48 - 112;
    let pixels = (0..28).flat_map(|y| (0..28).map(move |x| (x, y)));
    let grey = pixels.map(|(x, y)| sheet.get_pixel(left + 4 * x, top + 4 * y).0[0]);
    grey.collect()
}

/// The pictures of a sheet are the data set's, and with --augment what training makes of them.
#[test]
fn data_is_shown() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let printed = succeeds(root, "data show --split test --count 3 --preview always");
    // A digit of each class in half-blocks: two lines of five, seven characters high.
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2 * 8 + 3, "{printed}");
    assert_eq!(lines[15].split_whitespace().collect::<String>(), "56789");
    assert_eq!(lines[8].matches('▄').count(), 5 * 14, "{printed}");
    let expected = "test  10000 images, pixels 0.1325 ± 0.3105\n      0: 980, 1: 1135, 2: 1032, \
                    3: 1010, 4: 982, 5: 892, 6: 958, 7: 1028, 8: 974, 9: 1009\nmnist.png: 30 \
                    pictures\n";
    assert!(printed.ends_with(expected), "{printed}");
    let message = fails(root, "data show --split test", 2);
    contains_all(&message, &["\"mnist.png\" already exists; pass --force"]);

    let sheet = |arguments: &str| {
        let show = "data show --augment --count 2 --force --output sheet.png";
        succeeds(root, &format!("{show} {arguments}"));
        image::open(root.join("sheet.png")).unwrap().to_rgb8()
    };
    // Without settings, those of the recipe best.
    let best = sheet("");
    assert_ne!(picture(&best, 0), picture(&best, 1));
    let shifted = sheet("--shift 3 --seed 7");
    assert_ne!(picture(&shifted, 0), picture(&sheet("--shift 3"), 0));
    // The last picture of the last row is what training gets in its ninth epoch: found again among
    // the training images.
    let train = &mnist().train;
    let settings = Augmentation {
        shift: 3.,
        ..Augmentation::NONE
    };
    let shown = picture(&shifted, 0);
    let is_shown = |index: usize| {
        let mut altered = [0; 784];
        let (image, _) = train.get(index).unwrap();
        settings.apply(1., 7, 9, index as u32, image, &mut altered);
        altered[..] == shown
    };
    assert!((0..train.len()).any(is_shown));

    // The settings of a file, and flags that override them.
    let file = "[augmentation]\nshift = 3.0\nerase = 1.0\n";
    fs::write(root.join("c.toml"), file).unwrap();
    assert_eq!(sheet("--config c.toml --erase 0 --seed 7"), shifted);
    assert_ne!(sheet("--config c.toml --seed 7"), shifted);
    let off = sheet("--shift 0");
    assert_eq!(picture(&off, 0), picture(&off, 8));
}
