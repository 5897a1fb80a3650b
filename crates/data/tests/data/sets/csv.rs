//! CSV files.

use std::fs;

use lenet_data::Origin;

use super::{assert_refused, own};
use crate::common::gzip;

/// A line: image n is filled with n.
fn line(label: u8, pixel: u8) -> String {
    let mut fields = vec![label.to_string()];
    fields.extend((0..784).map(|_| pixel.to_string()));
    fields.join(",")
}

fn heading(labelled: bool) -> String {
    let pixels = (0..784).map(|i| format!("pixel{i}"));
    let names = labelled.then(|| "label".to_owned()).into_iter();
    names.chain(pixels).collect::<Vec<_>>().join(",")
}

fn lines(count: u8) -> Vec<String> {
    (0..count).map(|i| line(i % 3, i)).collect()
}

#[test]
fn kaggles_form_with_and_without_heading() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("digits.csv");
    let body = lines(30);
    let plain = body.join("\n");
    let quoted = format!("\"{}\"", heading(true).replace(',', "\",\""));
    let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(bytes)
            .collect()
    };
    let last = |line: &String| {
        let (label, pixels) = line.split_once(',').unwrap();
        format!("{pixels},{label}")
    };
    let label_last: Vec<String> = body.iter().map(last).collect();
    let pixels = last(&heading(true)).replace(",label", ",class");
    let numbers: Vec<String> = (0..785).map(|i| i.to_string()).collect();
    let of_pandas: Vec<String> = (0..785).map(|i| format!("0.{i}")).collect();
    let forms: [Vec<u8>; 15] = [
        [pixels, label_last.join("\n")].join("\n").into(),
        [numbers.join(","), plain.clone()].join("\n").into(),
        [of_pandas.join(",").replacen("0.0", "0", 1), plain.clone()]
            .join("\n")
            .into(),
        plain.replace(',', ";").into(),
        plain.replace(',', "\t").into(),
        plain.replace('\n', "\r").into(),
        plain.replace(',', ".0,").replace('\n', ".00e0\n").into(),
        wide(&format!("{}\r\n{plain}", heading(true)), u16::to_le_bytes),
        wide(&plain, u16::to_be_bytes),
        plain.clone().into(),
        // Taken for a heading, it would swallow the first image.
        format!("\u{feff}{plain}").into(),
        format!("{}\n{plain}\n", heading(true)).into(),
        format!("\u{feff}{}\r\n{}\r\n\r\n", heading(true), body.join("\r\n")).into(),
        [quoted, plain.replace(',', " , ")].join("\n").into(),
        gzip(format!("{plain}\n").as_bytes()),
    ];
    let mut digests = Vec::new();
    for form in forms {
        fs::write(&file, form).unwrap();
        let loaded = own(&file);
        assert_eq!(loaded.origin, Origin::Path(file.clone()));
        let (train, test) = (&loaded.splits.train, &loaded.splits.test);
        assert_eq!((train.len(), test.len()), (24, 6));
        assert_eq!(train.class_names(), ["0", "1", "2"]);
        for (image, label) in train.iter().chain(test.iter()) {
            assert_eq!(*image, [image[0]; 784]);
            assert_eq!(label, image[0] % 3);
        }
        digests.push(loaded.sha256);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "one content");
}

#[test]
fn folders_of_tables() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(root.path().join(name), text).unwrap();
    write("one.csv", lines(30).join("\n"));
    assert_eq!(own(root.path()).splits.test.len(), 6);
    write("two.csv", lines(30).join("\n"));
    assert_refused(root.path(), &["none with `train` in its name"]);
    write("mnist_train.csv", lines(30).join("\n"));
    assert_eq!(own(root.path()).splits.test.len(), 6);
    write("mnist_test.csv", lines(7).join("\n"));
    let loaded = own(root.path());
    let sizes = [loaded.splits.train.len(), loaded.splits.test.len()];
    assert_eq!(sizes, [30, 7]);
    // Kaggle's test.csv has pixels alone: nothing can be tested with it.
    let pixels = line(1, 2).split_once(',').unwrap().1.to_owned();
    write("mnist_test.csv", [heading(false), pixels].join("\n"));
    assert_eq!(own(root.path()).splits.test.len(), 6);
    write("train.csv", lines(30).join("\n"));
    let both = "\"mnist_train.csv\" and \"train.csv\" are both of the split train";
    assert_refused(root.path(), &[both]);
}

#[test]
fn lines_that_are_none_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("digits.csv");
    let refused = |text: String, part: &str| {
        fs::write(&file, text).unwrap();
        assert_refused(&file, &["digits.csv", part]);
    };
    refused("<!DOCTYPE html><html>".into(), "a web page, not a CSV file");
    refused(
        "PK\u{3}\u{4}".into(),
        "a zip archive, not a CSV file: unpack it",
    );
    refused(
        "\0\0\u{8}\u{3}".into(),
        "an IDX file, not a CSV file: name its folder",
    );
    refused("\0".repeat(1 << 20), "a line has more than 131072 bytes");
    let good = lines(3).join("\n");
    refused(String::new(), "0 images");
    refused(heading(true), "0 images");
    refused(heading(false), "784 columns: pixels without labels");
    refused(
        "a,b,c\n1,2,3".into(),
        "row 1: 3 columns, there must be a label and 784 pixels: 785",
    );
    refused(format!("{good}\n1,2"), "row 4: 2 columns");
    refused(format!("{good}\n{},7", line(1, 1)), "row 4: 786 columns");
    for bad in ["256", "-1", "0.5", "", "nan"] {
        let text = line(1, 1).replacen(",1,", &format!(",{bad},"), 1);
        let part = format!("row 4: column 2: \"{bad}\" is not a whole number from 0 to 255");
        refused(format!("{good}\n{text}"), &part);
    }
}
