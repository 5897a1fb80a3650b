//! What the page shows beyond the scores, and of what is missing or damaged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{ENVIRONMENT, SUMMARY, assert_well_formed, body, inspection, pixels, run_dir};
use lenet_report::{Error, Run, write_report};

/// The page of a run with these files beside its results.
fn page(files: &[(&str, &str)]) -> String {
    let folder = run_dir(None);
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    write_report(folder.path()).unwrap();
    fs::read_to_string(folder.path().join("report.html")).unwrap()
}

fn whole() -> String {
    page(&[
        ("summary.json", SUMMARY),
        ("inspection.json", &inspection()),
        ("environment.json", ENVIRONMENT),
    ])
}

/// The bytes of every picture in the page, decoded.
fn pictures(page: &str) -> Vec<image::DynamicImage> {
    let sources = page.split("src=\"data:image/png;base64,").skip(1);
    sources
        .map(|rest| {
            let bytes = decode(rest.split_once('"').unwrap().0);
            image::load_from_memory(&bytes).unwrap()
        })
        .collect()
}

/// Base64, by its definition.
fn decode(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for digit in text.trim_end_matches('=').chars() {
        let value = match digit {
            'A'..='Z' => digit as u32 - 'A' as u32,
            'a'..='z' => digit as u32 - 'a' as u32 + 26,
            '0'..='9' => digit as u32 - '0' as u32 + 52,
            '+' => 62,
            '/' => 63,
            other => panic!("no digit of base64: {other}"),
        };
        bits = (bits << 6 | value) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[test]
fn the_numbers_are_those_of_the_files() {
    let page = whole();
    for shown in [
        // Calibration.
        "<strong>1.23 %</strong>",
        "33.3–66.7 %",
        "1,200",
        "67.89 %",
        "65.43 %",
        "97.89 %",
        "27300 images, mean confidence 98.76 %, accuracy 97.89 %",
        // Mistakes.
        "#2896 · loss 8.28",
        "#7 · loss –",
        "&lt; 0.1 %",
        "&gt; 99.9 %",
        "51.2 %",
        // Filters and feature maps.
        "<title>0.2500</title>",
        "<title>-0.5000</title>",
        "<title>no number</title>",
        "<title>0.1234</title>",
        "<span>-0.50</span>",
        "conv1: 2 maps of 2×3",
        "<span>4.50</span>",
        "conv2: 1 maps of 1×2",
        "<span>-0.75</span>",
        "87.5 %",
        "--share: 12.50%",
        // Environment.
        "2026-11-25 09:30:45 UTC",
        "lenet 0.1.0, candle 0.11.1",
        "0123456789abcdef-dirty",
        "An &lt;OS&gt; 12, x86_64",
        "A &amp; B, 8 cores, 4 physical",
        "fused engine, cpu, avx512, f32, 3 threads",
        "Digits, embedded",
        "ba8910",
        "2026-11-26 10:00:00 UTC, lenet 0.1.1",
    ] {
        assert!(page.contains(shown), "{shown} is missing");
    }
    // The empty bin has neither a bar nor a row.
    assert!(!page.contains("0.0–33.3 %"));
    // A class beyond the names is called by its number.
    assert!(page.contains("taken for 9"));
}

#[test]
fn names_within_pictures_are_escaped_and_the_page_is_well_formed() {
    let page = whole();
    assert_well_formed(body(&page));
    // The pictures within the page are all that it loads.
    let within = page.matches(" src=\"data:image/png;base64,").count();
    assert_eq!((page.matches(" src=").count(), within), (6, 6));
    assert!(!page.contains(" href=") && !page.contains("url(") && !page.contains("@import"));
    assert!(!page.contains("<b>&") && !page.contains("<OS>") && !page.contains("<script"));
    assert!(page.contains("alt=\"Test image 2896: &lt;b&gt;&amp;&quot;&#39;, taken for é"));
}

#[test]
fn pictures_show_the_pixels_of_the_files() {
    let page = whole();
    let pictures = pictures(&page);
    // Two mistakes, the sample, three maps.
    assert_eq!(pictures.len(), 6);
    for (picture, first) in std::iter::zip(&pictures, [1, 2, 3]) {
        assert_eq!((picture.width(), picture.height()), (28, 28));
        let shown = picture.to_luma8().into_raw();
        let hexadecimal: String = shown.iter().map(|pixel| format!("{pixel:02x}")).collect();
        assert_eq!(hexadecimal, pixels(first));
    }
    // Black at 0, white at the greatest of all maps of the layer.
    let map = pictures[3].to_luma8();
    assert_eq!((map.width(), map.height()), (3, 2));
    assert_eq!(map.as_raw()[0], 0);
    assert_eq!(map.as_raw()[4], 255);
    assert!(map.as_raw()[1..4].is_sorted() && map.as_raw()[1] > 0);
    assert!(pictures[4].to_luma8().iter().all(|level| *level == 0));
    // Signed maps have two colours: the negative number is the reddest.
    let signed = pictures[5].to_rgb8();
    let [negative, positive] = [0, 1].map(|x| signed.get_pixel(x, 0).0);
    assert!(negative[0] > 200 && negative[2] < 20, "{negative:?}");
    assert!(positive[2] > positive[0], "{positive:?}");
}

#[test]
fn sections_without_their_file_are_left_out() {
    let without_summary = page(&[("inspection.json", &inspection())]);
    assert!(without_summary.contains("Worst mistakes"));
    assert!(without_summary.contains("alt=\"Test image 2896: 0, taken for 1\""));
    assert_well_formed(body(&without_summary));
    let without_inspection = page(&[("summary.json", SUMMARY)]);
    for section in [
        "Calibration",
        "Worst mistakes",
        "First-layer filters",
        "Feature maps",
        "Environment",
    ] {
        assert!(!without_inspection.contains(&format!("<h2>{section}</h2>")));
    }
    // A network that made no mistake, and a record without anything.
    let empty = page(&[("inspection.json", "{}"), ("environment.json", "{}")]);
    assert!(!empty.contains("Worst mistakes") && !empty.contains("Calibration"));
    assert_well_formed(body(&empty));
}

#[test]
fn the_learning_rate_is_drawn_from_the_results() {
    let folder = run_dir(None);
    let rows = "1,0.2,0.9,,,0.004,1,1600\n2,0.1,0.9,,,0.002,1,1600\n3,0.1,0.9,,,0,1,1600\n";
    fs::write(
        folder.path().join("results.csv"),
        format!("{}\n{rows}", common::HEADING),
    )
    .unwrap();
    write_report(folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let (_, panel) = page.split_once(">Learning rate</text>").unwrap();
    let (panel, _) = panel.split_once("</svg>").unwrap();
    let heights: Vec<f64> = panel
        .split("<circle ")
        .skip(1)
        .map(|circle| {
            let (_, y) = circle.split_once("cy=\"").unwrap();
            y.split_once('"').unwrap().0.parse().unwrap()
        })
        .collect();
    // 4, 2, 0: even steps down to the axis.
    assert_eq!(heights.len(), 3);
    assert!((heights[1] - heights[0] - (heights[2] - heights[1])).abs() < 0.1);
    assert!(panel.contains(">0.004</text>"));
}

#[test]
fn damaged_files_are_named_and_nothing_is_written() {
    for (name, text, message) in [
        ("inspection.json", "{", "EOF"),
        ("environment.json", "{\"lenet\":", "EOF"),
        ("environment.json", r#"{"cores":"many"}"#, "line 1"),
        (
            "inspection.json",
            r#"{"sample":{"index":0,"label":0,"probabilities":[],"pixels":"00","feature_maps":[]}}"#,
            "1568 hexadecimal digits",
        ),
        (
            "inspection.json",
            r#"{"filters":{"layer":"conv1","height":5,"width":5,"maps":[[1.0]]}}"#,
            "conv1: map 0 has 1 numbers for 5x5",
        ),
    ] {
        let folder = run_dir(None);
        fs::write(folder.path().join(name), text).unwrap();
        let error = write_report(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(message), "{error}");
        assert!(!folder.path().join("report.html").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let error = Run::read(folder.path()).unwrap_err();
    assert!(matches!(error, Error::NoRun { .. }), "{error}");
}
