//! Folders of IDX files.

use std::fs;
use std::path::Path;

use lenet_data::{Dataset, Loaded, Origin, Reading, Search, Source};
use lenet_picture::Preparation;

use super::{assert_refused, own};
use crate::common::{gzip, idx, images, labels};

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// Images, each filled with its number, and labels.
fn write_set(folder: &Path, split: &str, classes: &[u8]) {
    let count = classes.len() as u8;
    let name = |kind: &str| format!("{split}-{kind}-ubyte");
    write(folder, &name("images-idx3"), &images(count));
    write(folder, &name("labels-idx1"), &labels(classes));
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
            "My-Train-Images.idx3.gz",
            "My-Train-Labels.idx1",
            "my-test-images.idx3",
            "my-test-labels.idx1.gz",
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
        assert_eq!(loaded.origin, Origin::Path(root.path().to_owned()));
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

/// EMNIST's own files are known by their names and sizes, and a flag decides otherwise.
#[test]
fn emnist_under_its_own_name_is_turned_upright() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("emnist");
    fs::create_dir(&folder).unwrap();
    let mut pixels = vec![0; 60_000 * 784];
    for image in pixels.chunks_mut(784) {
        image[2 * 28 + 5] = 255;
    }
    let classes: Vec<u8> = (0..60_000).map(|image| (image % 10) as u8).collect();
    let name = |kind: &str| format!("emnist-mnist-train-{kind}-ubyte");
    write(
        &folder,
        &name("images-idx3"),
        &idx(&[60_000, 28, 28], &pixels),
    );
    write(&folder, &name("labels-idx1"), &labels(&classes));
    // Where torchvision has it, too: one way leads down to it.
    let source = Source::parse(root.path().as_os_str()).unwrap();
    for (transposed, place) in [
        (None, 5 * 28 + 2),
        (Some(true), 5 * 28 + 2),
        (Some(false), 2 * 28 + 5),
    ] {
        let reading = Reading {
            transposed,
            pictures: Some(Preparation::AsIs),
            ..Reading::default()
        };
        let loaded = source.load(&Search::default(), reading).unwrap();
        let (image, _) = loaded.splits.train.get(0).unwrap();
        assert_eq!(image.iter().position(|&pixel| pixel > 0), Some(place));
    }
}

/// A header bounds what is read: neither a bomb nor a sparse file of a gigabyte is.
#[test]
fn a_header_bounds_the_memory() {
    let root = tempfile::tempdir().unwrap();
    write_set(root.path(), "train", &[0, 1, 1]);
    let bomb = [images(3), vec![0; 1 << 26]].concat();
    write(root.path(), "train-images-idx3-ubyte", &gzip(&bomb));
    assert_refused(root.path(), &["decompresses to more than 2368 bytes"]);
    let file = fs::File::options()
        .write(true)
        .open(root.path().join("train-images-idx3-ubyte"));
    let file = file.unwrap();
    std::io::Write::write_all(&mut &file, &images(3)).unwrap();
    file.set_len(1 << 30).unwrap();
    assert_refused(
        root.path(),
        &["claims 2368 bytes in all, the file has 1073741824"],
    );
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
fn folders_that_are_no_data_set() {
    let root = tempfile::tempdir().unwrap();
    let refused = |parts: &[&str]| assert_refused(root.path(), parts);
    refused(&["no data set: neither IDX files", "train.csv"]);
    write(root.path(), "train-images-idx3-ubyte", &images(3));
    let no_labels = "no file of the same split with `labels`";
    refused(&["train-images-idx3-ubyte", no_labels]);
    write_set(root.path(), "train", &[0, 1, 1]);
    let other = "other-train-images-idx3-ubyte";
    write(root.path(), other, &images(3));
    refused(&[&format!(
        "{other:?} and \"train-images-idx3-ubyte\" are both images"
    )]);
    fs::remove_file(root.path().join(other)).unwrap();
    write_set(root.path(), "other", &[0]);
    refused(&["other-images-idx3-ubyte", "which split is it of?"]);
    let gone = root.path().join("gone/away");
    assert_refused(&gone, &["gone/away\": cannot read"]);
}
