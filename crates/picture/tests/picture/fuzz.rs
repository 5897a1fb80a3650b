//! Mutated pictures, decoded and prepared in each way. The checksums of a PNG file are mended, so that
//! mutations reach what is behind them.

use std::io::Cursor;

use flate2::Crc;
use image::{GrayImage, ImageFormat, Luma};
use lenet_fuzz::fuzz;
use lenet_picture::{Form, Ink, Picture, Preparation, digits_in_row, prepare};

use crate::png::Png;

/// A few strokes.
fn drawing(format: ImageFormat) -> Vec<u8> {
    let image = GrayImage::from_fn(20, 24, |x, y| {
        Luma([if x.abs_diff(y) < 3 || x == 15 {
            20
        } else {
            230
        }])
    });
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn mend_checksums(file: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(content) = file.get(at + 4..at.saturating_add(8).saturating_add(length)) else {
            return;
        };
        let mut crc = Crc::new();
        crc.update(content);
        at += 8 + length;
        if let Some(sum) = file.get_mut(at..at + 4) {
            sum.copy_from_slice(&crc.sum().to_be_bytes());
        }
        at += 4;
    }
}

#[test]
fn fuzzed_pictures() {
    let coloured = |bits, colour, samples: usize| {
        let png = Png::new(9, 7, bits, colour);
        png.encode(|x, y| (0..samples).map(|c| (x * y) as u16 + c as u16).collect())
    };
    let seeds = [
        drawing(ImageFormat::Png),
        drawing(ImageFormat::Jpeg),
        drawing(ImageFormat::Bmp),
        coloured(16, 6, 4),
        coloured(8, 4, 2),
        coloured(2, 0, 1),
    ];
    fuzz("picture", &seeds, |bytes| {
        let mut bytes = bytes.to_vec();
        mend_checksums(&mut bytes);
        let picture = match Picture::decode(&bytes) {
            Ok(picture) => picture,
            Err(error) => return error.to_string(),
        };
        // Large ones take long, and decoding is what their sizes concern.
        if picture.width() * picture.height() > 10_000 {
            return "large".to_owned();
        }
        let preparations = [Preparation::Ink, Preparation::Resize, Preparation::AsIs];
        let forms = preparations
            .map(|preparation| matches!(prepare(&picture, preparation, Ink::Auto), Form::Blank));
        let digits = digits_in_row(&picture, Ink::Auto).len();
        format!("{forms:?}, {digits} digits")
    });
}
