//! The confusion matrix as a heat map.

use crate::colour::Colour;
use crate::format::{class_name, shortened};
use crate::picture::{Anchor, CAP_HEIGHT, Picture, Weight};
use crate::png::text_width;

const HITS: [Colour; 3] = [
    Colour(226, 238, 249),
    Colour(96, 158, 212),
    Colour(10, 74, 140),
];
const ERRORS: [Colour; 3] = [
    Colour(255, 236, 214),
    Colour(249, 150, 66),
    Colour(178, 50, 8),
];

const LONGEST_NAME: usize = 20;
/// Smaller text is not readable, and is left out.
const SMALLEST_TEXT: f64 = 6.0;
const TEXT_SIZE: f64 = 13.0;
/// Left and upper edge of what is not in the matrix.
const MARGIN: f64 = 24.0;

/// The confusion matrix: a row for each true class, a column for each predicted one.
///
/// Hits are blue by their share of the row, errors orange by the square root of their count relative
/// to the most frequent error: with one scale for both, the diagonal would pale the errors. Beside
/// each row is its recall, `n/a` if the row is empty. Counts are left out if cells are too small for
/// them; in the SVG each cell shows its own on hovering.
///
/// A class without a name is called by its number, and a count that is missing is zero.
pub fn confusion_matrix(matrix: &[Vec<u64>], class_names: &[String], title: &str) -> Picture {
    let layout = Layout::new(Counts::new(matrix), class_names, title);
    let mut picture = Picture::new(layout.width, layout.height, title);
    picture.heading((MARGIN, 34.0), 18.0, title);
    layout.draw_cells(&mut picture);
    layout.draw_labels(&mut picture);
    layout.draw_scales(&mut picture);
    picture
}

/// A square view of the matrix.
struct Counts<'a> {
    rows: &'a [Vec<u64>],
    largest_hit: u64,
    largest_error: u64,
}

impl<'a> Counts<'a> {
    fn new(rows: &'a [Vec<u64>]) -> Self {
        let mut counts = Self {
            rows,
            largest_hit: 0,
            largest_error: 0,
        };
        for (row, column) in counts.cells() {
            let count = counts.get(row, column);
            if row == column {
                counts.largest_hit = counts.largest_hit.max(count);
            } else {
                counts.largest_error = counts.largest_error.max(count);
            }
        }
        counts
    }

    fn classes(&self) -> usize {
        self.rows.len()
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let classes = self.classes();
        (0..classes).flat_map(move |row| (0..classes).map(move |column| (row, column)))
    }

    fn get(&self, row: usize, column: usize) -> u64 {
        let count = self.rows.get(row).and_then(|row| row.get(column));
        count.copied().unwrap_or(0)
    }

    /// The share of a row in 0..=1 that is on the diagonal; `None` for an empty row.
    fn recall(&self, row: usize) -> Option<f64> {
        let counts = (0..self.classes()).map(|column| self.get(row, column));
        let sum = counts.fold(0_u64, u64::saturating_add);
        (sum > 0).then(|| self.get(row, row) as f64 / sum as f64)
    }

    fn colour(&self, row: usize, column: usize) -> Colour {
        match self.get(row, column) {
            0 => Colour::EMPTY,
            _ if row == column => Colour::ramp(HITS, self.recall(row).unwrap_or(0.0)),
            count => Colour::ramp(ERRORS, (count as f64 / self.largest_error as f64).sqrt()),
        }
    }
}

/// Where things are.
struct Layout<'a> {
    counts: Counts<'a>,
    names: Vec<String>,
    width: f64,
    height: f64,
    /// Upper left corner of the cells.
    left: f64,
    top: f64,
    /// Side of all cells together, and of a cell with its gap.
    side: f64,
    cell: f64,
    gap: f64,
    name_size: f64,
    /// Whether the column names are turned, being wider than a cell.
    turned: bool,
    /// Height of the column names.
    name_height: f64,
}

impl<'a> Layout<'a> {
    fn new(counts: Counts<'a>, class_names: &[String], title: &str) -> Self {
        let classes = counts.classes();
        let name = |class| shortened(&class_name(class_names, class), LONGEST_NAME);
        let names: Vec<String> = (0..classes).map(name).collect();
        let cell = match classes {
            0..=12 => 54.0,
            13..=66 => (720.0 / classes as f64).floor().max(16.0),
            _ => 1056.0 / classes as f64,
        };
        let name_size = (cell * 0.66).min(TEXT_SIZE);
        let widths = names
            .iter()
            .map(|name| text_width(name, name_size, Weight::Regular));
        let widest = widths.fold(0.0, f64::max);
        let turned = widest > cell - 4.0;
        let name_height = if turned { widest } else { name_size };
        let (left, top) = ((62.0 + widest).ceil(), 84.0);
        let side = cell * classes as f64;
        let right = left + side + 24.0 + text_width("100.0 %", TEXT_SIZE, Weight::Regular);
        let title_width = text_width(title, 18.0, Weight::SemiBold) + 2.0 * MARGIN;
        Self {
            counts,
            names,
            width: right.max(title_width.min(1400.0)).max(640.0).ceil(),
            height: (top + side + name_height + 112.0).ceil(),
            left,
            top,
            side,
            cell,
            gap: match cell {
                40.0.. => 2.0,
                8.0.. => 1.0,
                _ => 0.0,
            },
            name_size,
            turned,
            name_height,
        }
    }

    /// Centre of a row or column, counted from the first cell's edge.
    fn centre(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * self.cell
    }

