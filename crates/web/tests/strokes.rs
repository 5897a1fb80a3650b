//! Recorded strokes through the whole way of the page, without a browser.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Cursor;

use candle_core::Device;
use lenet_model::{Weights, pretrained};
use lenet_picture::{Form, Ink, Picture, Preparation, prepare};
use lenet_web::{Answer, Network};

/// A digit as it was drawn: its strokes, coordinates as parts of the sheet's side.
type Recorded = (usize, Vec<Vec<f32>>);

fn recorded() -> Vec<Recorded> {
    let text = include_str!("strokes.json");
    let digits: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
    let stroke = |value: &serde_json::Value| value.as_array().unwrap().iter().map(number).collect();
    digits
        .iter()
        .map(|digit| {
            let strokes = digit["strokes"].as_array().unwrap();
            let label = digit["digit"].as_u64().unwrap() as usize;
            (label, strokes.iter().map(stroke).collect())
        })
        .collect()
}

fn network() -> Network {
    Network::new(pretrained::MNIST).unwrap()
}

fn drawn(network: &mut Network, strokes: &[Vec<f32>]) -> Answer {
    network.clear();
    strokes.iter().for_each(|stroke| network.draw(stroke));
    network.classify_drawing().unwrap()
}

fn label(answer: &Answer) -> usize {
    let probabilities = answer.probabilities();
    let best =
        (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    best.unwrap()
}

#[test]
fn all_recorded_digits_are_right() {
    let mut network = network();
    let digits = recorded();
    assert_eq!(digits.len(), 20);
    for (digit, strokes) in &digits {
        let answer = drawn(&mut network, strokes);
        let probabilities = answer.probabilities();
        println!("{digit}: {} {:.4}", label(&answer), probabilities[*digit]);
        assert_eq!(label(&answer), *digit, "{probabilities:?}");
        assert!((probabilities.iter().sum::<f32>() - 1.).abs() < 1e-5);
    }
}

#[test]
fn an_answer_holds_all_that_the_page_shows() {
    let mut network = network();
    let (_, strokes) = &recorded()[3];
    let answer = drawn(&mut network, strokes);
    assert!(!answer.blank());
    assert_eq!(answer.image().len(), 28 * 28);
    assert_eq!(answer.first_maps().len(), 6 * 28 * 28);
    assert_eq!(answer.second_maps().len(), 16 * 10 * 10);
    // After ReLU, and not all 0.
    for maps in [answer.first_maps(), answer.second_maps()] {
        assert!(maps.iter().all(|&value| value >= 0.));
        assert!(maps.iter().any(|&value| value > 0.));
    }
    let about: serde_json::Value = serde_json::from_str(&network.about()).unwrap();
    assert_eq!(about["class_names"][3], "3");
    assert_eq!(about["parameters"], 61_706);
}

#[test]
fn an_empty_sheet_is_blank() {
    let mut network = network();
    let answer = network.classify_drawing().unwrap();
    assert!(answer.blank() && answer.image().is_empty() && answer.probabilities().is_empty());
    let (_, strokes) = &recorded()[0];
    assert!(!drawn(&mut network, strokes).blank());
    assert!(drawn(&mut network, &[]).blank());
}

/// A seven in blue ink on grey paper, as a PNG file.
fn digit_seven() -> Vec<u8> {
    let corners = [[30., 25.], [85., 25.], [50., 100.]];
    let near = |x: f32, y: f32| {
        corners.windows(2).any(|ends| {
            let ([ax, ay], [bx, by]) = (ends[0], ends[1]);
            let (dx, dy) = (bx - ax, by - ay);
            let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
            let along = along.clamp(0., 1.);
            (x - ax - along * dx).hypot(y - ay - along * dy) < 4.
        })
    };
    let picture = image::RgbImage::from_fn(120, 130, |x, y| match near(x as f32, y as f32) {
        true => image::Rgb([30, 40, 110]),
        false => image::Rgb([190, 188, 180]),
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// A file, its pixels from a canvas, and the library's own way give the same.
#[test]
fn files_and_pixels_agree() {
    let mut network = network();
    let bytes = digit_seven();
    let file = network.classify_file(&bytes).unwrap();
    let (width, height) = (file.picture_width(), file.picture_height());
    let rgba = file.picture();
    let pixels = network.classify_pixels(width, height, &rgba).unwrap();
    assert_eq!(label(&file), 7);
    assert_eq!(file.probabilities(), pixels.probabilities());
    let Form::Digit(image) = prepare(
        &Picture::decode(&bytes).unwrap(),
        Preparation::Ink,
        Ink::Auto,
    ) else {
        panic!("a seven is drawn");
    };
    assert_eq!(file.image(), image);
}

#[test]
fn bad_files_have_an_error_with_a_name() {
    let mut network = network();
    let mut error = |bytes: &[u8]| network.classify_file(bytes).unwrap_err();
    let gif = error(b"GIF89a");
    assert_eq!(gif.name(), "PictureFormat");
    assert!(gif.to_string().contains("GIF"), "{gif}");
    let cut = error(&digit_seven()[..100]);
    assert_eq!(cut.name(), "Picture", "{cut}");
    let wide = image::RgbaImage::new(4097, 1);
    let mut png = Cursor::new(Vec::new());
    wide.write_to(&mut png, image::ImageFormat::Png).unwrap();
    assert_eq!(error(png.get_ref()).name(), "PictureTooLarge");
    let error = network.classify_pixels(2, 2, &[0; 12]).unwrap_err();
    assert!(error.to_string().contains("2x2"), "{error}");
}

/// A network that takes 28x28 pixels as they are sees a picture that is no drawing, and a sheet; its
/// empty sheet is blank nevertheless.
#[test]
fn pictures_are_prepared_as_the_network_says() {
    let mut weights = Weights::from_bytes(pretrained::MNIST, &Device::Cpu).unwrap();
    weights.metadata.preparation = Some(Preparation::AsIs);
    let mut network = Network::new(&weights.to_bytes().unwrap()).unwrap();
    assert!(network.about().contains("\"preparation\":\"as-is\""));
    assert!(network.classify_drawing().unwrap().blank());
    network.draw(&[0.5, 0.]);
    // Half of the dot lies on the sheet, at its top, and is not centred.
    let seen = network.classify_drawing().unwrap().image();
    assert!(seen[14] > 200 && seen[28 * 14..].iter().all(|&pixel| pixel == 0));
    let rgba = [90, 90, 90, 255].repeat(28 * 28);
    let flat = network.classify_pixels(28, 28, &rgba).unwrap();
    assert_eq!(flat.image(), [90; 28 * 28]);
    let cut = Network::new(&pretrained::MNIST[..9_000]);
    assert!(cut.is_err());
}
