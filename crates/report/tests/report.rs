//! A run folder becomes its report, through the public interface alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{SUMMARY, assert_well_formed, body, names, run_dir};
use lenet_report::{
    Epoch, Error, confusion_matrix_png, confusion_matrix_svg, curves_png, curves_svg, write_report,
};

fn epoch(epoch: u64, train: f64, validation: Option<f64>) -> Epoch {
    Epoch {
        epoch,
        train_loss: 1.0 - train,
        train_accuracy: train,
        val_loss: validation.map(|accuracy| 1.0 - accuracy),
        val_accuracy: validation,
        learning_rate: 1e-3,
        seconds: 2.0,
        images_per_second: 30_000.0,
    }
}

/// The image's size, after a check that something is drawn on it.
fn size_of_drawing(png: &[u8]) -> (u32, u32) {
    let image = image::load_from_memory(png).unwrap().to_rgb8();
    let colours: HashSet<_> = image.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 20, "only {} colours", colours.len());
    image.dimensions()
}

fn size_of_svg(svg: &str) -> (u32, u32) {
    let attribute = |name: &str| {
        let (_, after) = svg.split_once(&format!(" {name}=\"")).unwrap();
        after.split_once('"').unwrap().0.parse().unwrap()
    };
    (attribute("width"), attribute("height"))
}

#[test]
fn a_finished_run_gets_five_files_and_no_other() {
    let folder = run_dir(Some(SUMMARY));
    let paths = write_report(folder.path()).unwrap();
    let expected = [
        "curves.svg",
        "curves.png",
        "confusion_matrix.svg",
        "confusion_matrix.png",
        "report.html",
    ];
    assert_eq!(names(&paths), expected);
    assert!(paths.iter().all(|path| path.is_file()));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        3 + expected.len()
    );
}

#[test]
fn the_same_run_makes_the_same_bytes() {
    let folder = run_dir(Some(SUMMARY));
    let read = |paths: Vec<PathBuf>| -> Vec<Vec<u8>> {
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    };
    let first = read(write_report(folder.path()).unwrap());
    assert_eq!(read(write_report(folder.path()).unwrap()), first);
}

#[test]
fn the_page_holds_the_figures_and_needs_no_other_file() {
    let folder = run_dir(Some(SUMMARY));
    write_report(folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for figure in [
        "95.67 %",
        "1,234",
        "of 28,500 images",
        "2 of 2",
        "61,706",
        "1 min 15 s",
        "98.10 %",
        "seed 42",
        "9871",
        "n/a",
        "99.00 %",
    ] {
        assert!(page.contains(figure), "{figure} is missing");
    }
    // Four curves and the matrix.
    assert_eq!(page.matches("<svg ").count(), 5);
    assert_eq!(page.matches("<tr class=\"best\">").count(), 1);
    for foreign in [
        "<script", "<link", "<img", "url(", "@import", " src=", " href=",
    ] {
        assert!(!page.contains(foreign), "{foreign} is in the page");
    }
}

#[test]
fn the_page_escapes_names_and_configuration() {
    let folder = run_dir(Some(SUMMARY));
    write_report(folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("&lt;/code&gt;&lt;script&gt;"));
    assert!(page.contains("<td class=\"name\">&lt;b&gt;&amp;&quot;&#39;</td>"));
    assert!(page.contains("<title>LeNet-5 on mnist &lt;i&gt;</title>"));
    assert!(!page.contains("<b>") && !page.contains("<i>"));
    assert_well_formed(body(&page));
}

#[test]
fn a_stopped_run_has_curves_and_a_page_that_says_so() {
    let folder = run_dir(None);
    let paths = write_report(folder.path()).unwrap();
    assert_eq!(names(&paths), ["curves.svg", "curves.png", "report.html"]);
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("The run has no summary") && page.contains("not evaluated"));
    assert_eq!(page.matches("<svg ").count(), 4);
}

