//! Training, evaluation and prediction on data of one's own: the classes are those of the data.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};

use crate::{contains_all, fails, json, mnist, read_json, succeeds};

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

/// The digests decide whether the data are the same, wherever they and the run are by now; a run's
/// own pictures are no data, and those of `eval` are not written among the data.
#[test]
fn a_run_is_resumed_from_elsewhere_and_beside_its_data() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    pictures(&root.join("shapes"));
    let shapes = root.join("shapes");
    let training = "train --quiet --epochs 1 --batch-size 8 --dataset";
    succeeds(&shapes, &format!("{training} ."));
    succeeds(&shapes, &format!("{training} . --output spot/run"));
    succeeds(root, &format!("{training} shapes"));
    let more = "train --resume runs/train-1 --force-config --epochs";
    for (folder, epochs) in [(&*shapes, 2), (root, 2)] {
        succeeds(folder, &format!("{more} {epochs}"));
        let summary = read_json(&folder.join("runs/train-1/summary.json"));
        assert_eq!(summary["class_names"].as_array().unwrap().len(), 3);
    }
    contains_all(
        &fails(
            &shapes,
            "eval --model runs/train-1 --dataset . --errors wrong",
            2,
        ),
        &["wrong", "inside"],
    );

    fs::create_dir(root.join("elsewhere")).unwrap();
    let elsewhere = root.join("elsewhere");
    // Without its summary, the run is not finished.
    let unfinished = || fs::remove_file(root.join("runs/train-1/summary.json")).unwrap();
    unfinished();
    succeeds(&elsewhere, "train --resume ../runs/train-1");
    unfinished();
    fs::rename(&shapes, elsewhere.join("moved")).unwrap();
    let resume = "train --resume runs/train-1";
    for command in [resume, "eval --model runs/train-1"] {
        contains_all(&fails(root, command, 5), &["shapes", "--dataset"]);
    }
    succeeds(root, &format!("{resume} --dataset elsewhere/moved"));
    unfinished();
    fs::remove_file(elsewhere.join("moved/spot/00.png")).unwrap();
    contains_all(&fails(root, resume, 2), &["data_sha256", "--force-config"]);
}

/// What `--transposed` states belongs to the run and to its network.
#[test]
fn images_that_were_turned_are_turned_for_the_run_and_its_network() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let row = |at: u32| {
        let pixels = (0..784).map(|pixel| format!(",{}", (pixel * (at % 3 + 2) + at) % 256));
        format!("{}{}\n", at % 3, pixels.collect::<String>())
    };
    fs::write(root.join("rows.csv"), (0..60).map(row).collect::<String>()).unwrap();
    let training = "train --dataset rows.csv --quiet --epochs 2 --batch-size 8 --output run";
    succeeds(root, &format!("{training} --transposed"));
    let summary = read_json(&root.join("run/summary.json"));
    let evaluated = &json(root, "eval --model run")[0];
    assert_eq!(evaluated["loss"], summary["test"]["loss"]);
    assert_eq!(
        succeeds(root, "reproduce run --quiet"),
        "identical, bit for bit\n"
    );
    fs::remove_file(root.join("run/summary.json")).unwrap();
    succeeds(root, "train --quiet --resume run");
}

/// A grey texture of a side: stripes, checks or dots, of any phase, with grain.
fn texture(class: u32, at: u32, side: u32) -> GrayImage {
    // A few digits of a product look random enough.
    let drawn = |n: u32, most: u32| (at.wrapping_mul(7_919).wrapping_add(n * 104_729) >> 3) % most;
    let period = (4 + drawn(1, 4)) * side / 28;
    let (dx, dy, slope) = (drawn(2, period), drawn(3, period), drawn(4, 3));
    GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (x + dx, y + dy);
        let half = |at: u32| at % period < period / 2;
        let ink = match class {
            0 => half(x + slope * y),
            1 => half(x) != half(y),
            _ => (x % period).abs_diff(period / 2) + (y % period).abs_diff(period / 2) < period / 3,
        };
        let grain = (x * 31 + y * 17 + x * y * 7 + at) % 23;
        Luma([(100 + 50 * u32::from(ink) + grain + drawn(5, 40)) as u8])
    })
}

/// 600 pictures that are no ink on paper, 28x28 and larger: trained without a flag, then predicted as
/// they were trained on.
#[test]
fn textures_are_learnt_by_default_and_predicted_alike() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for side in [28, 40] {
        let set = format!("textures-{side}");
        for (class, name) in ["stripes", "checks", "dots"].iter().enumerate() {
            let folder = root.join(&set).join(name);
            fs::create_dir_all(&folder).unwrap();
            for at in 0..200 {
                let file = folder.join(format!("{at:03}.png"));
                texture(class as u32, at, side).save(file).unwrap();
            }
        }
        let training = format!("train --dataset {set} --output run-{side}");
        let log = fails(root, &training, 0);
        contains_all(
            &log,
            &["480 training images of one's own: the recipe is `small`"],
        );
        let summary = read_json(&root.join(format!("run-{side}/summary.json")));
        assert_eq!(summary["epochs"], 134);
        assert!(
            summary["test"]["errors"].as_u64().unwrap() <= 2,
            "{summary}"
        );
        let predicted = json(root, &format!("predict --model run-{side} {set}"));
        assert_eq!(predicted.len(), 600);
        let is_wrong = |found: &&serde_json::Value| {
            let file = Path::new(found["file"].as_str().unwrap());
            let folder = file.parent().unwrap().file_name().unwrap().to_str();
            found["label"].as_str() != folder
        };
        assert!(predicted.iter().filter(is_wrong).count() <= 6);
        for split in ["train", "test"] {
            let evaluated = &json(root, &format!("eval --model run-{side} --split {split}"))[0];
            assert!(evaluated["errors"].as_u64().unwrap() <= 4, "{evaluated}");
        }
    }
}

