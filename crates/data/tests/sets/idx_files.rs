//! Folders of IDX files.

use std::fs;
use std::path::Path;

use lenet_data::{Dataset, Loaded, Origin};

use crate::common::{COUNTS, gzip, images, labels, miniature};
use crate::registry::shared;
use crate::{assert_refused, own};

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// Images, each filled with its number, and labels.
fn write_set(folder: &Path, split: &str, classes: &[u8]) {
    let count = classes.len() as u8;
    write(
        folder,
        &format!("{split}-images-idx3-ubyte"),
        &images(count),
    );
    write(
        folder,
        &format!("{split}-labels-idx1-ubyte"),
        &labels(classes),
    );
}

fn sizes(loaded: &Loaded) -> [usize; 2] {
    [loaded.splits.train.len(), loaded.splits.test.len()]
}

#[test]
fn names_tell_the_splits() {
    for names in [
        [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3",
            "t10k-labels-idx1",
        ],
        [
            "my-train-images.idx3.gz",
            "my-train-labels.idx1",
            "my-test-images.idx3",
            "my-test-labels.idx1.gz",
        ],
        [
            "Train-Images.idx",
            "Train-Labels.idx",
            "Test-Images.idx",
            "Test-Labels.idx",
        ],
    ] {
        let root = tempfile::tempdir().unwrap();
        // By content, not by name: a name that ends in .gz may be raw.
        let content = [
            images(4),
            gzip(&labels(&[0, 2, 2, 1])),
            gzip(&images(3)),
            labels(&[0, 3, 1]),
        ];
        for (name, bytes) in std::iter::zip(names, content) {
            write(root.path(), name, &bytes);
        }
        write(root.path(), "readme.txt", b"not data");
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
    write_set(root.path(), "letters", &classes);
    let loaded = own(root.path());
    assert_eq!(loaded.splits.train.class_counts(), [48, 32]);
    assert_eq!(loaded.splits.test.class_counts(), [12, 8]);
    let numbers = |set: &Dataset| set.iter().map(|(image, _)| image[0]).collect::<Vec<u8>>();
    let mut all = [numbers(&loaded.splits.train), numbers(&loaded.splits.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<u8>>());
    // The same fifth in every release: trainings are compared by it.
    let pinned = [
        0, 3, 5, 17, 20, 26, 28, 44, 50, 55, 57, 59, 60, 63, 66, 72, 81, 84, 89, 92,
    ];
    assert_eq!(numbers(&loaded.splits.test), pinned);

    // Too few for a fifth of each class: one image is still there to test with.
    write_set(root.path(), "letters", &[0, 1]);
    assert_eq!(sizes(&own(root.path())), [1, 1]);
    write_set(root.path(), "letters", &[0]);
    assert_refused(root.path(), &["only one image: none is left to test with"]);
    write_set(root.path(), "letters", &[]);
    assert_refused(root.path(), &["letters-labels-idx1-ubyte", "0 images"]);
}

/// The digest is that of what is trained on, not of how it is packed.
#[test]
fn the_digest_follows_the_content() {
    let root = tempfile::tempdir().unwrap();
    let digests = |pixel: u8, label: u8| {
        write_set(root.path(), "train", &[0, 1, 0, 1, 0, 1, 0, 1, 0, label]);
        let mut pixels = images(10);
        pixels[16 + 784 + 5] = pixel;
        write(root.path(), "train-images-idx3-ubyte", &pixels);
        own(root.path()).sha256
    };
    let first = digests(1, 1);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["test", "train"]);
    assert_eq!(digests(1, 1), first);
    for other in [digests(2, 1), digests(1, 0), digests(1, 2)] {
        assert_ne!(other, first);
    }
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

/// The lies of single files are in tests/formats.rs; here they are named.
#[test]
fn files_that_are_not_idx() {
    let root = tempfile::tempdir().unwrap();
    let (in_images, in_labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    for (name, bytes, part) in [
        (in_images, &b"<html>moved</html>"[..], "it is a web page"),
        (
            in_images,
            &gzip(&images(3))[..30],
            "the gzip stream is cut off",
        ),
        (in_labels, &images(1), "this is an image file"),
        (in_labels, &labels(&[0, 1]), "3 images but 2 labels"),
    ] {
        write_set(root.path(), "train", &[0, 1, 2]);
        write(root.path(), name, bytes);
        assert_refused(root.path(), &[name, part]);
    }
}

#[test]
fn folders_that_are_no_data_set() {
    let root = tempfile::tempdir().unwrap();
    assert_refused(
        root.path(),
        &["no data set: neither IDX files", "train.csv"],
    );
    write(root.path(), "train-images-idx3-ubyte", &images(3));
    let no_labels = "no file of the same split with `labels`";
    assert_refused(root.path(), &["train-images-idx3-ubyte", no_labels]);
    write_set(root.path(), "train", &[0, 1, 1]);
    write(root.path(), "other-train-images-idx3-ubyte", &images(3));
    let both = "\"other-train-images-idx3-ubyte\" and \"train-images-idx3-ubyte\" are both images";
    assert_refused(root.path(), &[both]);
    fs::remove_file(root.path().join("other-train-images-idx3-ubyte")).unwrap();
    write_set(root.path(), "other", &[0]);
    assert_refused(
        root.path(),
        &["other-images-idx3-ubyte", "which split is it of?"],
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
    write(root.path(), "train-labels-idx1-ubyte", &labels(&[0]));
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
