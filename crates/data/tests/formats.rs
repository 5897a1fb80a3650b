//! Bytes that lie: FAULTS B1 to B8.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{gzip, header, idx, images, labels};
use lenet_data::{Dataset, FormatError, gzip, idx as parse};
use proptest::prelude::*;

const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The message for bytes that are no image file.
fn image_error(bytes: &[u8]) -> String {
    parse::images(bytes).unwrap_err().to_string()
}

#[test]
fn b1_too_short_for_a_header() {
    for (bytes, found) in [
        (Vec::new(), "0 bytes"),
        (vec![0, 0, 8], "3 bytes"),
        (vec![0, 0, 8, 3], "4 bytes"),
        (header(&[1, 28, 28])[..15].to_vec(), "15 bytes"),
    ] {
        let message = image_error(&bytes);
        assert_eq!(
            message,
            format!("{found}, an IDX image file needs at least 16")
        );
    }
    assert_eq!(
        parse::labels(&[0, 0, 8, 1, 0, 0, 0])
            .unwrap_err()
            .to_string(),
        "7 bytes, an IDX label file needs at least 8"
    );
    // A header without elements is whole, and a set without images is refused later.
    assert!(parse::images(&header(&[0, 28, 28])).unwrap().is_empty());
}

#[test]
fn b2_something_else() {
    for (bytes, part) in [
        (
            &b"\x89PNG\r\n\x1a\n"[..],
            "it starts with [89, 50, 4e, 47], as a PNG picture does",
        ),
        (b"\n <!DOCTYPE html><html>", "it is a web page"),
        (b"<html><body>404", "it is a web page"),
        (b"PK\x03\x04aaaa", "as a zip archive does"),
        (b"\x1f\x8b\x08\x00", "as a gzip stream does"),
        (b"\x28\xb5\x2f\xfd", "as a Zstandard stream does"),
        (
            b"\x03\x08\x00\x00\x60\xea\x00\x00",
            "IDX file in the wrong byte order",
        ),
        (b"\x00\x00\x0d\x03", "IDX element type 0x0d"),
        (
            &idx(&[1, 1, 28, 28], &[0; 784]),
            "an IDX file of 4 dimensions, image files have 3",
        ),
        (&labels(&[1, 2]), "this is a label file"),
        (
            &[1, 2, 3, 4],
            "not an IDX file: it starts with [01, 02, 03, 04]",
        ),
    ] {
        let message = image_error(bytes);
        assert!(message.contains(part), "{message}");
    }
    let message = parse::labels(&images(1)).unwrap_err().to_string();
    assert!(message.contains("this is an image file"), "{message}");
}

#[test]
fn b3_headers_that_claim_more_than_there_is() {
    let message = image_error(&header(&[u32::MAX, 28, 28]));
    assert_eq!(
        message,
        format!(
            "the header claims {} bytes in all, the file has 16: {} are missing",
            u64::from(u32::MAX) * 784 + 16,
            u64::from(u32::MAX) * 784
        )
    );
    // The image size is judged after the length; here neither fits into 64 bits.
    let message = image_error(&header(&[u32::MAX, u32::MAX, u32::MAX]));
    assert!(message.contains("more than any file can hold"), "{message}");
}

#[test]
fn b4_images_of_another_size() {
    for dimensions in [[1, 27, 28], [1, 28, 29], [784, 1, 1], [5, 0, 28]] {
        let count: u32 = dimensions.iter().product();
        let bytes = idx(&dimensions, &vec![0; count as usize]);
        let [_, rows, columns] = dimensions;
        assert_eq!(
            parse::images(&bytes),
            Err(FormatError::ImageSize { rows, columns })
        );
    }
}

#[test]
fn b5_every_wrong_length_is_told_exactly() {
    let whole = images(3);
    for k in 1..=1_024 {
        let claimed = whole.len();
        let short = parse::images(&whole[..claimed - k]);
        assert_eq!(
            short,
            Err(FormatError::TooShort {
                claimed,
                found: claimed - k
            })
        );
        let long = [&whole[..], &vec![0; k]].concat();
        let found = claimed + k;
        assert_eq!(
            parse::images(&long),
            Err(FormatError::TooLong { claimed, found })
        );
    }
}

#[test]
fn b6_images_and_labels_that_do_not_belong_together() {
    let error = Dataset::from_idx(images(6), labels(&[1]), &CLASSES).unwrap_err();
    assert_eq!(error.to_string(), "6 images but 1 labels");
}

#[test]
fn b7_labels_outside_of_the_classes() {
    for label in [10, 26, 255] {
        let error = Dataset::from_idx(images(3), labels(&[0, 9, label]), &CLASSES).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("label {label} at index 2, the 10 classes are 0 to 9")
        );
    }
}

