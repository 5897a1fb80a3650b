//! `lenet predict` on pictures as people have them. FAULTS D1, D4 to D7.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, imageops};
use serde_json::Value;

use crate::datasets::idx;
use crate::{contains_all, drawn_digits, fails, json, lenet, mnist, skipped, succeeds};

/// The claim of the recipe best, whose weights are embedded.
#[test]
fn the_embedded_network_reads_mnist() {
    let root = tempfile::tempdir().unwrap();
    let evaluated = &json(root.path(), "eval --min-accuracy 0.9955")[0];
    assert_eq!(evaluated["dataset"], "mnist");
    assert_eq!(evaluated["count"], 10_000);
    // Instruction sets round in other orders: an image or two may change sides.
    let errors = evaluated["errors"].as_u64().unwrap();
    assert!(errors.abs_diff(43) <= 2, "{errors}");
}

#[test]
fn drawn_digits_are_read() {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/drawn-digits/img");
    for (folder, count, most) in [(drawn_digits(), 20, 0), (all, 300, 1)] {
        if !folder.is_dir() {
            skipped(&format!("there is no {}", folder.display()));
            continue;
        }
        let predictions = json(&folder, "predict .");
        assert_eq!(predictions.len(), count);
        let is_wrong = |prediction: &&Value| {
            let file = Path::new(prediction["file"].as_str().unwrap());
            let name = file.file_name().unwrap().to_str().unwrap();
            !name.starts_with(prediction["label"].as_str().unwrap_or("blank"))
        };
        let wrong: Vec<&Value> = predictions.iter().filter(is_wrong).collect();
        assert!(wrong.len() <= most, "{wrong:?}");
    }
}

/// Digits side by side on grey paper that gets darker, as one writes them.
#[test]
fn a_row_of_digits() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut paper = GrayImage::from_fn(400, 110, |x, y| Luma([(225 - x / 8 - y / 8) as u8]));
    for (at, name) in ["7-007", "0-007", "4-019", "3-007", "5-007"]
        .iter()
        .enumerate()
    {
        let digit = image::open(drawn_digits().join(format!("{name}.png"))).unwrap();
        let filter = imageops::FilterType::Triangle;
        let digit = imageops::resize(&digit.to_luma8(), 84, 84, filter);
        for (x, y, &Luma([grey])) in digit.enumerate_pixels() {
            let sheet = paper.get_pixel_mut(x + 74 * at as u32, y + 10 + (at as u32 % 3) * 4);
            sheet.0[0] = (u32::from(sheet.0[0]) * (55 + u32::from(grey) * 200 / 255) / 255) as u8;
        }
    }
    paper.save(root.join("row.png")).unwrap();
    let printed = succeeds(root, "predict --multi row.png");
    assert_eq!(printed.lines().count(), 6);
    assert!(printed.starts_with("row.png: 70435\n  7 "), "{printed}");
    let found = &json(root, "predict --multi row.png")[0];
    assert_eq!(found["label"], "70435");
    let digits = found["digits"].as_array().unwrap();
    let places = digits.iter().map(|digit| digit["x"].as_u64().unwrap());
    let places: Vec<u64> = places.collect();
    assert!(places.is_sorted() && places[4] > 296, "{places:?}");
    // Without --multi it is no single digit.
    let alone = succeeds(root, "predict row.png");
    assert!(
        alone.starts_with("row.png: 5 digits, which --multi reads"),
        "{alone}"
    );
    let alone = &json(root, "predict row.png")[0];
    assert!(alone["label"].is_null() && alone["several"] == 5, "{alone}");
    let table = succeeds(root, "predict --multi --format table row.png");
    let expected = "picture  label  probability  2.  probability\nrow.png  70435\n  1      7";
    assert!(table.starts_with(expected), "{table}");
}

