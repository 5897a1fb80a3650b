//! Folders of pictures.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, RgbImage};

use lenet_data::{Reading, Search, Source};
use lenet_picture::{Form, Ink, Picture, Preparation, prepare};

use super::{assert_refused, own};

/// A picture of 28x28 pixels of one grey.
fn picture(path: &Path, grey: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = GrayImage::from_pixel(28, 28, Luma([grey]));
    image.save(path).unwrap();
}

#[test]
fn a_folder_for_each_class() {
    let root = tempfile::tempdir().unwrap();
    // Names that only sorting puts in order; numbers are sorted as text, as torchvision does it.
    for (class, name) in ["ten", "10", "9", "a b"].iter().enumerate() {
        for i in 0..10 {
            let file = root.path().join(name).join(format!("{i}.png"));
            picture(&file, (class * 10 + i) as u8);
        }
    }
    let colour = RgbImage::from_pixel(28, 28, image::Rgb([7; 3]));
    colour.save(root.path().join("9/rgb.PNG")).unwrap();
    picture(&root.path().join("ten/deeper/still/0.png"), 77);
    // A picture is one by its content, too.
    fs::copy(
        root.path().join("a b/3.png"),
        root.path().join("a b/photo.dat"),
    )
    .unwrap();
    // What is no picture is passed over, and so is what is hidden.
    fs::write(root.path().join("9/notes.txt"), "x").unwrap();
    fs::write(root.path().join("9/.hidden.png"), "x").unwrap();
    fs::create_dir(root.path().join(".git")).unwrap();
    fs::write(root.path().join("README.md"), "x").unwrap();

    let loaded = own(root.path());
    let (train, test) = (&loaded.splits.train, &loaded.splits.test);
    assert_eq!(train.class_names(), ["10", "9", "a b", "ten"]);
    assert_eq!(train.class_counts(), [8, 9, 9, 9]);
    assert_eq!(test.class_counts(), [2; 4]);
    let by_tens = [1, 2, 3, 0];
    for (image, label) in train.iter().chain(test.iter()) {
        match image[0] {
            7 => assert!([1, 3].contains(&label)),
            77 => assert_eq!(label, 3),
            grey => assert_eq!(grey / 10, by_tens[usize::from(label)]),
        }
    }
}

#[test]
fn train_and_test_of_such() {
    for (train, test) in [("train", "test"), ("training", "testing"), ("Train", "VAL")] {
        let root = tempfile::tempdir().unwrap();
        for (split, count) in [(train, 5), (test, 2)] {
            for class in ["a", "b", "c"] {
                for i in 0..count {
                    let folder = root.path().join(split).join(class);
                    picture(&folder.join(format!("{i}.png")), i);
                }
            }
        }
        // A class may be without pictures to test with.
        fs::remove_dir_all(root.path().join(test).join("b")).unwrap();
        let loaded = own(root.path());
        assert_eq!(loaded.splits.train.class_counts(), [5; 3]);
        assert_eq!(loaded.splits.test.class_counts(), [2, 0, 2]);
        assert_eq!(loaded.splits.test.class_names(), ["a", "b", "c"]);

        picture(&root.path().join(test).join("d/0.png"), 0);
        let unknown = "/d\": a class that the images to train on do not have";
        assert_refused(root.path(), &[unknown]);
        fs::remove_dir_all(root.path().join(test)).unwrap();
        assert_eq!(own(root.path()).splits.test.class_counts(), [1; 3]);
        let folder = root.path().join(train);
        fs::rename(&folder, root.path().join("test")).unwrap();
        assert_refused(root.path(), &["no folder `train` beside the other splits"]);
    }
}

/// Ink on paper is taken as predict takes it, and a blank picture is skipped or refused.
#[test]
fn pictures_of_every_size_and_colour() {
    let root = tempfile::tempdir().unwrap();
    // Ink on paper, where a digit would be found and turned to white on black.
    let ink = |side: u32, colour: [u8; 3]| {
        RgbImage::from_fn(side, side, |x, y| {
            let inside = (side / 4..side / 3).contains(&x) && (side / 8..side / 2).contains(&y);
            image::Rgb(if inside { colour } else { [240; 3] })
        })
    };
    let large = ink(90, [20, 30, 120]);
    let small = ink(28, [20, 30, 120]);
    let grey = ink(28, [20; 3]);
    for (class, picture) in [("grey", &grey), ("large", &large), ("small", &small)] {
        fs::create_dir(root.path().join(class)).unwrap();
        for i in 0..2 {
            let file = root.path().join(class).join(format!("{i}.png"));
            picture.save(file).unwrap();
        }
    }
    let loaded = own(root.path());
    let found = |label: u8| {
        let mut all = loaded.splits.train.iter().chain(loaded.splits.test.iter());
        *all.find(|(_, found)| *found == label).unwrap().0
    };
    for (label, file) in [(0, "grey/0.png"), (1, "large/0.png"), (2, "small/0.png")] {
        let picture = Picture::decode(&fs::read(root.path().join(file)).unwrap()).unwrap();
        let Form::Digit(expected) = prepare(&picture, Preparation::Ink, Ink::Auto) else {
            panic!("something is drawn");
        };
        assert_eq!(found(label), expected);
        assert_eq!(found(label)[0], 0, "the paper is black now");
    }
    let blank = RgbImage::from_pixel(50, 50, image::Rgb([200; 3]));
    blank.save(root.path().join("large/1.png")).unwrap();
    let source = Source::parse(root.path().as_os_str()).unwrap();
    let load = |strict| {
        let pictures = Some(Preparation::Ink);
        let reading = Reading {
            pictures,
            strict,
            ..Reading::default()
        };
        source.load(&Search::default(), reading)
    };
    let splits = load(false).unwrap().splits;
    assert_eq!(splits.train.len() + splits.test.len(), 5);
    let refused = load(true).unwrap_err().to_string();
    assert!(
        refused.contains("large/1.png\": nothing is drawn on it"),
        "{refused}"
    );
}

