//! Files of the tests' own making.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod zip;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Says why a test is skipped, past the test runner, which swallows what passing tests print.
pub fn skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// An IDX header of unsigned bytes.
pub fn header(dimensions: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    for dimension in dimensions {
        bytes.extend(dimension.to_be_bytes());
    }
    bytes
}

/// An IDX file.
pub fn idx(dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    [header(dimensions), elements.to_vec()].concat()
}

/// An IDX file of images, each filled with its number.
pub fn images(count: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count).flat_map(|image| [image; 784]).collect();
    idx(&[u32::from(count), 28, 28], &pixels)
}

/// An IDX file of labels.
pub fn labels(labels: &[u8]) -> Vec<u8> {
    idx(&[labels.len() as u32], labels)
}

/// A gzip stream of one member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