#[test]
fn a_broken_file_is_an_error_and_nothing_is_written() {
    let folder = run_dir(Some("{"));
    assert!(matches!(
        write_report(folder.path()),
        Err(Error::Json { .. })
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    let error = write_report(Path::new("/nonexistent")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/results.csv"),
        "{error}"
    );
}

#[test]
fn curves_are_drawn_of_any_number_of_epochs() {
    for count in [0, 1, 2, 10, 100] {
        let epochs: Vec<Epoch> = (1..=count)
            .map(|n| epoch(n, 1.0 - 0.1 / n as f64, Some(0.98)))
            .collect();
        let svg = curves_svg(&epochs, Some(1), "Curves");
        assert_well_formed(&svg);
        // Beyond 40 epochs the lines go without markers; the two others are the legends'.
        let markers = svg.matches("<circle").count();
        assert!(
            if count <= 40 {
                markers >= 2 * count as usize
            } else {
                markers <= 10
            },
            "{markers}"
        );
        let (width, height) = size_of_svg(&svg);
        if [2, 10].contains(&count) {
            continue;
        }
        let png = curves_png(&epochs, Some(1), "Curves").unwrap();
        assert_eq!(size_of_drawing(&png), (2 * width, 2 * height));
    }
}

#[test]
fn one_epoch_is_a_point_and_without_validation_there_is_one_series() {
    let one = curves_svg(&[epoch(1, 0.9, None)], None, "One");
    // Two in the legends, two in the panels.
    assert_eq!(one.matches("<circle").count(), 4);
    assert!(one.contains(">Training<") && !one.contains(">Validation<"));
    assert!(!one.contains("Best epoch"));
    let both = curves_svg(&[epoch(1, 0.9, Some(0.95))], Some(1), "Both");
    assert!(both.contains(">Validation<"));
    assert!(both.contains(">Best epoch 1: 95.00 %<"));
}

#[test]
fn values_that_are_no_numbers_leave_a_gap() {
    let mut epochs: Vec<Epoch> = (1..=5).map(|n| epoch(n, 0.9, None)).collect();
    let whole = curves_svg(&epochs, None, "Whole")
        .matches("<circle")
        .count();
    epochs[2].train_loss = f64::NAN;
    epochs[2].train_accuracy = 1.5;
    epochs[3].train_loss = f64::INFINITY;
    let svg = curves_svg(&epochs, None, "Gap");
    assert_eq!(whole - svg.matches("<circle").count(), 3);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    assert!(size_of_drawing(&curves_png(&epochs, None, "Gap").unwrap()).0 > 1000);
}

#[test]
fn no_tick_is_above_100_percent() {
    let svg = curves_svg(
        &[epoch(1, 0.99, Some(1.0)), epoch(2, 1.0, Some(1.0))],
        Some(1),
        "Full",
    );
    let ticks: Vec<f64> = svg
        .split('>')
        .filter_map(|text| text.strip_suffix(" %</text")?.parse().ok())
        .collect();
    assert!(
        ticks.contains(&100.0) && ticks.iter().all(|tick| *tick <= 100.0),
        "{ticks:?}"
    );
}

#[test]
fn a_matrix_is_drawn_of_any_number_of_classes() {
    for (classes, numbers) in [
        (1, true),
        (10, true),
        (26, true),
        (47, true),
        (62, false),
        (100, false),
    ] {
        let matrix: Vec<Vec<u64>> = (0..classes)
            .map(|row| {
                (0..classes)
                    .map(|column| {
                        if row == column {
                            5432
                        } else {
                            (row % 3) as u64
                        }
                    })
                    .collect()
            })
            .collect();
        let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
        let svg = confusion_matrix_svg(&matrix, &names, "Matrix");
        assert_well_formed(&svg);
        let hints = svg.matches("c0 predicted as c0: 5432").count();
        assert_eq!(hints, 1, "{classes} classes");
        if classes <= 26 || !numbers {
            assert_eq!(svg.contains(">5432</text>"), numbers, "{classes} classes");
        }
        if [10, 62].contains(&classes) {
            let (width, height) = size_of_svg(&svg);
            let png = confusion_matrix_png(&matrix, &names, "Matrix").unwrap();
            assert_eq!(size_of_drawing(&png), (2 * width, 2 * height));
        }
    }
}

#[test]
fn hostile_names_and_ragged_rows_are_drawn() {
    let names = [
        "<b>&\"'".to_owned(),
        "\u{0}\u{1b}漢".to_owned(),
        "x".repeat(5000),
    ];
    let matrix = [vec![3, 1], vec![], vec![0, u64::MAX, u64::MAX, 7]];
    let svg = confusion_matrix_svg(&matrix, &names, "</svg><script>");
    assert_well_formed(&svg);
    assert!(svg.contains("&lt;b&gt;&amp;&quot;&#39;") && !svg.contains("<script>"));
    assert!(svg.contains(">75.0 %<") && svg.contains(">n/a<"));
    assert!(!svg.contains(&"x".repeat(100)));
    size_of_drawing(&confusion_matrix_png(&matrix, &names, "</svg>").unwrap());
}
