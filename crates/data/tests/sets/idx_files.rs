//! Folders of IDX files.

use std::fs;
use std::path::Path;

use lenet_data::{Loaded, Origin};

use crate::common::{COUNTS, gzip, images, labels, miniature};
use crate::registry::shared;
use crate::{assert_refused, own};

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn sizes(loaded: &Loaded) -> [usize; 2] {
    [loaded.splits.train.len(), loaded.splits.test.len()]
}

#[test]
fn names_tell_the_splits() {
    for [train_images, train_labels, test_images, test_labels] in [
        [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ],
        [
            "my-train-images.idx3-ubyte.gz",
            "my-train-labels.idx1-ubyte",
            "my-test-images.idx3-ubyte",
            "my-test-labels.idx1-ubyte.gz",
        ],
        [
            "Train-Images.idx",
            "Train-Labels.idx",
            "Test-Images.idx",
            "Test-Labels.idx",
        ],
    ] {
        let root = tempfile::tempdir().unwrap();
        // By content, not by name: what ends in .gz may be raw.
        write(
            root.path(),
            &[
                (train_images, images(4)),
                (train_labels, gzip(&labels(&[0, 2, 2, 1]))),
                (test_images, gzip(&images(3))),
                (test_labels, labels(&[0, 3, 1])),
                ("readme.txt", b"not data".to_vec()),
            ],
        );
        let loaded = own(root.path());
        assert_eq!(sizes(&loaded), [4, 3]);
        assert_eq!(loaded.origin, Origin::Folder(root.path().to_owned()));
        // As many classes as either split has labels of.
        assert_eq!(loaded.splits.train.class_names(), ["0", "1", "2", "3"]);
        assert_eq!(loaded.splits.test.class_names(), ["0", "1", "2", "3"]);
        let (image, label) = loaded.splits.train.get(3).unwrap();
        assert_eq!((image[0], label), (3, 1));
    }
}

#[test]
fn a_fifth_of_each_class_is_held_out_if_there_is_no_test_split() {
    let root = tempfile::tempdir().unwrap();
    let classes: Vec<u8> = (0..100).map(|i| u8::from(i >= 60)).collect();
    write(
        root.path(),
        &[
            ("letters-images-idx3-ubyte", images(100)),
            ("letters-labels-idx1-ubyte", labels(&classes)),
        ],
    );
    let loaded = own(root.path());
    assert_eq!(sizes(&loaded), [80, 20]);
    assert_eq!(loaded.splits.train.class_counts(), [48, 32]);
    assert_eq!(loaded.splits.test.class_counts(), [12, 8]);
    // Each image, which is filled with its own number, is in one of the two.
    let numbers =
        |set: &lenet_data::Dataset| set.iter().map(|(image, _)| image[0]).collect::<Vec<u8>>();
    let mut all = [numbers(&loaded.splits.train), numbers(&loaded.splits.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<u8>>());
    // The same fifth again, and the same in every release: trainings are compared by it.
    let again = own(root.path());
    assert_eq!(numbers(&again.splits.test), numbers(&loaded.splits.test));
    assert_eq!(again.sha256, loaded.sha256);
    let pinned = [
        0, 3, 5, 17, 20, 26, 28, 44, 50, 55, 57, 59, 60, 63, 66, 72, 81, 84, 89, 92,
    ];
    assert_eq!(numbers(&loaded.splits.test), pinned);
}

/// Too few for a fifth of each class: one image is still there to test with.
#[test]
fn a_fifth_of_few() {
    let root = tempfile::tempdir().unwrap();
    let set = |count: u8| {
        let classes: Vec<u8> = (0..count).collect();
        write(
            root.path(),
            &[
                ("x-images-idx3-ubyte", images(count)),
                ("x-labels-idx1-ubyte", labels(&classes)),
            ],
        );
    };
    set(2);
    assert_eq!(sizes(&own(root.path())), [1, 1]);
    set(1);
    assert_refused(root.path(), &["only one image: none is left to test with"]);
    set(0);
    assert_refused(root.path(), &["x-labels-idx1-ubyte", "0 images"]);
}

/// The digest is that of what is trained on, not of how it is packed.
#[test]
fn the_digest_follows_the_content() {
    let root = tempfile::tempdir().unwrap();
    let digests = |pixel: u8, label: u8| {
        let mut pixels = images(10);
        pixels[16 + 784 + 5] = pixel;
        let mut classes = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
        classes[9] = label;
        write(
            root.path(),
            &[
                ("train-images-idx3-ubyte", pixels),
                ("train-labels-idx1-ubyte", labels(&classes)),
            ],
        );
        own(root.path()).sha256
    };
    let first = digests(1, 1);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["test", "train"]);
    assert_eq!(digests(1, 1), first);
    assert_ne!(digests(2, 1), first);
    assert_ne!(digests(1, 0), first);
    assert_ne!(digests(1, 2), first);
}

