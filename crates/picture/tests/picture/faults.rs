//! D1, D3, D4 and D6: what is no picture, too large, damaged or blank.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lenet_files::Kind;
use lenet_picture::{Form, Ink, MAX_BYTES, Picture, Preparation, digits_in_row, prepare};
use lenet_picture::{STEPS, prepare_by_steps};
use proptest::prelude::*;

use crate::golden;
use crate::png::{Png, deflated};

fn refused(picture: lenet_picture::Result<Picture>) -> Kind {
    picture.unwrap_err().kind()
}

#[test]
fn d1_sizes_are_judged_by_the_header() {
    for (width, height) in [(100_000, 100_000), (8_000, 8_000), (4_097, 1), (1, 5_000)] {
        let file = Png::new(width, height, 8, 0).file(&deflated(&[0]));
        let error = Picture::decode(&file).unwrap_err();
        assert_eq!(error.kind(), Kind::PictureTooLarge);
        let size = format!("{width}x{height} pixels");
        assert!(error.to_string().contains(&size), "{error}");
    }
    // A JPEG claims its size too: SOF0 with one component.
    let mut jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0".to_vec();
    jpeg.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\0\xff\xd9");
    assert!(Picture::decode(&jpeg).is_err());
    let large = vec![0; MAX_BYTES + 1];
    assert_eq!(refused(Picture::decode(&large)), Kind::PictureTooLarge);
    // The largest that is taken.
    let file = Png::new(4_096, 1, 8, 0).encode(|x, _| vec![if x < 2_000 { 0 } else { 255 }]);
    assert_eq!(Picture::decode(&file).unwrap().width(), 4_096);
    let nothing = Png::new(0, 5, 8, 0).file(&deflated(&[]));
    assert_eq!(refused(Picture::decode(&nothing)), Kind::Input);
}