/// What the READMEs show of `predict`: its lines, and what `--explain` draws of five digits.
#[test]
fn the_readmes_show_what_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let digits = "predict crates/picture/tests/drawn-digits/[57]*.png";
    let row = "predict --multi crates/cli/pictures/row.png";
    for (readme, arguments) in [("README.md", digits), ("crates/cli/README.md", row)] {
        let readme = fs::read_to_string(root.join(readme)).unwrap();
        contains_all(&readme, &[&succeeds(&root, arguments)]);
    }
    let folder = tempfile::tempdir().unwrap();
    let names = ["2-019", "4-007", "5-007", "7-019", "9-019"];
    let explain = |path: &str| {
        let mut command = lenet(folder.path(), &format!("predict --explain {path}"));
        command.args(names.map(|name| drawn_digits().join(format!("{name}.png"))));
        command.output().unwrap().status.code()
    };
    assert_eq!(explain("sheet.png"), Some(0));
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8();
    let shown = pixels(&root.join("crates/cli/pictures/explain.png"));
    let sheet = pixels(&folder.path().join("sheet.png"));
    assert!(sheet == shown, "explain.png is not what the program draws");
    // A sheet of its own for each.
    assert_eq!(explain("sheets"), Some(0));
    for name in names {
        let file = format!("sheets/{name}.png");
        assert!(folder.path().join(file).is_file());
    }
    // Nothing is overwritten.
    assert_eq!(explain("sheet.png"), Some(2));
    assert_eq!(explain("sheets"), Some(2));
}

/// D1, D4 and D6: bad pictures are named, the others are still classified.
#[test]
fn bad_and_blank_pictures() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir_all(root.join("mixed/below")).unwrap();
    let png = |path: &str, picture: GrayImage| picture.save(root.join(path)).unwrap();
    let blank = GrayImage::from_pixel(60, 40, Luma([230]));
    png("mixed/blank.png", blank);
    png("mixed/large.png", GrayImage::new(4097, 1));
    fs::write(root.join("mixed/gif.png"), "GIF89a").unwrap();
    fs::write(root.join("mixed/text.png"), "a digit").unwrap();
    let eight = fs::read(drawn_digits().join("8-007.png")).unwrap();
    fs::write(root.join("mixed/torn.png"), &eight[..100]).unwrap();
    fs::write(root.join("mixed/below/eight.PNG"), &eight).unwrap();
    let predict = "predict mixed nothing*.png gone.png";
    let output = lenet(root, predict).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    let eight = "mixed/below/eight.PNG: 8 ";
    assert!(lines[0].starts_with(eight), "{printed}");
    assert_eq!(lines[1..], ["mixed/blank.png: nothing drawn"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    contains_all(
        &errors,
        &[
            "\"mixed/gif.png\": a GIF picture; only PNG, JPEG and BMP pictures are read",
            "\"mixed/large.png\": a picture of 4097x1 pixels; no side may have more than 4096",
            "\"mixed/text.png\": a file of no known format",
            "\"mixed/torn.png\": ",
            "\"nothing*.png\": no file matches",
            "\"gone.png\": cannot read",
            "6 of 8 pictures could not be read",
        ],
    );
    let found = &json(root, "predict mixed/bla*")[0];
    assert!(found["blank"] == true && found["label"].is_null() && found["error"].is_null());
    // Only a drawing can be missing: the whole of any picture can be resized.
    let said = fails(root, "predict --pictures as-is mixed/blank.png", 0);
    contains_all(&said, &["60x40 pixels and is resized to 28x28"]);
}

/// MNIST's images come to the same bits prepared and as they are.
#[test]
fn mnist_in_every_form() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir(root.join("mnist")).unwrap();
    for (index, (pixels, _)) in mnist().test.iter().take(200).enumerate() {
        let picture = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
        let file = root.join(format!("mnist/{index:03}.png"));
        picture.save(file).unwrap();
    }
    let prepared = succeeds(root, "predict --format json mnist");
    assert_eq!(prepared.lines().count(), 200);
    let as_is = succeeds(root, "predict --format json --pictures as-is mnist");
    assert_eq!(prepared, as_is);

    // A photograph of ink on paper, and standard input.
    let mut ink = image::open(root.join("mnist/000.png")).unwrap().to_luma8();
    imageops::invert(&mut ink);
    ink.save(root.join("ink.jpg")).unwrap();
    for arguments in ["ink.jpg", "--invert ink.jpg", "--invert=no mnist/000.png"] {
        let found = &json(root, &format!("predict {arguments}"))[0];
        assert_eq!(found["label"], "7", "{arguments}: {found}");
    }
    let input = fs::File::open(root.join("ink.jpg")).unwrap();
    let output = lenet(root, "predict -").stdin(input).output();
    assert!(output.unwrap().stdout.starts_with(b"-: 7 "));
}