#[test]
fn sets_that_are_none() {
    let error = Dataset::from_idx(images(0), labels(&[]), &CLASSES).unwrap_err();
    assert_eq!(error, FormatError::NoImages);
    let error = Dataset::new(vec![0; 783], vec![0], ["a"]).unwrap_err();
    assert_eq!(
        error,
        FormatError::TooShort {
            claimed: 784,
            found: 783
        }
    );
    let none: [&str; 0] = [];
    let error = Dataset::new(vec![0; 784], vec![0], none).unwrap_err();
    assert_eq!(error, FormatError::ClassCount { found: 0 });
    let many = (0..257).map(|class| class.to_string());
    let error = Dataset::new(vec![0; 784], vec![0], many).unwrap_err();
    assert_eq!(error, FormatError::ClassCount { found: 257 });
}

#[test]
fn b8_gzip_cut_off_anywhere() {
    let whole = gzip(&images(2));
    for end in 0..whole.len() {
        assert_eq!(
            gzip::decode(&whole[..end], 4_096),
            Err(FormatError::GzipTruncated),
            "{end}"
        );
    }
}

#[test]
fn b8_gzip_damaged_or_followed() {
    let content = images(2);
    let whole = gzip(&content);
    let n = whole.len();
    for (index, what) in [(n - 8, "checksum"), (n - 1, "length")] {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        let error = gzip::decode(&damaged, 4_096).unwrap_err();
        assert!(
            matches!(error, FormatError::GzipDamaged { .. }),
            "{what}: {error}"
        );
    }
    let trailing = [&whole[..], b"abc"].concat();
    assert_eq!(
        gzip::decode(&trailing, 4_096),
        Err(FormatError::GzipTrailing { extra: 3 })
    );
    let twice = [&whole[..], &whole[..]].concat();
    assert_eq!(
        gzip::decode(&twice, 4_096),
        Err(FormatError::GzipTrailing { extra: n })
    );
    assert_eq!(
        gzip::decode(&gzip(&whole), 4_096),
        Err(FormatError::GzipNested)
    );
    assert_eq!(gzip::decode(&whole, content.len()), Ok(content.clone()));
    let limit = content.len() - 1;
    assert_eq!(
        gzip::decode(&whole, limit),
        Err(FormatError::GzipTooLarge { limit })
    );
}

/// A stream of 1 GB in 1 MB: no more than the limit is ever decompressed.
#[test]
fn b8_gzip_bomb_stops_at_the_limit() {
    let bomb = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        let zeros = vec![0; 1 << 20];
        for _ in 0..1_024 {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.finish().unwrap()
    };
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    let limit = 1 << 16;
    assert_eq!(
        gzip::decode(&bomb, limit),
        Err(FormatError::GzipTooLarge { limit })
    );
}

proptest! {
    /// What is written is read, whatever it holds.
    #[test]
    fn idx_round_trip(count in 0_u32..5, seed: u8) {
        let pixels: Vec<u8> = (0..count * 784).map(|i| (i as u8).wrapping_mul(seed)).collect();
        let bytes = idx(&[count, 28, 28], &pixels);
        prop_assert_eq!(parse::images(&bytes).unwrap(), &pixels[..]);
        let bytes = idx(&[count], &pixels[..count as usize]);
        prop_assert_eq!(parse::labels(&bytes).unwrap(), &pixels[..count as usize]);
    }

    /// No bytes make the parsers panic, and what they accept is as long as the header says.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(pixels) = parse::images(&bytes) {
            prop_assert_eq!(pixels.len() + 16, bytes.len());
        }
        if let Ok(labels) = parse::labels(&bytes) {
            prop_assert_eq!(labels.len() + 8, bytes.len());
        }
        if let Ok(content) = gzip::decode(&bytes, 1_000) {
            prop_assert!(content.len() <= 1_000);
        }
    }

    /// Likewise for bytes that begin as an image file does, with any dimensions.
    #[test]
    fn any_dimensions(dimensions: [u32; 3], tail in 0_usize..2_000) {
        let bytes = idx(&dimensions, &vec![7; tail]);
        match parse::images(&bytes) {
            Ok(pixels) => {
                prop_assert_eq!([dimensions[1], dimensions[2]], [28, 28]);
                prop_assert_eq!(pixels.len(), dimensions[0] as usize * 784);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    /// A flipped bit in a gzip stream is never taken for another content: its checksum is checked.
    #[test]
    fn a_flipped_bit_is_noticed(bit in 0_usize..8 * 200) {
        let content = images(1);
        let mut stream = gzip(&content);
        let bit = bit % (8 * stream.len());
        stream[bit / 8] ^= 1 << (bit % 8);
        // The header has fields that nobody reads, such as the time.
        if let Ok(decoded) = gzip::decode(&stream, 4_096) {
            prop_assert_eq!(decoded, content);
        }
    }
}