    fn draw_cells(&self, picture: &mut Picture) {
        // Empty cells are one ground, cut by lines: a file of 62 classes has few others.
        let (left, top, side, gap) = (self.left, self.top, self.side, self.gap);
        picture.rectangle(left, top, side, side, Colour::EMPTY);
        if gap > 0.0 {
            for index in 0..=self.counts.classes() {
                let (x, y) = (
                    left + index as f64 * self.cell,
                    top + index as f64 * self.cell,
                );
                picture.line((x, top), (x, top + side), gap, Colour::PAPER);
                picture.line((left, y), (left + side, y), gap, Colour::PAPER);
            }
        }
        let hit_size = self.number_size(self.counts.largest_hit);
        let error_size = self.number_size(self.counts.largest_error);
        for (row, column) in self.counts.cells() {
            let count = self.counts.get(row, column);
            let is_hit = row == column;
            let missed_all = is_hit && self.counts.recall(row) == Some(0.0);
            if count == 0 && !missed_all {
                continue;
            }
            let fill = self.counts.colour(row, column);
            let (x, y) = (left + self.centre(column), top + self.centre(row));
            let side = self.cell - gap;
            let (truth, predicted) = (&self.names[row], &self.names[column]);
            let hint = format!("{truth} predicted as {predicted}: {count}");
            let corner = (x - side / 2.0, y - side / 2.0);
            picture.hinted(corner, (side, side), fill, Some(hint));
            let (size, weight) = if is_hit {
                (hit_size, Weight::SemiBold)
            } else {
                (error_size, Weight::Regular)
            };
            if let Some(size) = size {
                let at = (x, y + size * CAP_HEIGHT / 2.0);
                let text = picture.text(at, size, Anchor::Middle, &count.to_string());
                (text.fill, text.weight) = (fill.ink(), weight);
            }
        }
    }

    /// The text size at which the largest count fits a cell, if that is readable.
    fn number_size(&self, largest: u64) -> Option<f64> {
        let width_at_one = text_width(&largest.to_string(), 1.0, Weight::SemiBold);
        let size = ((self.cell - self.gap - 2.0) / width_at_one)
            .min(self.cell * 0.6)
            .min(14.0);
        (size >= SMALLEST_TEXT).then_some(size)
    }

    fn draw_labels(&self, picture: &mut Picture) {
        let (left, top, side, size) = (self.left, self.top, self.side, self.name_size);
        let half_height = CAP_HEIGHT * size / 2.0;
        let recall_right =
            left + side + 12.0 + text_width("100.0 %", size.max(9.0), Weight::Regular);
        if size >= SMALLEST_TEXT {
            for (class, name) in self.names.iter().enumerate() {
                let centre = self.centre(class);
                let baseline = top + centre + half_height;
                picture.text((left - 8.0, baseline), size, Anchor::End, name);
                if self.turned {
                    let at = (left + centre + half_height, top + side + 8.0);
                    picture.text(at, size, Anchor::End, name).upwards = true;
                } else {
                    let at = (left + centre, top + side + 8.0 + 2.0 * half_height);
                    picture.text(at, size, Anchor::Middle, name);
                }
                let recall = match self.counts.recall(class) {
                    Some(recall) => format!("{:.1} %", 100.0 * recall),
                    None => "n/a".to_owned(),
                };
                let at = (recall_right, baseline);
                picture.text(at, size, Anchor::End, &recall).fill = Colour::FAINT_INK;
            }
            let at = (recall_right, top - 10.0);
            picture.text(at, TEXT_SIZE, Anchor::End, "Recall").weight = Weight::SemiBold;
        }
        let truth = (MARGIN + CAP_HEIGHT * TEXT_SIZE, top + side / 2.0);
        let text = picture.text(truth, TEXT_SIZE, Anchor::Middle, "True class");
        (text.upwards, text.weight) = (true, Weight::SemiBold);
        let predicted = (left + side / 2.0, top + side + self.name_height + 32.0);
        let text = picture.text(predicted, TEXT_SIZE, Anchor::Middle, "Predicted class");
        text.weight = Weight::SemiBold;
    }

    /// What the colours mean, in one line at the foot.
    fn draw_scales(&self, picture: &mut Picture) {
        let errors = self.counts.largest_error;
        let baseline = self.height - 26.0;
        let hits = ("Hits (share of class)", HITS, "100 %");
        let x = draw_scale(picture, (MARGIN, baseline), hits);
        if errors > 0 {
            let high = errors.to_string();
            let errors = ("Errors (root scale)", ERRORS, high.as_str());
            draw_scale(picture, (x, baseline), errors);
        }
    }
}

/// Draws a bar of colours with its name, from 0 to `high`; returns where the next may begin.
fn draw_scale(
    picture: &mut Picture,
    (mut x, baseline): (f64, f64),
    (name, stops, high): (&str, [Colour; 3], &str),
) -> f64 {
    const BAR: f64 = 96.0;
    const HEIGHT: f64 = 10.0;
    const SIZE: f64 = 12.0;
    let word = |picture: &mut Picture, x: f64, text: &str, fill: Colour| {
        picture.text((x, baseline), SIZE, Anchor::Start, text).fill = fill;
        x + text_width(text, SIZE, Weight::Regular) + 7.0
    };
    x = word(picture, x, name, Colour::INK);
    x = word(picture, x, "0", Colour::FAINT_INK);
    for step in 0..BAR as usize / 2 {
        let offset = 2.0 * step as f64;
        let fill = Colour::ramp(stops, offset / (BAR - 2.0));
        // Each covers the rest of the bar, so that no seam shows between two of them.
        let top = baseline - HEIGHT + 1.0;
        picture.rectangle(x + offset, top, BAR - offset, HEIGHT, fill);
    }
    word(picture, x + BAR + 7.0, high, Colour::FAINT_INK) + 16.0
}
