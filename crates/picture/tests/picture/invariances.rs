//! What makes no difference, and what MNIST's images are.

use image::GrayImage;
use image::imageops::{self, FilterType};
use lenet_data::embedded;
use lenet_picture::{Form, Ink, Picture, Preparation, prepare, prepare_by_steps};

use crate::{difference, drawn, form, grey};

/// The name and the picture of one drawn digit of each class.
fn digits() -> impl Iterator<Item = (String, GrayImage)> {
    let names = (0..10).map(|class| format!("{class}-007.png"));
    names.map(|name| (name.clone(), drawn(&name)))
}

/// A digit on a larger sheet of white.
fn on_sheet(digit: &GrayImage, side: u32, x: i64, y: i64) -> GrayImage {
    let mut sheet = GrayImage::from_pixel(side, side, image::Luma([255]));
    imageops::overlay(&mut sheet, digit, x, y);
    sheet
}

/// MNIST's own images stay as they are, all 70,000 of them, also as negatives.
#[test]
fn mnist_comes_out_unchanged() {
    let splits = embedded::mnist().unwrap();
    for (image, _) in splits.test.iter().chain(splits.train.iter()) {
        let picture = Picture::from_grey(28, 28, image).unwrap();
        assert_eq!(
            prepare(&picture, Preparation::Ink, Ink::Auto),
            Form::Digit(*image)
        );
        assert_eq!(
            prepare(&picture, Preparation::Ink, Ink::Light),
            Form::Digit(*image)
        );
    }
    for (image, _) in splits.test.iter().take(1_000) {
        let negative = image.map(|pixel| 255 - pixel);
        let picture = Picture::from_grey(28, 28, &negative).unwrap();
        assert_eq!(
            prepare(&picture, Preparation::Ink, Ink::Auto),
            Form::Digit(*image)
        );
    }
}

#[test]
fn where_a_digit_stands_makes_no_difference() {
    for (name, digit) in digits() {
        let expected = form(&grey(&on_sheet(&digit, 100, 40, 40)));
        for (x, y) in [(10, 10), (60, 5), (3, 71)] {
            let found = form(&grey(&on_sheet(&digit, 100, x, y)));
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// Twice as large, on grey paper with a gradient and grain, and in the shadow of a hand: nearly the
/// same image.
#[test]
fn size_and_paper_make_little_difference() {
    for (name, digit) in digits() {
        let expected = form(&grey(&on_sheet(&digit, 48, 10, 10)));
        let scaled = |times: u32| {
            let side = 28 * times;
            let large = imageops::resize(&digit, side, side, FilterType::Triangle);
            let at = i64::from(10 * times);
            on_sheet(&large, side + 20 * times, at, at)
        };
        // Edges move by a part of a pixel, which was a difference of 9.7 at most; the most similar
        // two of these digits differ by 23.
        for times in [2, 10] {
            let found = difference(&form(&grey(&scaled(times))), &expected);
            assert!(found < 12., "{name} {times} times: {found}");
        }
        let paper = |shade: &dyn Fn(u32, u32) -> f32| {
            let mut photo = scaled(10);
            for (x, y, pixel) in photo.enumerate_pixels_mut() {
                let grain = ((x * 7919 + y * 104_729) % 11) as f32 - 5.;
                // The darkest ink throws a fifth of the light back.
                let light = 0.2 + 0.8 * f32::from(pixel.0[0]) / 255.;
                pixel.0[0] = (shade(x, y) * light + grain).clamp(0., 255.) as u8;
            }
            difference(&form(&grey(&photo)), &expected)
        };
        let gradient = paper(&|x, y| 230. - 0.2 * x as f32 - 0.1 * y as f32);
        assert!(gradient < 12., "{name} gradient: {gradient}");
        let dim = paper(&|_, _| 100.);
        assert!(dim < 12., "{name} dim: {dim}");
        let shadow = paper(&|x, y| 120. + 90. * (((x + y) as f32 - 370.) / 60.).clamp(0., 1.));
        assert!(shadow < 12., "{name} shadow: {shadow}");
    }
}

/// 20 pixels in the longer side, the centre of mass in the middle of pixel (14, 14), white on black.
#[test]
fn drawn_digits_come_into_form() {
    for (name, digit) in digits() {
        let (found, steps) = prepare_by_steps(&grey(&digit), Preparation::Ink, Ink::Auto);
        let Form::Digit(image) = found else {
            panic!("{name} is not blank")
        };
        assert_eq!(
            prepare(&grey(&digit), Preparation::Ink, Ink::Dark),
            Form::Digit(image)
        );
        let boxed = &steps[4].picture;
        assert_eq!(boxed.width().max(boxed.height()), 20, "{name}");
        let mass: f64 = image.iter().map(|&pixel| f64::from(pixel)).sum();
        let centre = |of: fn(usize) -> usize| {
            let moments = image.iter().enumerate();
            let moments = moments.map(|(at, &pixel)| (of(at) as f64 + 0.5) * f64::from(pixel));
            moments.sum::<f64>() / mass
        };
        for centre in [centre(|at| at % 28), centre(|at| at / 28)] {
            assert!((centre - 14.5).abs() <= 0.5, "{name}: {centre}");
        }
        assert_eq!(image[..28], [0; 28], "{name}");
        // In form, it stays as it is.
        let picture = Picture::from_grey(28, 28, &image).unwrap();
        assert_eq!(form(&picture), image, "{name}");
        assert_eq!(steps[5].picture.pixels(), image);
    }
}
