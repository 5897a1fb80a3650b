//! Pictures that are dropped, pasted and opened, and that they are read as `lenet predict` does.

use std::io::Cursor;
use std::process::Command;

use image::{GrayImage, ImageFormat, Luma, imageops};
use serde_json::{Value, json};

use super::{Browser, Shown, Site, is_clean, opened, settle, shown};

/// Hands the page a file, by `drop` or `paste`, and waits for what it makes of it.
pub fn give(browser: &Browser, way: &str, name: &str, bytes: &[u8]) -> Shown {
    let script = "
        const [way, name, bytes] = arguments;
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(bytes)], name));
        const options = { bubbles: true, cancelable: true };
        document.getElementById('message').textContent = '';
        document.documentElement.dataset.answers = 0;
        const target = document.getElementById('sheet');
        if (way === 'drop') {
          target.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, ...options }));
        } else {
          target.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, ...options }));
        }";
    browser.run(script, &[way.into(), name.into(), json!(bytes)]);
    browser.wait(
        "document.documentElement.dataset.answers > 0 \
         || document.getElementById('message').textContent !== ''",
    );
    shown(browser)
}

pub fn encoded(image: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An image of MNIST as people have digits: of another size, at another place, dark on grey paper.
pub fn on_paper(pixels: &[u8], variant: u32) -> GrayImage {
    let digit = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
    let side = 40 + 13 * (variant % 7);
    let digit = imageops::resize(&digit, side, side, imageops::FilterType::Triangle);
    let paper = 170 + 12 * (variant % 8) as i32;
    let mut picture = GrayImage::from_pixel(side + 60, side + 40, Luma([paper as u8]));
    let (left, top) = (5 + variant % 31, 3 + variant % 29);
    for (x, y, pixel) in digit.enumerate_pixels() {
        let shade = paper - paper * i32::from(pixel.0[0]) / 280;
        picture.put_pixel(left + x, top + y, Luma([shade as u8]));
    }
    picture
}

/// 200 pictures: as they are in MNIST, and as PNG and JPEG files of other forms.
fn pictures() -> Vec<(String, Vec<u8>)> {
    let test = lenet_data::embedded::mnist().unwrap().test;
    let picture = |index: usize| {
        let pixels = test.get(index).unwrap().0;
        let variant = index as u32;
        match index % 4 {
            0 => {
                let image = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
                (format!("{index}.png"), encoded(&image, ImageFormat::Png))
            }
            1 => (
                format!("{index}.jpg"),
                encoded(&on_paper(pixels, variant), ImageFormat::Jpeg),
            ),
            _ => (
                format!("{index}.png"),
                encoded(&on_paper(pixels, variant), ImageFormat::Png),
            ),
        }
    };
    (0..200).map(picture).collect()
}

/// The answers of `lenet predict` to the pictures: labels and probabilities.
fn predicted(pictures: &[(String, Vec<u8>)]) -> Vec<(String, Vec<f64>)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in pictures {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lenet"))
        .args(["predict", "--format", "json", "--quiet"])
        .args(pictures.iter().map(|(name, _)| name))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(answer).collect()
}

/// Label and probabilities of an object that `lenet predict` or the server wrote.
fn answer(json: &str) -> (String, Vec<f64>) {
    let answer: Value = serde_json::from_str(json).unwrap();
    let part = |digit: usize| answer["probabilities"][digit.to_string()].as_f64().unwrap();
    (
        answer["label"].as_str().unwrap().to_owned(),
        (0..10).map(part).collect(),
    )
}

/// The third way beside page and command line: `lenet serve`. It needs no browser.
#[test]
fn server_and_command_line_agree_on_200_pictures() {
    let server = Site::served();
    let url = format!("{}api/predict", server.address());
    let pictures = pictures();
    let mut largest = 0_f64;
    for ((name, bytes), (label, probabilities)) in std::iter::zip(&pictures, predicted(&pictures)) {
        let kind = if name.ends_with("png") {
            "image/png"
        } else {
            "image/jpeg"
        };
        let request = ureq::post(&url).header("content-type", kind);
        let mut response = request.send(bytes).unwrap();
        let served = answer(&response.body_mut().read_to_string().unwrap());
        assert_eq!(served.0, label, "{name}: {served:?}");
        for (a, b) in std::iter::zip(&served.1, &probabilities) {
            largest = largest.max((a - b).abs());
        }
        assert!(largest < 1e-5, "{name}: {served:?} {probabilities:?}");
    }
    println!("200 pictures, probabilities within {largest:.1e}");
}

#[test]
fn page_and_command_line_agree_on_200_pictures() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let pictures = pictures();
    let predicted = predicted(&pictures);
    assert_eq!(predicted.len(), pictures.len());
    let mut largest = 0_f64;
    for ((name, bytes), (label, probabilities)) in std::iter::zip(&pictures, &predicted) {
        let answer = give(&browser, "drop", name, bytes);
        assert_eq!(answer.digit, *label, "{name}: {answer:?}");
        assert_eq!(answer.probabilities.len(), 10, "{name}: {answer:?}");
        for (a, b) in std::iter::zip(&answer.probabilities, probabilities) {
            largest = largest.max((a - b).abs());
        }
        assert!(largest < 1e-5, "{name}: {answer:?} {probabilities:?}");
    }
    println!("200 pictures, probabilities within {largest:.1e}");
    is_clean(&browser, &site);
}