#[test]
fn folders_that_are_no_classes() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("a")).unwrap();
    assert_refused(root.path(), &["no data set: neither IDX files"]);
    picture(&root.path().join("b/0.png"), 0);
    picture(&root.path().join("c/0.png"), 0);
    let none = "/a\": no PNG, JPEG or BMP picture in the folder of a class";
    assert_refused(root.path(), &[none]);
    fs::remove_dir(root.path().join("a")).unwrap();
    fs::remove_dir_all(root.path().join("c")).unwrap();
    assert_refused(
        root.path(),
        &["needs two classes", "\"b\" with 0 folders and 1 pictures"],
    );
}

/// A folder too high, two sets side by side, a flat split: what there is one way to read is read, the
/// rest is refused with what was found.
#[test]
fn layouts_of_downloaded_archives() {
    let of = |files: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        for (at, file) in files.iter().enumerate() {
            for i in 0..5 {
                let file = root.path().join(file.replace('*', &i.to_string()));
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                match file.extension() {
                    Some(_) => picture(&file, (at * 5) as u8 + i),
                    None => fs::write(file, "a,b").unwrap(),
                }
            }
        }
        root
    };
    for (files, names, sizes) in [
        (
            &["archive/digits/0/*.png", "archive/digits/1/*.png"][..],
            "0 1",
            [8, 2, 0],
        ),
        // Kaggle's.
        (
            &[
                "x/Training/a/*.png",
                "x/Training/b/*.png",
                "x/Testing/b/*.png",
            ],
            "a b",
            [10, 5, 0],
        ),
        (
            &[
                "trainingSet/trainingSet/0/*.png",
                "trainingSet/trainingSet/1/*.png",
                "testSet/testSet/*.jpg",
            ],
            "0 1",
            [8, 2, 0],
        ),
        (
            &[
                "train/a/*.png",
                "train/b/*.png",
                "test/a/*.png",
                "val/b/*.png",
                "val/a/*.png",
            ],
            "a b",
            [10, 5, 10],
        ),
        (
            &["train/a/*.png", "train/b/*.png", "test/*.png"],
            "a b",
            [8, 2, 0],
        ),
        (
            &["a/*.png", "b/ann/*.png", "b/bo/*.png", "test/*.png"],
            "a b",
            [12, 3, 0],
        ),
        // Vehicles.
        (&["car/*.png", "train/*.png"], "car train", [8, 2, 0]),
        // Two forms of one name, as two systems write it.
        (
            &["a/*.png", "caf\u{e9}/*.png", "cafe\u{301}/*.bmp"],
            "a caf\u{e9}",
            [12, 3, 0],
        ),
    ] {
        let root = of(files);
        let splits = own(root.path()).splits;
        assert_eq!(splits.train.class_names().join(" "), names, "{files:?}");
        let validation = splits.validation.map_or(0, |set| set.len());
        assert_eq!(
            [splits.train.len(), splits.test.len(), validation],
            sizes,
            "{files:?}"
        );
    }
    for (files, part) in [
        (
            &["Images/*.png"][..],
            "\"Images\" with 0 folders and 5 pictures",
        ),
        (&["train/*.png", "test/*.png"], "needs two classes"),
        (
            &["one/0/*.png", "one/1/*.png", "two/0/*.png"],
            "\"one\" is a data set of its own",
        ),
        (
            &[
                "trainA/0/*.png",
                "trainA/1/*.png",
                "trainB/0/*.png",
                "trainB/1/*.png",
            ],
            "\"trainA\" is a data set of its own",
        ),
    ] {
        assert_refused(of(files).path(), &[part]);
    }
    let root = of(&["Images/*.png"]);
    fs::write(root.path().join("train.csv"), "file,label\n0.png,7\n").unwrap();
    assert_refused(root.path(), &["train.csv", "2 columns"]);
}

/// A class of blank pictures is kept; every picture that is left out is counted in one line.
#[test]
fn blank_classes_and_other_formats() {
    let root = tempfile::tempdir().unwrap();
    for class in ["0", "empty"] {
        for i in 0..5 {
            let file = root.path().join(class).join(format!("{i}.png"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let is_ink =
                |x: u32, y: u32| class == "0" && (10..15).contains(&x) && (5 + i..30).contains(&y);
            let picture =
                GrayImage::from_fn(40, 40, |x, y| Luma([if is_ink(x, y) { 20 } else { 230 }]));
            picture.save(file).unwrap();
        }
    }
    let found = own(root.path());
    assert_eq!(found.splits.preparation, Preparation::Ink);
    assert_eq!(found.splits.train.class_counts(), [4, 4]);
    let (blank, _) = found
        .splits
        .train
        .iter()
        .find(|(_, label)| *label == 1)
        .unwrap();
    assert_eq!(*blank, [0; 784]);
}

/// B12: links that lead back are noticed.
#[cfg(unix)]
#[test]
fn b12_links() {
    use std::os::unix::fs::symlink;

    let root = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for i in 0..5 {
            picture(&root.path().join(class).join(format!("{i}.png")), i);
        }
    }
    // A link to nothing is passed over, one to a folder of pictures is a class.
    symlink("nowhere", root.path().join("gone")).unwrap();
    symlink("a", root.path().join("c")).unwrap();
    assert_eq!(own(root.path()).splits.train.class_counts(), [4; 3]);
    symlink("..", root.path().join("a/back")).unwrap();
    assert_refused(root.path(), &["perhaps a link leads back"]);
}
