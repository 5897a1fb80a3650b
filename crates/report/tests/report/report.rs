//! A run folder becomes its report.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use lenet_report::{Picture, confusion_matrix, curves, write_report};
use lenet_run::{Epoch, Scores};

use crate::{ENVIRONMENT, SUMMARY, assert_well_formed, body, inspection, pixels, run_dir};

fn epoch(epoch: u32, train: f64, validation: Option<f64>) -> Epoch {
    let scores = |accuracy: f64| Scores {
        loss: 1.0 - accuracy,
        accuracy,
    };
    Epoch {
        epoch,
        train: scores(train),
        validation: validation.map(scores),
        learning_rate: 1e-3,
        seconds: 2.0,
        images_per_second: 30_000.0,
        is_best: false,
    }
}

/// The page of a run with these files beside its results.
fn page(files: &[(&str, &str)]) -> String {
    let folder = run_dir(None);
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    write_report(folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_well_formed(body(&page));
    // The templates escape more than they must.
    page.replace("&#x2f;", "/")
}

/// The SVG, after a check that the PNG is twice as large and that something is drawn on it.
fn drawn(picture: &Picture) -> String {
    let svg = picture.svg();
    assert_well_formed(&svg);
    let length = |name: &str| -> u32 {
        let (_, after) = svg.split_once(&format!(" {name}=\"")).unwrap();
        after.split_once('"').unwrap().0.parse().unwrap()
    };
    let png = image::load_from_memory(&picture.png().unwrap()).unwrap();
    let png = png.to_rgb8();
    assert_eq!(
        png.dimensions(),
        (2 * length("width"), 2 * length("height"))
    );
    let colours: HashSet<_> = png.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 20, "only {} colours", colours.len());
    svg
}

#[test]
fn the_page_has_every_figure_of_the_records_and_needs_no_other_file() {
    let inspection = inspection();
    let page = page(&[
        ("summary.json", SUMMARY),
        ("inspection.json", &inspection),
        ("environment.json", ENVIRONMENT),
    ]);
    for shown in [
        // The headline and the tables.
        "<title>LeNet-5 on mnist &lt;i&gt;</title>",
        "classic recipe · fused engine · seed 42 · 8 threads",
        "95.67 %",
        "1,234",
        "of 28,500 images",
        "2 of 2",
        "61,706",
        "1 min 15 s",
        "98.10 %",
        "n/a",
        "99.00 %",
        "<td class=\"name\">&lt;b&gt;&amp;&quot;&#x27;</td>",
        "&lt;b&gt;&amp;&quot;&#x27; → é漢",
        // Calibration.
        "<strong>1.23 %</strong>",
        "33.3–66.7 %",
        "1,200",
        "67.89 %",
        "27300 images, mean confidence 98.76 %, accuracy 97.89 %",
        // Mistakes.
        "alt=\"Test image 2896: &lt;b&gt;&amp;&quot;&#x27;, taken for é漢\"",
        "#2896 · loss 8.28",
        "&lt; 0.1 %",
        "&gt; 99.9 %",
        "51.2 %",
        // A class beyond the names is called by its number.
        "taken for 9",
        // Filters and feature maps.
        "<title>0.2500</title>",
        "<title>–</title>",
        "<span>-0.50</span>",
        "conv1: 2 maps of 2×3",
        "<span>4.50</span>",
        "conv2: 1 maps of 1×2",
        "87.5 %",
        "--share: 12.50%",
        // Configuration and environment.
        "script&gt;&quot;",
        "2026-11-25 09:30:45 UTC",
        "lenet 0.1.0, candle 0.11.1",
        "0123456789abcdef-dirty",
        "An &lt;OS&gt; 12, x86_64",
        "A &amp; B, 8 cores, 4 physical",
        "fused engine, cpu, avx512, f32, 3 threads",
        "Digits, embedded",
        "ba8910",
        "2026-11-26 10:00:00 UTC, lenet 0.1.1, candle 0.11.2",
    ] {
        assert!(page.contains(shown), "{shown} is missing");
    }
    // The empty bin has neither a bar nor a row.
    assert!(!page.contains("0.0–33.3 %"));
    // Four curves, the matrix, the reliability diagram and one filter.
    assert_eq!(page.matches("<svg ").count(), 7);
    assert_eq!(page.matches("<tr class=\"best\">").count(), 1);
    let within = page.matches(" src=\"data:image/png;base64,").count();
    assert_eq!((page.matches(" src=").count(), within), (6, 6));
    for foreign in [
        "<script", "<link", "url(", "@import", " href=", "<b>&", "<i>",
    ] {
        assert!(!page.contains(foreign), "{foreign} is in the page");
    }
}