#[test]
fn pictures_are_dropped_pasted_and_opened() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let test = lenet_data::embedded::mnist().unwrap().test;
    let png = |index: usize| encoded(&on_paper(test.get(index).unwrap().0, 3), ImageFormat::Png);
    // The first images of the test set are 7, 2, 1 and 0.
    assert_eq!(give(&browser, "drop", "a.png", &png(0)).digit, "7");
    assert_eq!(give(&browser, "paste", "b.png", &png(1)).digit, "2");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.png");
    std::fs::write(&file, png(3)).unwrap();
    // The photo of a camera comes by an input of its own.
    for input in ["#file", "#photo"] {
        browser.choose(input, &file);
        browser.wait("document.getElementById('digit').textContent === '0'");
        browser.click("#undo");
        settle(&browser);
        assert_eq!(shown(&browser).digit, "2");
    }
    // Drawing puts the picture aside, and undoing brings it back.
    browser.stroke("#sheet", "mouse", &[[0.5, 0.2], [0.5, 0.8]]);
    settle(&browser);
    assert_eq!(shown(&browser).digit, "1");
    browser.click("#undo");
    settle(&browser);
    assert_eq!(shown(&browser).digit, "2");

    let blank = encoded(
        &GrayImage::from_pixel(90, 60, Luma([200])),
        ImageFormat::Png,
    );
    assert_eq!(
        give(&browser, "drop", "blank.png", &blank).words,
        "Nothing drawn"
    );

    // What cannot be read is said, and what was there stays.
    assert_eq!(give(&browser, "drop", "a.png", &png(0)).digit, "7");
    for (name, bytes, reason) in [
        ("note.txt", b"hello".to_vec(), "only PNG and JPEG"),
        (
            "cut.png",
            png(0)[..200].to_vec(),
            "cannot be read|not a picture",
        ),
        ("page.html", b"<!doctype html><html>".to_vec(), "a web page"),
        ("empty.png", Vec::new(), "an empty file"),
    ] {
        let answer = give(&browser, "drop", name, &bytes);
        assert!(answer.message.starts_with(name), "{answer:?}");
        let is_said = reason
            .split('|')
            .any(|reason| answer.message.contains(reason));
        assert!(is_said, "{answer:?}");
        assert_eq!(answer.digit, "7");
    }
    is_clean(&browser, &site);
}

/// A format that the browser alone knows, and a picture that is too large as it is.
#[test]
fn the_browser_helps_with_other_formats_and_sizes() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let test = lenet_data::embedded::mnist().unwrap().test;
    let digit = on_paper(test.get(0).unwrap().0, 5);
    // A WebP file by the browser itself.
    let webp = browser.run(
        "const [pixels, width, height] = arguments;
         const canvas = document.createElement('canvas');
         [canvas.width, canvas.height] = [width, height];
         const image = new ImageData(width, height);
         pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
         canvas.getContext('2d').putImageData(image, 0, 0);
         const [, base64] = canvas.toDataURL('image/webp', 1).split(',');
         return [...atob(base64)].map((c) => c.charCodeAt(0));",
        &[
            json!(digit.as_raw()),
            digit.width().into(),
            digit.height().into(),
        ],
    );
    let webp: Vec<u8> = serde_json::from_value(webp).unwrap();
    assert_eq!(&webp[8..12], b"WEBP");
    let answer = give(&browser, "paste", "a.webp", &webp);
    assert_eq!(answer.digit, "7", "{answer:?}");
    assert!(answer.message.contains("browser"), "{answer:?}");

    let mut wide = GrayImage::from_pixel(4200, 1200, Luma([220]));
    let digit = imageops::resize(&digit, 1100, 1100, imageops::FilterType::Triangle);
    imageops::replace(&mut wide, &digit, 1500, 50);
    let answer = give(
        &browser,
        "drop",
        "wide.png",
        &encoded(&wide, ImageFormat::Png),
    );
    assert!(answer.message.contains("browser"), "{answer:?}");
    assert!(!answer.digit.is_empty(), "{answer:?}");
    is_clean(&browser, &site);
}
