//! Names of classes for numbered labels.

use std::fs;

use super::{assert_refused, own};
use crate::common::{images, labels};

/// A folder of IDX files with the labels 0, 2 and 1, and this file of names.
fn folder(names: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", &images(3));
    write("train-labels-idx1-ubyte", &labels(&[0, 2, 1]));
    write("t10k-images-idx3-ubyte", &images(1));
    write("t10k-labels-idx1-ubyte", &labels(&[1]));
    write("classes.txt", names);
    root
}

#[test]
fn names_of_classes() {
    for text in [
        "äpfel\npears\nred plums\n",
        "\u{feff}äpfel\r\n pears \r\nred plums\r\n\r\n",
    ] {
        let root = folder(text.as_bytes());
        let splits = own(root.path()).splits;
        for set in [&splits.train, &splits.test] {
            assert_eq!(set.class_names(), ["äpfel", "pears", "red plums"]);
        }
    }
    // A class may be without images.
    let root = folder(b"a\nb\nc\nd");
    assert_eq!(own(root.path()).splits.train.classes(), 4);
}

#[test]
fn names_that_cannot_be_right_are_refused() {
    for (text, reason) in [
        (
            &b"a\nb\n"[..],
            "2 names, but there is a label 2: put a name",
        ),
        (b"", "0 names, but there is a label 2"),
        (b"a\n\nb\nc", "line 2 is empty"),
        (b"a\nb\na", "line 3 repeats the name \"a\""),
        (b"a\n\xff\nc", "not UTF-8 text"),
        (&[b'a'; 70_000], "70000"),
    ] {
        let root = folder(text);
        assert_refused(root.path(), &["classes.txt", reason]);
    }
}