/// A dot among the stripes, a test image that is trained on, and a copy with another label.
#[test]
fn a_check_finds_what_was_planted() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let file = |path: &str| root.join("textures").join(path);
    for (class, name) in ["stripes", "checks", "dots"].iter().enumerate() {
        for at in 0..60 {
            let split = if at < 48 { "train" } else { "test" };
            fs::create_dir_all(file(&format!("{split}/{name}"))).unwrap();
            let path = file(&format!("{split}/{name}/{at:02}.png"));
            texture(class as u32, at, 28).save(path).unwrap();
        }
    }
    texture(2, 500, 28)
        .save(file("train/stripes/wrong.png"))
        .unwrap();
    fs::copy(file("train/dots/03.png"), file("test/dots/copy.png")).unwrap();
    fs::copy(file("train/dots/05.png"), file("train/checks/other.png")).unwrap();
    let found = &json(root, "data check textures")[0];
    let suspects = found["suspected_labels"].as_array().unwrap();
    let suspect = |name: &str| {
        let is_it = |own: &&serde_json::Value| own["image"].as_str().unwrap().ends_with(name);
        suspects
            .iter()
            .any(|own| is_it(&own) && own["predicted"] == "dots")
    };
    assert!(suspect("wrong.png") && suspect("other.png"), "{found}");
    assert!(suspects.len() <= 6, "{found}");
    for (kind, image, like) in [
        (
            "in_train_and_test",
            "test/dots/copy.png",
            "train/dots/03.png",
        ),
        ("duplicates", "train/dots/05.png", "train/checks/other.png"),
    ] {
        let own = found[kind].as_array().unwrap();
        assert_eq!(own.len(), 1, "{found}");
        let is = |key: &str, end: &str| own[0][key].as_str().unwrap().ends_with(end);
        assert!(is("image", image) && is("like", like), "{found}");
    }
    let page = fs::read_to_string(root.join("textures-check.html")).unwrap();
    contains_all(
        &page,
        &["Suspected wrong labels", "wrong.png", "data:image/png"],
    );
    fails(root, "data check textures", 2);
    let printed = succeeds(root, "data check textures --force");
    contains_all(
        &printed,
        &[
            "1 test images are in the training images",
            "looks like dots",
        ],
    );
}

/// Twenty images a class under other names suffice for a network that starts from the built-in one;
/// a resumed training must start from the same.
#[test]
fn a_training_starts_from_another_network() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut counts = [0; 10];
    for (index, (pixels, label)) in mnist().test.iter().enumerate() {
        let count = &mut counts[usize::from(label)];
        *count += 1;
        if *count <= 30 {
            let split = if *count <= 20 { "train" } else { "test" };
            let folder = root.join(format!("digits/{split}/digit {label}"));
            fs::create_dir_all(&folder).unwrap();
            let picture = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
            picture.save(folder.join(format!("{index}.png"))).unwrap();
        }
    }
    let training = "train --dataset digits --from built-in --freeze --output run";
    let log = fails(root, training, 0);
    contains_all(
        &log,
        &[
            "the last layer is a new one",
            "from = \"built-in\", freeze = true",
        ],
    );
    let summary = read_json(&root.join("run/summary.json"));
    assert_eq!(summary["test"]["count"], 100);
    assert!(
        summary["test"]["errors"].as_u64().unwrap() <= 5,
        "{summary}"
    );
    let message = fails(
        root,
        "train --dataset digits --from built-in --padding valid",
        2,
    );
    contains_all(&message, &["those of the network to start from"]);

    succeeds(
        root,
        "train --dataset digits --from run/model.safetensors --epochs 1 --output next",
    );
    let config = fs::read_to_string(root.join("next/config.toml")).unwrap();
    contains_all(
        &config,
        &["from = \"run/model.safetensors\"", "pictures = \"ink\""],
    );
    fs::copy(
        root.join("next/model.safetensors"),
        root.join("run/model.safetensors"),
    )
    .unwrap();
    let message = fails(root, "train --resume next --epochs 2", 2);
    contains_all(&message, &["from_sha256"]);
}

/// A class with ten times another's images is warned of, and drawn as often as it.
#[test]
fn uneven_classes_are_balanced() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    pictures(&root.join("shapes"));
    for at in 3..40 {
        fs::remove_file(root.join(format!("shapes/spot/{at:02}.png"))).unwrap();
    }
    for balance in ["", "--balance"] {
        let training = format!("train --dataset shapes --epochs 3 --batch-size 8 {balance}");
        let output = crate::lenet(root, &training).output().unwrap();
        let [log, printed] =
            [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
        contains_all(
            &log,
            &["32 training images of class \"down\" but 3 of \"spot\""],
        );
        contains_all(&printed, &["if every class counts alike)"]);
    }
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
