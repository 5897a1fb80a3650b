//! Bytes that lie: faults B1 to B8.

use lenet_data::{Dataset, gzip, idx as parse};
use proptest::prelude::*;

use crate::common::{gzip, header, idx, images, labels};

#[test]
fn every_lie_of_an_image_file_is_told() {
    let huge = u64::from(u32::MAX) * 784;
    let huge_claim = format!(
        "claims {} bytes in all, the file has 16: {huge} are missing",
        huge + 16
    );
    let long = [images(3), vec![0; 77]].concat();
    let long_claim = "the header claims 2368 bytes in all, the file has 2445: 77 too many";
    for (bytes, part) in [
        // B1
        (&b""[..], "0 bytes, an IDX image file needs at least 16"),
        (
            &header(&[1, 28, 28])[..15],
            "15 bytes, an IDX image file needs at least 16",
        ),
        // B2
        (b"\x89PNG\r\n\x1a\n", "not an IDX file but a PNG picture"),
        (
            b"\n <!DOCTYPE html><html>",
            "not an IDX file but a web page",
        ),
        (b"\x1f\x8b\x08\x00", "but a gzip file"),
        (
            b"\x03\x08\x00\x00\x60\xea\x00\x00",
            "but a byte-swapped IDX file",
        ),
        (
            b"\x00\x00\x0d\x03",
            "IDX element type 0x0d, only 0x08 is read",
        ),
        (
            &labels(&[1, 2]),
            "an IDX file of 1 dimensions, image files have 3: this is a label file",
        ),
        (
            &[1, 2, 3, 4],
            "not an IDX file: it starts with [01, 02, 03, 04]",
        ),
        // B3
        (&header(&[u32::MAX, 28, 28]), &huge_claim),
        (&header(&[u32::MAX; 3]), "more than any file can hold"),
        // B4
        (
            &idx(&[1, 27, 28], &[0; 27 * 28]),
            "images of 27x28 pixels, this network takes 28x28",
        ),
        (&idx(&[5, 0, 28], &[]), "images of 0x28 pixels"),
        // B5
        (
            &images(3)[..2367],
            "claims 2368 bytes in all, the file has 2367: 1 are missing",
        ),
        (&long, long_claim),
    ] {
        let message = parse::images(bytes.to_vec()).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} in {message}");
    }
    // A header without elements is complete; a set without images is refused later.
    assert!(parse::images(header(&[0, 28, 28])).unwrap().is_empty());
}

#[test]
fn every_lie_of_a_label_file_is_told() {
    let integers = |columns: u32| {
        let mut bytes = idx(&[2, columns], &vec![0xff; 8 * columns as usize]);
        bytes[2] = 0x0c;
        bytes
    };
    assert_eq!(parse::labels(&integers(8)).unwrap(), [-1, -1]);
    for (bytes, part) in [
        (&images(1)[..], "this is an image file"),
        (
            &integers(7),
            "have 8 columns of 32 bits, as QMNIST's; this one has 7",
        ),
        (&integers(8)[..75], "1 are missing"),
    ] {
        let message = parse::labels(bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

/// B6 and B7.
#[test]
fn sets_that_do_not_fit_together_are_refused() {
    for (pixels, labels, classes, part) in [
        (6 * 784, vec![1], 10, "6 images but 1 labels"),
        (
            3 * 784,
            vec![0, 9, 10],
            10,
            "label 10 at index 2, the 10 classes are 0 to 9",
        ),
        (0, vec![], 10, "0 images"),
        (783, vec![0], 1, "the last image has only 783 of 784"),
        (
            784,
            vec![0],
            0,
            "0 classes, there must be between 1 and 256",
        ),
        (784, vec![0], 257, "257 classes"),
    ] {
        let names = (0..classes).map(|class| class.to_string());
        let error = Dataset::new(vec![0; pixels], labels, names)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{part:?} in {error}");
    }
}

#[test]
fn b8_gzip_streams_that_lie() {
    let content = images(2);
    let whole = gzip(&content);
    let refused = |bytes: &[u8], part: &str| {
        let error = gzip::decode(bytes, 4_096).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} in {error}");
    };
    for end in 0..whole.len() {
        refused(&whole[..end], "the gzip stream is cut off");
    }
    // Its checksum and its length.
    for index in [whole.len() - 8, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        refused(&damaged, "the gzip stream is damaged: ");
    }
    refused(&[&whole[..], b"abc"].concat(), "3 bytes follow the end");
    refused(&[&whole[..], &whole[..]].concat(), "bytes follow the end");
    refused(&gzip(&whole), "a gzip stream inside a gzip stream");
    assert_eq!(gzip::decode(&whole, content.len()).unwrap(), content);
    // A stream of 256 MB in 256 KB: no more than the limit is ever decompressed.
    refused(
        &gzip(&vec![0; 1 << 28]),
        "decompresses to more than 4096 bytes",
    );
}

proptest! {
    /// No bytes make the parsers panic, and what they accept is as long as the header says.
    #[test]
    fn any_bytes(dimensions: [u32; 3], tail in prop::collection::vec(any::<u8>(), 0..64)) {
        for bytes in [tail.clone(), idx(&dimensions, &tail), idx(&[tail.len() as u32], &tail)] {
            if let Ok(pixels) = parse::images(bytes.clone()) {
                prop_assert_eq!(pixels.len() + 16, bytes.len());
            }
            if let Ok(labels) = parse::labels(&bytes) {
                prop_assert_eq!(labels.len() + 8, bytes.len());
            }
            if let Ok(content) = gzip::decode(&bytes, 1_000) {
                prop_assert!(content.len() <= 1_000);
            }
        }
    }
}
