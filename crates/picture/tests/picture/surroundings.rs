//! What is around digits, and how many there are.

use image::{GrayImage, Luma, imageops};
use lenet_picture::{Ink, Preparation, digits_in_row, prepare, prepare_and_count};

use crate::{difference, drawn, form, grey};

/// A drawn digit of 168x168 pixels.
fn digit(class: usize) -> GrayImage {
    let filter = imageops::FilterType::Triangle;
    imageops::resize(&drawn(&format!("{class}-007.png")), 168, 168, filter)
}

/// Digits beside and above one another on a sheet of 240x240 pixels for each.
fn sheet(rows: &[&[usize]]) -> GrayImage {
    let width = 240 * rows[0].len() as u32;
    let mut sheet = GrayImage::from_pixel(width, 240 * rows.len() as u32, Luma([235]));
    for (y, row) in rows.iter().enumerate() {
        for (x, class) in row.iter().enumerate() {
            let digit = digit(*class);
            for (dx, dy, Luma([pixel])) in digit.enumerate_pixels() {
                let place = sheet.get_pixel_mut(240 * x as u32 + 36 + dx, 240 * y as u32 + 36 + dy);
                place.0[0] = place.0[0].min(*pixel);
            }
        }
    }
    sheet
}

/// The sheet with what is not drawn on it, in the grey that a place has.
fn with(sheet: &GrayImage, at: impl Fn(u32, u32) -> Option<u8>) -> GrayImage {
    GrayImage::from_fn(sheet.width(), sheet.height(), |x, y| {
        let Luma([pixel]) = *sheet.get_pixel(x, y);
        Luma([at(x, y).map_or(pixel, |grey| grey.min(pixel))])
    })
}

/// In a frame, on a desk and on ruled paper, a digit is the one that it is on blank paper.
#[test]
fn frames_desks_and_ruled_lines_are_no_ink() {
    for class in 0..10 {
        let plain = sheet(&[&[class]]);
        let expected = form(&grey(&plain));
        let framed = |from: u32, thick: u32, ink: u8| {
            with(&plain, move |x, y| {
                let edge = x.min(y).min(239 - x).min(239 - y);
                (from..from + thick).contains(&edge).then_some(ink)
            })
        };
        let far = |x: u32, y: u32| f64::from(x.abs_diff(120)).hypot(f64::from(y.abs_diff(120)));
        // Turned by a tenth, the sheet fills a part of the desk.
        let desk = GrayImage::from_fn(400, 360, |x, y| {
            let (x, y) = (f64::from(x) - 200., f64::from(y) - 180.);
            let (along, down) = (x + 0.1 * y + 120., y - 0.1 * x + 120.);
            let is_inside = |at: f64| (0. ..239.).contains(&at);
            if is_inside(along) && is_inside(down) {
                return *plain.get_pixel(along.round() as u32, down.round() as u32);
            }
            Luma([60 + (3. * x + y).rem_euclid(30.) as u8])
        });
        let mut board = desk.clone();
        imageops::invert(&mut board);
        let lines = with(&plain, |x, y| ((y + x / 40) % 50 < 2).then_some(130));
        let grid = with(&plain, |x, y| (x % 30 == 7 || y % 30 == 7).then_some(170));
        for (what, picture) in [
            ("a thin frame", framed(0, 1, 0)),
            ("a thick frame", framed(0, 6, 10)),
            ("a box", framed(9, 3, 60)),
            (
                "a circle",
                with(&plain, |x, y| {
                    (115. ..118.).contains(&far(x, y)).then_some(40)
                }),
            ),
            (
                "the edge of a scan",
                with(&plain, |x, y| (x > 233 || y < 4).then_some(5)),
            ),
            ("a desk", desk),
            ("a board", board),
            ("ruled lines", lines),
            ("a grid", grid),
        ] {
            let found = difference(&form(&grey(&picture)), &expected);
            assert!(found < 14., "{class} with {what}: {found}");
            let row = digits_in_row(&grey(&picture), Ink::Auto).len();
            assert_eq!(row, 1, "{class} with {what}");
        }
    }
}

/// A seven of two straight strokes that is cut out tightly has no ruled line.
#[test]
fn straight_strokes_that_reach_the_border_are_kept() {
    let seven = |margin: u32| {
        GrayImage::from_fn(200 + 2 * margin, 300 + 2 * margin, |x, y| {
            let (x, y) = (x.wrapping_sub(margin), y.wrapping_sub(margin));
            let is_ink = x < 200 && y < 300 && (y < 5 || x > 194);
            Luma([if is_ink { 20 } else { 230 }])
        })
    };
    let found = difference(&form(&grey(&seven(0))), &form(&grey(&seven(80))));
    assert!(found < 12., "{found}");
}

#[test]
fn digits_are_counted_and_read_row_by_row() {
    for (rows, columns) in [(1, 1), (1, 2), (2, 1), (2, 3)] {
        let classes: Vec<Vec<usize>> = (0..rows)
            .map(|y| (0..columns).map(|x| (5 + 3 * y + x) % 10).collect())
            .collect();
        let classes: Vec<&[usize]> = classes.iter().map(Vec::as_slice).collect();
        let plain = sheet(&classes);
        // A cell for each.
        let cells = with(&plain, |x, y| (x % 240 == 9 || y % 240 == 9).then_some(90));
        for sheet in [plain, cells] {
            let picture = grey(&sheet);
            let (form, count) = prepare_and_count(&picture, Preparation::Ink, Ink::Auto);
            assert_eq!(count, rows * columns);
            assert_eq!(form, prepare(&picture, Preparation::Ink, Ink::Auto));
            let digits = digits_in_row(&picture, Ink::Auto);
            let places: Vec<(usize, usize)> = digits
                .iter()
                .map(|digit| (digit.line, digit.columns.start / 240))
                .collect();
            let expected = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x)));
            assert_eq!(places, expected.collect::<Vec<_>>());
        }
    }
}