#[test]
fn d3_other_formats_are_named() {
    for (bytes, name) in [
        (&b"GIF89a\x01\0\x01\0"[..], "a GIF picture"),
        (b"\xef\xbb\xbf <!DOCTYPE html><p>", "a web page"),
        (b"", "an empty file"),
        (b"a digit", "a file of no known format"),
    ] {
        let error = Picture::decode(bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::PictureFormat);
        let message = format!("{name}; only PNG, JPEG and BMP pictures are read");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn d4_what_is_blank_is_told_so() {
    for (width, height) in [(1, 1), (28, 28), (1, 4096), (4096, 1), (300, 200)] {
        for grey in [0, 1, 128, 254, 255] {
            let picture = Picture::from_grey(width, height, &vec![grey; width * height]).unwrap();
            assert_eq!(prepare(&picture, Preparation::Ink, Ink::Auto), Form::Blank);
            assert_eq!(prepare(&picture, Preparation::Ink, Ink::Dark), Form::Blank);
            assert!(digits_in_row(&picture, Ink::Light).is_empty());
            let (_, steps) = prepare_by_steps(&picture, Preparation::Ink, Ink::Auto);
            let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
            assert_eq!(names, STEPS[..3]);
        }
    }
    // Paper with a shade and grain, and nothing on it.
    let grain = |at: usize| (at * 7919 % 13) as u8;
    let paper: Vec<u8> = (0..200 * 200)
        .map(|at| 150 + (at % 200 / 4) as u8 + grain(at))
        .collect();
    let picture = Picture::from_grey(200, 200, &paper).unwrap();
    assert_eq!(prepare(&picture, Preparation::Ink, Ink::Auto), Form::Blank);
    // A single pixel is a speck.
    let mut speck = vec![255; 28 * 28];
    speck[300] = 0;
    let picture = Picture::from_grey(28, 28, &speck).unwrap();
    assert_eq!(prepare(&picture, Preparation::Ink, Ink::Auto), Form::Blank);
    // Fully transparent.
    let clear = Picture::new(28, 28, vec![[9, 9, 9, 0]; 784]).unwrap();
    assert_eq!(prepare(&clear, Preparation::Ink, Ink::Auto), Form::Blank);
}

#[test]
fn pixels_that_do_not_fit_the_sides_are_refused() {
    let too_few = Picture::new(2, 2, vec![[0; 4]; 3]);
    assert_eq!(refused(too_few), Kind::Input);
    assert_eq!(refused(Picture::new(0, 2, vec![])), Kind::Input);
    let too_wide = Picture::from_grey(4_097, 1, &[0; 4_097]);
    assert_eq!(refused(too_wide), Kind::PictureTooLarge);
}

/// Cut off anywhere, a file gives an error.
#[test]
fn d6_torn_files() {
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
        let mut cursor = std::io::Cursor::new(Vec::new());
        golden().write_to(&mut cursor, format).unwrap();
        let file = cursor.into_inner();
        assert!(Picture::decode(&file).is_ok());
        // A PNG is complete before its last chunk, IEND, of twelve bytes.
        let step = (file.len() / 200).max(1);
        for length in (0..file.len() - 12).step_by(step) {
            let torn = Picture::decode(&file[..length]);
            assert!(torn.is_err(), "{length} of {} bytes", file.len());
        }
    }
}

/// A text chunk that decompresses to half a gigabyte is never decompressed: where the system tells,
/// this process never had that much memory.
#[test]
fn d6_text_is_never_decompressed() {
    let mut png = Png::new(28, 28, 8, 0);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..512 {
        encoder.write_all(&piece).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    png.before = vec![
        (b"zTXt", [b"Comment\0\0".to_vec(), bomb.clone()].concat()),
        (b"iTXt", [b"Comment\0\x01\0\0\0".to_vec(), bomb].concat()),
    ];
    let file = png.encode(|x, _| vec![if x == 14 { 0 } else { 255 }]);
    let picture = Picture::decode(&file).unwrap();
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = line.unwrap().trim().strip_suffix(" kB").unwrap();
        assert!(peak.parse::<u64>().unwrap() < 512 << 10, "{peak} kB");
    }
    assert!(matches!(
        prepare(&picture, Preparation::Ink, Ink::Auto),
        Form::Digit(_)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// D4: any pixels of any size end in one of the two forms, and what is no blank is in MNIST's.
    #[test]
    fn d4_any_picture_is_blank_or_in_form(
        width in 1_usize..=300,
        height in 1_usize..=300,
        seed in any::<u64>(),
        kind in 0..4,
    ) {
        let mut state = seed | 1;
        let mut random = || {
            // Xorshift: https://www.jstatsoft.org/article/view/v008i14
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let pixels = (0..width * height).map(|at| match kind {
            // Noise; noise with alpha; few greys; strokes in steps.
            0 => [random() as u8, random() as u8, random() as u8, 255],
            1 => (random() as u32).to_le_bytes(),
            2 => [[0, 255][(random() % 9 / 8) as usize]; 4],
            _ => [(at as u64 / (seed % 97 + 1) % 2 * 255) as u8, 0, 0, 255],
        }).collect();
        let picture = Picture::new(width, height, pixels).unwrap();
        for ink in [Ink::Auto, Ink::Dark, Ink::Light] {
            let (form, steps) = prepare_by_steps(&picture, Preparation::Ink, ink);
            prop_assert_eq!(form, prepare(&picture, Preparation::Ink, ink));
            if let Form::Digit(image) = form {
                prop_assert_eq!(steps.len(), STEPS.len());
                prop_assert_eq!(*image.iter().max().unwrap(), 255);
                let lit = (0..784).filter(|&at| image[at] > 0);
                let (rows, columns): (Vec<_>, Vec<_>) = lit.map(|at| (at / 28, at % 28)).unzip();
                let extent = |v: &[usize]| v.iter().max().unwrap() - v.iter().min().unwrap() + 1;
                prop_assert!(extent(&rows).max(extent(&columns)) <= 20);
            }
            for digit in digits_in_row(&picture, ink) {
                prop_assert!(digit.columns.end <= width && digit.rows.end <= height);
                prop_assert!(!digit.columns.is_empty() && !digit.rows.is_empty());
            }
        }
    }

    /// D6: bytes that were changed give an error or a picture.
    #[test]
    fn d6_changed_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        jpeg in any::<bool>(),
    ) {
        let mut bytes = match jpeg {
            true => include_bytes!("progressive.jpg").to_vec(),
            false => Png::new(20, 20, 8, 0).encode(|x, y| vec![(x * y % 256) as u16]),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(picture) = Picture::decode(&bytes) {
            prepare(&picture, Preparation::Ink, Ink::Auto);
        }
    }
}
