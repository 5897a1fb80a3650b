//! D2 and D5: one digit in many encodings is one image.

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, RgbImage, imageops};
use lenet_picture::Picture;

use crate::png::Png;
use crate::{difference, form, golden, grey};

/// What lossless encodings may differ by on the mean, in 255ths: the roundings of colours. The
/// picture upside down differs by 23.
const LOSSLESS: f64 = 0.2;

/// What a coarse quantisation of the greys, JPEG's included, or other colours of ink may move soft
/// edges by: two greys in place of 256 move them by 6.8.
const LOSSY: f64 = 10.;

fn jpeg(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
    image.write_with_encoder(encoder).unwrap();
    bytes
}

/// A JPEG file with an EXIF orientation.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend(tiff(orientation));
    let mut file = jpeg[..2].to_vec();
    file.extend([0xff, 0xe1, 0, exif.len() as u8 + 2]);
    file.extend(exif);
    file.extend(&jpeg[2..]);
    file
}

/// EXIF data of one entry: tag 0x0112, a short.
fn tiff(orientation: u8) -> Vec<u8> {
    let mut data = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    data.extend([orientation, 0, 0, 0, 0, 0, 0]);
    data
}

/// Every encoding of the digit by its name, with the tolerance.
fn encodings() -> Vec<(&'static str, f64, Vec<u8>)> {
    let digit = golden();
    let (width, height) = digit.dimensions();
    let at = |x, y| u16::from(digit.get_pixel(x, y).0[0]);
    let png = |bits, colour| Png::new(width, height, bits, colour);
    let plain = |name, tolerance, bits, colour, samples: &dyn Fn(u16) -> Vec<u16>| {
        let file = png(bits, colour).encode(|x, y| samples(at(x, y)));
        (name, tolerance, file)
    };
    let mut all = vec![
        plain("grey of 8 bits", 0., 8, 0, &|v| vec![v]),
        plain("grey of 16 bits", LOSSLESS, 16, 0, &|v| vec![v * 257]),
        plain("grey of 4 bits", LOSSY, 4, 0, &|v| vec![v / 16]),
        plain("grey of 2 bits", LOSSY, 2, 0, &|v| vec![v / 64]),
        plain("grey of 1 bit", LOSSY, 1, 0, &|v| vec![v / 128]),
        plain("RGB", LOSSLESS, 8, 2, &|v| vec![v; 3]),
        plain("RGB of 16 bits", LOSSLESS, 16, 2, &|v| vec![v * 257; 3]),
        plain("dark on transparent", LOSSLESS, 8, 4, &|v| vec![0, 255 - v]),
        plain("light on transparent", LOSSLESS, 8, 4, &|v| {
            vec![255, 255 - v]
        }),
        plain("opaque RGBA", LOSSLESS, 8, 6, &|v| vec![v, v, v, 255]),
        plain("white on black", LOSSLESS, 8, 0, &|v| vec![255 - v]),
    ];
    let palette = |bits: u8| {
        let last = (1_u32 << bits) - 1;
        let colours = (0..=last).flat_map(|index| [(index * 255 / last) as u8; 3]);
        let mut png = png(bits, 3);
        png.before = vec![(b"PLTE", colours.collect())];
        png.encode(|x, y| vec![at(x, y) >> (8 - bits)])
    };
    all.push(("palette of 8 bits", 0., palette(8)));
    all.push(("palette of 4 bits", LOSSY, palette(4)));
    all.push(("palette of 1 bit", LOSSY, palette(1)));

    let mut gamma = png(8, 0);
    gamma.before = vec![(b"gAMA", 100_000_u32.to_be_bytes().to_vec())];
    all.push(("gamma", LOSSLESS, gamma.encode(|x, y| vec![at(x, y)])));
    let mut key = png(8, 0);
    key.before = vec![(b"tRNS", vec![0, 255])];
    let white = key.encode(|x, y| vec![at(x, y)]);
    all.push(("white declared transparent", LOSSLESS, white));
    let mut turned_png = png(8, 0);
    turned_png.before = vec![(b"eXIf", tiff(3))];
    let upside_down = turned_png.encode(|x, y| vec![at(width - 1 - x, height - 1 - y)]);
    all.push(("PNG turned by EXIF", 0., upside_down));

    let blue = RgbImage::from_fn(width, height, |x, y| {
        let ink = (255 - at(x, y)) as f32 / 255.;
        let mix = |paper: f32, pen: f32| (paper + (pen - paper) * ink).round() as u8;
        image::Rgb([mix(250., 20.), mix(245., 40.), mix(230., 160.)])
    });
    all.push(("blue on cream, as JPEG", LOSSY, jpeg(&blue.into())));
    let plain = jpeg(&DynamicImage::ImageLuma8(digit.clone()));
    // 6: to be turned by a quarter to the right.
    let left: GrayImage = imageops::rotate270(&digit);
    let phone = turned(&jpeg(&DynamicImage::ImageLuma8(left)), 6);
    all.push(("JPEG of a phone held upright", LOSSY, phone));
    all.push(("EXIF that is damaged", LOSSY, turned(&plain, 77)));
    all.push(("JPEG", LOSSY, plain));
    let mut bmp = std::io::Cursor::new(Vec::new());
    digit.write_to(&mut bmp, image::ImageFormat::Bmp).unwrap();
    all.push(("BMP", 0., bmp.into_inner()));
    let progressive = include_bytes!("progressive.jpg").to_vec();
    all.push(("progressive JPEG", LOSSY, progressive));
    all
}

#[test]
fn d2_one_digit_in_many_encodings() {
    let expected = form(&grey(&golden()));
    let all = encodings();
    assert!(all.len() >= 20);
    for (name, tolerance, bytes) in all {
        let picture = Picture::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = difference(&form(&picture), &expected);
        assert!(found <= tolerance, "{name}: {found}");
    }
    // The measure tells a wrong picture.
    let upside_down = form(&grey(&imageops::rotate180(&golden())));
    assert!(difference(&upside_down, &expected) > 2. * LOSSY);
}

#[test]
fn d2_colours_of_print_are_refused() {
    let cmyk = include_bytes!("cmyk.jpg");
    let error = Picture::decode(cmyk).unwrap_err();
    assert_eq!(error.kind(), lenet_files::Kind::PictureFormat);
}
