//! Samples of a data set side by side.

use crate::colour::Colour;
use crate::picture::{Anchor, CAP_HEIGHT, Picture, Weight};
use crate::png::text_width;

/// Small grey pictures in rows, with words beside and above them.
#[derive(Debug, Clone, Default)]
pub struct ContactSheet {
    /// The first line.
    pub title: String,
    /// Smaller lines below it.
    pub captions: Vec<String>,
    /// Rows and columns of every picture.
    pub side: usize,
    /// Words over the columns; none for a sheet whose columns are alike.
    pub headings: Vec<String>,
    /// How many columns stand apart from the rest, at the left.
    pub apart: usize,
    /// From the top.
    pub rows: Vec<SheetRow>,
}

/// A row of a [`ContactSheet`].
#[derive(Debug, Clone, Default)]
pub struct SheetRow {
    /// The words at the left.
    pub label: String,
    /// The pictures, `side` x `side` bytes each, row after row, 0 is black. A byte that is missing
    /// is black.
    pub pictures: Vec<Vec<u8>>,
}

/// Pixels of the layout for each byte of a picture; a PNG has twice as many.
const DOT: f64 = 2.0;
const MARGIN: f64 = 24.0;
const GAP: f64 = 6.0;
/// Further gap after the columns that stand apart.
const APART: f64 = 14.0;
/// Of the title.
const BASELINE: f64 = 34.0;
const TITLE_SIZE: f64 = 18.0;
const TEXT_SIZE: f64 = 12.0;
const CAPTION_HEIGHT: f64 = 18.0;

/// The sheet as a picture, in whose PNG a byte is a square of four by four pixels.
pub fn contact_sheet(sheet: &ContactSheet) -> Picture {
    let labels = sheet.rows.iter().map(|row| row.label.as_str());
    let widest = labels.map(|label| text_width(label, TEXT_SIZE, Weight::Regular));
    let widest = widest.fold(0.0, f64::max).ceil();
    let left = MARGIN + if widest > 0.0 { widest + 10.0 } else { 0.0 };
    let captions = sheet.captions.len() as f64 * CAPTION_HEIGHT;
    let headings = if sheet.headings.is_empty() { 0.0 } else { 20.0 };
    let top = BASELINE + 18.0 + captions + headings;

    let tile = sheet.side as f64 * DOT;
    let x = |column: usize| {
        let is_after = sheet.apart > 0 && column >= sheet.apart;
        left + column as f64 * (tile + GAP) + f64::from(is_after) * APART
    };
    let y = |row: usize| top + row as f64 * (tile + GAP);
    let columns = sheet.rows.iter().map(|row| row.pictures.len());
    let lines = sheet.captions.iter();
    let widths = lines.map(|line| text_width(line, TEXT_SIZE, Weight::Regular));
    let widest = widths.fold(
        text_width(&sheet.title, TITLE_SIZE, Weight::SemiBold),
        f64::max,
    );
    let right = (MARGIN + widest).max(x(columns.max().unwrap_or(0)) - GAP);
    let height = y(sheet.rows.len()) - GAP + MARGIN;
    let mut picture = Picture::new((right + MARGIN).ceil(), height, &sheet.title);

    picture.heading((MARGIN, BASELINE), TITLE_SIZE, &sheet.title);
    for (line, caption) in sheet.captions.iter().enumerate() {
        let baseline = BASELINE + 3.0 + (line + 1) as f64 * CAPTION_HEIGHT;
        let text = picture.text((MARGIN, baseline), TEXT_SIZE, Anchor::Start, caption);
        text.fill = Colour::FAINT_INK;
    }
    for (column, heading) in sheet.headings.iter().enumerate() {
        let at = (x(column) + tile / 2.0, top - 7.0);
        picture.text(at, TEXT_SIZE, Anchor::Middle, heading);
    }
    for (row, SheetRow { label, pictures }) in sheet.rows.iter().enumerate() {
        let baseline = y(row) + (tile + CAP_HEIGHT * TEXT_SIZE) / 2.0;
        picture.text((left - 10.0, baseline), TEXT_SIZE, Anchor::End, label);
        for (column, bytes) in pictures.iter().enumerate() {
            dots(&mut picture, (x(column), y(row)), sheet.side, bytes);
        }
    }
    picture
}

/// Draws a grey picture; neighbours of the same grey are one rectangle.
fn dots(picture: &mut Picture, (left, top): (f64, f64), side: usize, bytes: &[u8]) {
    let edge = side as f64 * DOT;
    picture.rectangle(left, top, edge, edge, Colour(0, 0, 0));
    for (y, row) in bytes.chunks(side.max(1)).take(side).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if let Some(&grey) = run.first().filter(|&&grey| grey > 0) {
                let at = (left + x as f64 * DOT, top + y as f64 * DOT);
                let width = run.len() as f64 * DOT;
                picture.rectangle(at.0, at.1, width, DOT, Colour(grey, grey, grey));
            }
            x += run.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> ContactSheet {
        let row = |label: &str| SheetRow {
            label: label.to_owned(),
            pictures: (0..3).map(|n| vec![50 * n + 60; 9]).collect(),
        };
        ContactSheet {
            title: "Samples".to_owned(),
            captions: vec!["seed 42".to_owned()],
            side: 3,
            headings: ["a", "b", "c"].map(str::to_owned).to_vec(),
            apart: 1,
            rows: vec![row("one"), row("two")],
        }
    }

    /// The bounds `[left, top, right, bottom]` of a grey in the PNG.
    fn bounds(sheet: &ContactSheet, grey: u8) -> [u32; 4] {
        let png = contact_sheet(sheet).png().unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        let found = image
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0 == [grey; 3]);
        found.fold([u32::MAX, u32::MAX, 0, 0], |[l, t, r, b], (x, y, _)| {
            [l.min(x), t.min(y), r.max(x), b.max(y)]
        })
    }

    #[test]
    fn pictures_stand_in_rows_and_columns() {
        let sheet = sheet();
        let [first, second, third] = [60, 110, 160].map(|grey| bounds(&sheet, grey));
        // Twelve pixels wide; two rows, one gap of twelve between them.
        assert_eq!([first[2] - first[0] + 1, first[3] - first[1] + 1], [12, 36]);
        assert_eq!(second[0] - first[0], 24 + 28);
        assert_eq!(third[0] - second[0], 24);
        assert_eq!([first[1], first[3]], [third[1], third[3]]);
    }

    /// Words are never cut off, and missing bytes are black.
    #[test]
    fn a_sheet_of_little_is_drawn_too() {
        let sheet = ContactSheet {
            title: "A title that is wider than the pictures below it".to_owned(),
            side: 3,
            rows: vec![SheetRow {
                label: String::new(),
                pictures: vec![vec![9], vec![]],
            }],
            ..ContactSheet::default()
        };
        let [left, top, right, bottom] = bounds(&sheet, 9);
        assert_eq!([right - left, bottom - top], [3, 3]);
        // The first picture lacks eight of its nine bytes, the second all.
        assert_eq!(
            bounds(&sheet, 0),
            [left, top, left + 12 + 12 + 11, top + 11]
        );
        assert!(contact_sheet(&sheet).width > 400.0);
        assert!(contact_sheet(&ContactSheet::default()).png().is_ok());
    }
}