#[test]
fn qmnist_and_the_letters_by_their_folder() {
    let root = tempfile::tempdir().unwrap();
    miniature("qmnist").write_gz(root.path());
    let loaded = own(root.path());
    assert_eq!(sizes(&loaded), COUNTS);
    assert_eq!(loaded.splits.train.class_counts(), [7; 10]);

    let Some(folder) = shared("letters") else {
        return;
    };
    let loaded = own(&folder);
    assert_eq!(sizes(&loaded), [2_392, 598]);
    assert_eq!(loaded.splits.test.class_counts(), [23; 26]);
}

/// B1 to B8 for files of one's own, each named with its fault.
#[test]
fn files_that_are_not_idx() {
    let root = tempfile::tempdir().unwrap();
    let good = [
        ("train-images-idx3-ubyte", images(3)),
        ("train-labels-idx1-ubyte", labels(&[0, 1, 2])),
    ];
    let change = |name: &str, bytes: &[u8], part: &str| {
        write(root.path(), &good);
        fs::write(root.path().join(name), bytes).unwrap();
        assert_refused(root.path(), &[name, part]);
    };
    let (in_images, in_labels) = (good[0].0, good[1].0);
    change(
        in_images,
        b"",
        "0 bytes, an IDX image file needs at least 16",
    );
    change(in_images, &images(3)[..16], "2352 are missing");
    change(in_images, b"<html>moved</html>", "it is a web page");
    change(in_images, &labels(&[1]), "this is a label file");
    change(in_labels, &images(1), "this is an image file");
    let mut huge = images(3);
    huge[4..8].copy_from_slice(&[0xff; 4]);
    change(in_images, &huge, "claims");
    let mut small = images(3);
    small[11] = 14;
    small[15] = 56;
    change(in_images, &small, "images of 14x56 pixels");
    change(in_labels, &labels(&[0, 1]), "3 images but 2 labels");
    let mut torn = gzip(&images(3));
    torn.truncate(30);
    change(in_images, &torn, "the gzip stream is cut off");
    change(
        in_images,
        &gzip(&gzip(&images(3))),
        "a gzip stream inside a gzip stream",
    );
}

#[test]
fn folders_that_are_no_data_set() {
    let root = tempfile::tempdir().unwrap();
    assert_refused(
        root.path(),
        &["no data set: neither IDX files", "train.csv"],
    );
    let add = |name: &str| fs::write(root.path().join(name), images(3)).unwrap();
    add("train-images-idx3-ubyte");
    assert_refused(
        root.path(),
        &[
            "train-images-idx3-ubyte",
            "no file of the same split with `labels`",
        ],
    );
    fs::write(
        root.path().join("train-labels-idx1-ubyte"),
        labels(&[0, 1, 1]),
    )
    .unwrap();
    add("other-train-images-idx3-ubyte");
    assert_refused(
        root.path(),
        &["\"other-train-images-idx3-ubyte\" and \"train-images-idx3-ubyte\" are both images"],
    );
    fs::remove_file(root.path().join("other-train-images-idx3-ubyte")).unwrap();
    fs::write(root.path().join("t10k-labels-idx1-ubyte"), labels(&[0])).unwrap();
    assert_refused(
        root.path(),
        &[
            "t10k-labels-idx1-ubyte",
            "no file of the same split with `images`",
        ],
    );
    let gone = root.path().join("gone/away");
    assert_refused(&gone, &["gone/away\": cannot read"]);
}

/// B12: what would never end is refused before it is opened.
#[cfg(unix)]
#[test]
fn b12_a_pipe_and_a_device() {
    use std::os::unix::fs::symlink;

    let root = tempfile::tempdir().unwrap();
    let images = root.path().join("train-images-idx3-ubyte");
    fs::write(root.path().join("train-labels-idx1-ubyte"), labels(&[0])).unwrap();
    let status = std::process::Command::new("mkfifo").arg(&images).status();
    assert!(status.unwrap().success());
    assert_refused(
        root.path(),
        &["train-images-idx3-ubyte", "a pipe or a device"],
    );
    fs::remove_file(&images).unwrap();
    symlink("/dev/zero", &images).unwrap();
    assert_refused(root.path(), &["a pipe or a device"]);
    assert_refused(&images, &["a pipe or a device"]);
}
