//! Foreign pictures: files of every kind, and what becomes of them. FAULTS D1 to D6.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encodings;
mod faults;
mod fuzz;
mod invariances;
mod png;
mod surroundings;

use std::path::Path;

use lenet_picture::{Form, Ink, Picture, Preparation, prepare};

/// A drawn digit of the fixtures, as grey bytes black on white.
fn drawn(name: &str) -> image::GrayImage {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drawn-digits");
    image::open(folder.join(name)).unwrap().to_luma8()
}

/// The digit of the golden set: a five whose bar is drawn apart from it, 168x168 pixels with soft
/// edges.
fn golden() -> image::GrayImage {
    let filter = image::imageops::FilterType::CatmullRom;
    image::imageops::resize(&drawn("5-007.png"), 168, 168, filter)
}

#[track_caller]
fn form(picture: &Picture) -> [u8; 784] {
    match prepare(picture, Preparation::Ink, Ink::Auto) {
        Form::Digit(image) => image,
        Form::Blank => panic!("blank"),
    }
}

/// The mean difference of two images' pixels, where they lie on each other best: what moves the
/// centre of mass by a hundredth of a pixel may move the image by a whole one.
fn difference(a: &[u8; 784], b: &[u8; 784]) -> f64 {
    let shifts = (0..3).flat_map(|y| (0..3).map(move |x| 28 * y + x));
    // The frames of both are black but for a few images of MNIST.
    let shifted = |shift: usize| {
        let (a, b) = (a.iter().skip(29), b.iter().cycle().skip(784 + shift));
        let differences = std::iter::zip(a, b).map(|(&a, &b)| f64::from(a.abs_diff(b)));
        differences.sum::<f64>() / 784.
    };
    shifts.map(shifted).fold(f64::INFINITY, f64::min)
}

fn grey(image: &image::GrayImage) -> Picture {
    let (width, height) = image.dimensions();
    Picture::from_grey(width as usize, height as usize, image).unwrap()
}
