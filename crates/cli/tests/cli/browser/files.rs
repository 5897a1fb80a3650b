//! Pictures that are dropped, pasted and opened, and read as `lenet predict` reads them.

use std::io::Cursor;
use std::process::Command;

use image::{GrayImage, ImageFormat, Luma, imageops};
use serde_json::{Value, json};

use super::{Browser, Shown, click, draw, is_clean, opened, settle, shown};

/// Gives the page a file, by `drop` or `paste`, and waits for its answer.
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

fn encoded(image: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A test image of MNIST as people have digits: of another size, at another place, dark on grey
/// paper.
fn on_paper(index: usize, variant: u32) -> GrayImage {
    let pixels = crate::mnist().test.get(index).unwrap().0.to_vec();
    let digit = GrayImage::from_raw(28, 28, pixels).unwrap();
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

/// A test image of MNIST on paper, as a PNG file. The first ones are 7, 2, 1 and 0.
pub fn digit(index: usize) -> Vec<u8> {
    encoded(&on_paper(index, 3), ImageFormat::Png)
}

/// Label and probabilities of 100 PNG and JPEG files.
#[test]
fn page_and_command_line_agree() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pictures: Vec<(String, Vec<u8>)> = (0..100)
        .map(|index| {
            let formats = [("jpg", ImageFormat::Jpeg), ("png", ImageFormat::Png)];
            let (end, format) = formats[usize::from(index % 3 != 0)];
            let image = on_paper(index, index as u32);
            (format!("{index}.{end}"), encoded(&image, format))
        })
        .collect();
    for (name, bytes) in &pictures {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lenet"))
        .args(["predict", "--format", "json", "--quiet"])
        .args(pictures.iter().map(|(name, _)| name))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let predicted = String::from_utf8(output.stdout).unwrap();
    assert_eq!(predicted.lines().count(), pictures.len());
    let mut largest = 0_f64;
    for ((name, bytes), predicted) in std::iter::zip(&pictures, predicted.lines()) {
        let predicted: Value = serde_json::from_str(predicted).unwrap();
        let answer = give(&browser, "drop", name, bytes);
        assert_eq!(predicted["label"], *answer.digit, "{name}: {answer:?}");
        assert_eq!(answer.probabilities.len(), 10, "{name}: {answer:?}");
        for (class, part) in answer.probabilities.iter().enumerate() {
            let other = &predicted["probabilities"][class.to_string()];
            largest = largest.max((part - other.as_f64().unwrap()).abs());
        }
        assert!(largest < 1e-5, "{name}: {answer:?} {predicted}");
    }
    is_clean(&browser, &site);
}

#[test]
fn pictures_are_dropped_pasted_and_opened() {
    let Some((browser, site)) = opened() else {
        return;
    };
    assert_eq!(give(&browser, "drop", "a.png", &digit(0)).digit, "7");
    assert_eq!(give(&browser, "paste", "b.png", &digit(1)).digit, "2");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.png");
    std::fs::write(&file, digit(3)).unwrap();
    // The photo of a camera comes by its own input.
    for input in ["#file", "#photo"] {
        browser.choose(input, &file);
        browser.wait("document.getElementById('digit').textContent === '0'");
        assert_eq!(click(&browser, "#undo").digit, "2");
    }
    // Drawing puts the picture aside, and undoing brings it back.
    let one = draw(&browser, "mouse", &[vec![[0.5, 0.2], [0.5, 0.8]]]);
    assert_eq!(one.digit, "1");
    assert_eq!(click(&browser, "#undo").digit, "2");
    let blank = GrayImage::from_pixel(90, 60, Luma([200]));
    let blank = encoded(&blank, ImageFormat::Png);
    let shown = give(&browser, "drop", "blank.png", &blank);
    assert_eq!(shown.words, "Nothing drawn");

    // If a file cannot be read the page says why, and what was there stays.
    assert_eq!(give(&browser, "drop", "a.png", &digit(0)).digit, "7");
    let cut = &digit(0)[..200];
    for (name, bytes) in [("note.txt", &b"hello"[..]), ("cut.png", cut)] {
        let answer = give(&browser, "drop", name, bytes);
        assert!(answer.message.starts_with(name), "{answer:?}");
        assert_eq!(answer.digit, "7");
    }
    settle(&browser);
    is_clean(&browser, &site);
}

/// A format that only the browser decodes, and a picture that is larger than lenet reads.
#[test]
fn the_browser_helps_with_other_formats_and_sizes() {
    let Some((browser, site)) = opened() else {
        return;
    };
    let paper = on_paper(0, 5);
    // The browser itself makes the WebP file.
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
            json!(paper.as_raw()),
            paper.width().into(),
            paper.height().into(),
        ],
    );
    let webp: Vec<u8> = serde_json::from_value(webp).unwrap();
    assert_eq!(&webp[8..12], b"WEBP");
    let mut wide = GrayImage::from_pixel(4200, 1200, Luma([220]));
    let large = imageops::resize(&paper, 1100, 1100, imageops::FilterType::Triangle);
    imageops::replace(&mut wide, &large, 1500, 50);
    for (name, bytes) in [
        ("a.webp", webp),
        ("wide.png", encoded(&wide, ImageFormat::Png)),
    ] {
        let answer = give(&browser, "paste", name, &bytes);
        assert!(answer.message.contains("browser"), "{answer:?}");
        assert!(!answer.digit.is_empty(), "{answer:?}");
    }
    is_clean(&browser, &site);
}