/// By a list, in shards, from an archive and from an IDX file: the answers for the same pictures in a
/// folder.
#[test]
fn many_pictures_in_every_container() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir(root.join("p")).unwrap();
    let images = || mnist().test.iter().take(200);
    let names: Vec<String> = (0..200).map(|index| format!("p/{index:03}.png")).collect();
    for (name, (pixels, _)) in std::iter::zip(&names, images()) {
        let picture = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
        picture.save(root.join(name)).unwrap();
    }
    let table = succeeds(root, "predict p --format csv");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "file,label,probability,blank,familiar,error");
    assert!(
        rows.len() == 201 && rows[1].starts_with("p/000.png,7,0.99"),
        "{}",
        rows[1]
    );

    fs::write(root.join("list"), names.join("\n")).unwrap();
    assert_eq!(
        succeeds(root, "predict --files-from list --format csv"),
        table
    );
    let shards = [1, 2, 3].map(|shard| {
        let command = format!("predict --files-from - --format csv --shard {shard}/3 --threads 2");
        let list = fs::File::open(root.join("list")).unwrap();
        let output = lenet(root, &command).stdin(list).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    for (shard, own) in shards.iter().enumerate() {
        let expected: Vec<&str> = rows[1..].iter().skip(shard).step_by(3).copied().collect();
        assert_eq!(own.lines().skip(1).collect::<Vec<_>>(), expected);
    }
    contains_all(&fails(root, "predict p --shard 0/3", 2), &["1/N to N/N"]);

    // The file's name apart, and with it the digits that differ by the order of sums.
    let answers = |table: &str| -> Vec<(String, f64)> {
        let rows = table.lines().skip(1).map(|row| row.split(',').skip(1));
        let answer = |mut cells: std::iter::Skip<std::str::Split<'_, char>>| {
            (
                cells.next().unwrap().to_owned(),
                cells.next().unwrap().parse().unwrap(),
            )
        };
        rows.map(answer).collect()
    };
    let pixels: Vec<u8> = images().flat_map(|(pixels, _)| pixels.to_vec()).collect();
    fs::write(root.join("idx"), idx(&[200, 28, 28], &pixels)).unwrap();
    let of_idx = succeeds(root, "predict idx --format csv");
    assert!(
        of_idx.lines().nth(200).unwrap().starts_with("idx[199],"),
        "{of_idx}"
    );
    for (found, expected) in std::iter::zip(answers(&of_idx), answers(&table)) {
        assert_eq!(found.0, expected.0);
        assert!(
            (found.1 - expected.1).abs() < 1e-5,
            "{found:?} {expected:?}"
        );
    }
    fs::write(root.join("cut"), idx(&[200, 28, 28], &pixels[..5000])).unwrap();
    let message = fails(root, "predict cut --quiet", 3);
    contains_all(&message, &["ends after 6 of 200 images"]);

    let long = format!("p/{}/{}", "x".repeat(70), "y".repeat(70));
    fs::create_dir_all(root.join(&long)).unwrap();
    fs::rename(root.join("p/199.png"), root.join(&long).join("199.png")).unwrap();
    fs::write(root.join("p/note.txt"), "not a picture").unwrap();
    for flags in ["--format=ustar", "--format=gnu -z", "--format=pax -z"] {
        let arguments = format!("{flags} --sort=name -cf all.tar p");
        let Ok(status) = crate::run_by(root, "tar", &arguments).status() else {
            return skipped("there is no program tar");
        };
        assert!(status.success());
        let of_tar = succeeds(root, "predict all.tar --format csv");
        assert!(
            of_tar.contains(&format!("\nall.tar/{long}/199.png,")),
            "{of_tar}"
        );
        assert_eq!(answers(&of_tar), answers(&table), "{flags}");
    }
}