#[test]
fn pictures_in_the_page_show_the_pixels_of_the_records() {
    use base64::Engine as _;
    let page = page(&[("inspection.json", &inspection())]);
    let pictures: Vec<image::DynamicImage> = page
        .split("src=\"data:image/png;base64,")
        .skip(1)
        .map(|rest| {
            let (text, _) = rest.split_once('"').unwrap();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            image::load_from_memory(&bytes.unwrap()).unwrap()
        })
        .collect();
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
    assert_eq!((map.as_raw()[0], map.as_raw()[4]), (0, 255));
    assert!(map.as_raw()[1..4].is_sorted() && map.as_raw()[1] > 0);
    assert!(pictures[4].to_luma8().iter().all(|level| *level == 0));
    // Signed maps have two colours: the negative number is the reddest.
    let signed = pictures[5].to_rgb8();
    let [negative, positive] = [0, 1].map(|x| signed.get_pixel(x, 0).0);
    assert!(negative[0] > 200 && negative[2] < 20, "{negative:?}");
    assert!(positive[2] > positive[0], "{positive:?}");
}

#[test]
fn a_finished_run_gets_five_files_always_of_the_same_bytes() {
    let folder = run_dir(Some(SUMMARY));
    let write = || -> Vec<(PathBuf, Vec<u8>)> {
        let paths = write_report(folder.path()).unwrap();
        let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
        paths.into_iter().map(read).collect()
    };
    let files = write();
    let names: Vec<_> = files
        .iter()
        .map(|(path, _)| path.file_name().unwrap())
        .collect();
    let expected = [
        "curves.svg",
        "curves.png",
        "confusion_matrix.svg",
        "confusion_matrix.png",
        "report.html",
    ];
    assert_eq!(names, expected);
    assert_eq!(write(), files);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        3 + files.len()
    );
}

#[test]
fn a_run_without_all_its_records_has_a_page_that_says_so() {
    let page = page(&[("inspection.json", &inspection())]);
    assert!(page.contains("The run has no summary") && page.contains("not evaluated"));
    assert!(page.contains("alt=\"Test image 2896: 0, taken for 1\""));
    assert!(!page.contains("Confusion matrix") && !page.contains("<h2>Environment"));
    // A broken record is an error, and nothing is written.
    let folder = run_dir(Some("{"));
    let error = write_report(folder.path()).unwrap_err();
    assert!(error.path().unwrap().ends_with("summary.json"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn curves_are_drawn_for_any_number_of_epochs() {
    for count in [0, 1, 10, 100] {
        let epochs: Vec<Epoch> = (1..=count)
            .map(|n| epoch(n, 1.0 - 0.1 / f64::from(n), Some(0.98)))
            .collect();
        let svg = drawn(&curves(&epochs, Some(1), "Curves"));
        // Beyond 40 epochs the lines have no markers; the others are the legends' and the rings'.
        let markers = svg.matches("<circle").count();
        let expected = match count {
            0 => 0,
            100 => 10,
            _ => 10 + 2 * count as usize,
        };
        assert_eq!(markers, expected, "{count} epochs");
        assert_eq!(
            svg.matches(">Best epoch 1: 98.00 %<").count(),
            usize::from(count > 0)
        );
        assert_eq!(
            svg.matches("stroke-dasharray").count(),
            if count > 0 { 2 } else { 0 }
        );
    }
}

#[test]
fn values_without_a_place_leave_a_gap_and_no_tick_is_above_100_percent() {
    let mut epochs: Vec<Epoch> = (1..=5).map(|n| epoch(n, 1.0, None)).collect();
    let whole = drawn(&curves(&epochs, None, "Whole"));
    assert!(!whole.contains(">Validation<") && !whole.contains("Best epoch"));
    let mut ticks = whole
        .split('>')
        .filter_map(|text| text.strip_suffix(" %</text")?.parse::<f64>().ok());
    assert_eq!(ticks.by_ref().fold(0.0, f64::max), 100.0);
    epochs[2].train.loss = f64::NAN;
    epochs[2].train.accuracy = 1.5;
    epochs[3].train.loss = f64::INFINITY;
    let gaps = drawn(&curves(&epochs, None, "Gap"));
    let markers = |svg: &str| svg.matches("<circle").count();
    assert_eq!(markers(&whole) - markers(&gaps), 3);
    assert!(!gaps.contains("NaN") && !gaps.contains("inf"));
}

#[test]
fn a_matrix_is_drawn_for_any_number_of_classes_and_any_names() {
    for (classes, has_numbers) in [(1, true), (10, true), (26, true), (62, false)] {
        let count = |row: u64, column: u64| if row == column { 5432 } else { row % 3 };
        let matrix: Vec<Vec<u64>> = (0..classes)
            .map(|row| (0..classes).map(|column| count(row, column)).collect())
            .collect();
        let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
        let svg = drawn(&confusion_matrix(&matrix, &names, "Matrix"));
        assert_eq!(svg.matches("c0 predicted as c0: 5432").count(), 1);
        assert_eq!(
            svg.contains(">5432</text>"),
            has_numbers,
            "{classes} classes"
        );
    }
    let names = ["<b>&\"'", "\u{0}\u{1b}漢", &"x".repeat(5000)].map(str::to_owned);
    let matrix = [vec![3, 1], vec![], vec![0, u64::MAX, u64::MAX, 7]];
    let svg = drawn(&confusion_matrix(&matrix, &names, "</svg><script>"));
    assert!(svg.contains("&lt;b&gt;&amp;&quot;&#x27;") && !svg.contains("<script>"));
    assert!(svg.contains(">75.0 %<") && svg.contains(">n&#x2f;a<"));
    assert!(!svg.contains(&"x".repeat(100)));
}
