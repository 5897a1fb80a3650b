//! The confusion matrix as a heat map.

use crate::Error;
use crate::canvas::{Anchor, CAP_HEIGHT, Colour, Mark, Picture, VIEWER_WIDTH, Weight, text_width};

/// The confusion matrix as an SVG document: a row a true class, a column a predicted one.
///
/// Hits are blue by their share of the row, errors orange by the square root of their count relative
/// to the most frequent error: with one scale for both, the diagonal would pale the errors. Beside
/// each row stands its recall, `n/a` where the row is empty. Counts are left out where cells are too
/// small for them; in the SVG each cell tells its own on hovering.
///
/// A class without a name is called by its number, and a count that is missing is zero.
pub fn confusion_matrix_svg(matrix: &[Vec<u64>], class_names: &[String], title: &str) -> String {
    confusion_matrix(matrix, class_names, title).svg()
}

/// The picture of [`confusion_matrix_svg`] as a PNG file, two pixels to one of the SVG.
///
/// # Errors
/// [`Error::Draw`] if the picture cannot be drawn or encoded.
pub fn confusion_matrix_png(
    matrix: &[Vec<u64>],
    class_names: &[String],
    title: &str,
) -> Result<Vec<u8>, Error> {
    confusion_matrix(matrix, class_names, title).png()
}

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

pub(crate) fn confusion_matrix(
    matrix: &[Vec<u64>],
    class_names: &[String],
    title: &str,
) -> Picture {
    let layout = Layout::new(Counts::new(matrix), class_names, title);
    let mut picture = Picture::new(layout.width, layout.height, title);
    picture
        .text((24.0, 34.0), 18.0, Anchor::Start, title)
        .weight = Weight::SemiBold;
    layout.draw_cells(&mut picture);
    layout.draw_labels(&mut picture);
    layout.draw_scales(&mut picture);
    picture
}

/// A square view of the matrix.
struct Counts<'a> {
    rows: &'a [Vec<u64>],
    classes: usize,
    largest_error: u64,
    largest_hit: u64,
}

impl<'a> Counts<'a> {
    fn new(rows: &'a [Vec<u64>]) -> Self {
        let mut counts = Self {
            rows,
            classes: rows.len(),
            largest_error: 0,
            largest_hit: 0,
        };
        for (row, column) in counts.cells() {
            let largest = if row == column {
                &mut counts.largest_hit
            } else {
                &mut counts.largest_error
            };
            let count = rows
                .get(row)
                .and_then(|row| row.get(column))
                .copied()
                .unwrap_or(0);
            *largest = count.max(*largest);
        }
        counts
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let classes = self.classes;
        (0..classes).flat_map(move |row| (0..classes).map(move |column| (row, column)))
    }

    fn get(&self, row: usize, column: usize) -> u64 {
        self.rows
            .get(row)
            .and_then(|row| row.get(column))
            .copied()
            .unwrap_or(0)
    }

    /// The share of a row in 0..=1 that is on the diagonal; `None` for an empty row.
    fn recall(&self, row: usize) -> Option<f64> {
        let sum = (0..self.classes).fold(0_u64, |sum, column| {
            sum.saturating_add(self.get(row, column))
        });
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

/// Where things stand.
struct Layout<'a> {
    counts: Counts<'a>,
    names: Vec<String>,
    width: f64,
    height: f64,
    /// Upper left corner of the cells.
    left: f64,
    top: f64,
    /// Side of a cell with its gap.
    cell: f64,
    name_size: f64,
    /// Whether the column names are turned, being wider than a cell.
    upright: bool,
    /// Room for the column names.
    name_height: f64,
}

impl<'a> Layout<'a> {
    fn new(counts: Counts<'a>, class_names: &[String], title: &str) -> Self {
        let classes = counts.classes;
        let names: Vec<String> = (0..classes)
            .map(|class| {
                class_names
                    .get(class)
                    .map_or_else(|| class.to_string(), |name| shorten(name))
            })
            .collect();
        let cell = match classes {
            0..=12 => 54.0,
            13..=66 => (720.0 / classes as f64).floor().max(16.0),
            _ => 1056.0 / classes as f64,
        };
        let name_size = (cell * 0.66).min(TEXT_SIZE);
        let widest = names
            .iter()
            .map(|name| text_width(name, name_size, Weight::Regular) * VIEWER_WIDTH)
            .fold(0.0, f64::max);
        let upright = widest > cell - 4.0;
        let name_height = if upright { widest } else { name_size };
        let (left, top) = ((62.0 + widest).ceil(), 84.0);
        let side = cell * classes as f64;
        let right = left + side + 24.0 + text_width("100.0 %", TEXT_SIZE, Weight::Regular);
        let title_width = text_width(title, 18.0, Weight::SemiBold) * VIEWER_WIDTH + 48.0;
        Self {
            counts,
            names,
            width: right.max(title_width.min(1400.0)).max(640.0).ceil(),
            height: (top + side + name_height + 112.0).ceil(),
            left,
            top,
            cell,
            name_size,
            upright,
            name_height,
        }
    }

    fn side(&self) -> f64 {
        self.cell * self.counts.classes as f64
    }

    /// Centre of a row or column, counted from the first cell's edge.
    fn centre(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * self.cell
    }

    fn draw_cells(&self, picture: &mut Picture) {
        // Empty cells are one ground, cut by lines: a file of 62 classes has few others.
        let (left, top, side) = (self.left, self.top, self.side());
        picture.rectangle(left, top, side, side, Colour::EMPTY);
        let gap = if self.cell >= 40.0 {
            2.0
        } else if self.cell >= 8.0 {
            1.0
        } else {
            0.0
        };
        if gap > 0.0 {
            for index in 0..=self.counts.classes {
                let offset = index as f64 * self.cell;
                picture.line(
                    (left + offset, top),
                    (left + offset, top + side),
                    gap,
                    Colour::PAPER,
                );
                picture.line(
                    (left, top + offset),
                    (left + side, top + offset),
                    gap,
                    Colour::PAPER,
                );
            }
        }
        let hit_size = self.number_size(self.counts.largest_hit, gap);
        let error_size = self.number_size(self.counts.largest_error, gap);
        for (row, column) in self.counts.cells() {
            let count = self.counts.get(row, column);
            let is_hit = row == column;
            let missed_all = is_hit && self.counts.recall(row) == Some(0.0);
            if count == 0 && !missed_all {
                continue;
            }
            let fill = self.counts.colour(row, column);
            let (x, y) = (column as f64 * self.cell, row as f64 * self.cell);
            let side = self.cell - gap;
            let (truth, predicted) = (self.name(row), self.name(column));
            picture.marks.push(Mark::Rectangle {
                x: left + x + gap / 2.0,
                y: top + y + gap / 2.0,
                width: side,
                height: side,
                fill,
                hint: Some(format!("{truth} predicted as {predicted}: {count}")),
            });
            let size = if is_hit { hit_size } else { error_size };
            if let Some(size) = size {
                let baseline = top + self.centre(row) + size * CAP_HEIGHT / 2.0;
                let at = (left + self.centre(column), baseline);
                let text = picture.text(at, size, Anchor::Middle, &count.to_string());
                text.fill = fill.ink();
                text.weight = if is_hit {
                    Weight::SemiBold
                } else {
                    Weight::Regular
                };
            }
        }
    }

    /// The text size at which the largest count fits a cell, if that is readable.
    fn number_size(&self, largest: u64, gap: f64) -> Option<f64> {
        let width_at_one = text_width(&largest.to_string(), 1.0, Weight::SemiBold) * VIEWER_WIDTH;
        let size = ((self.cell - gap - 2.0) / width_at_one)
            .min(self.cell * 0.6)
            .min(14.0);
        (size >= SMALLEST_TEXT).then_some(size)
    }

    fn name(&self, class: usize) -> &str {
        self.names.get(class).map_or("", String::as_str)
    }

    fn draw_labels(&self, picture: &mut Picture) {
        let (left, top, side) = (self.left, self.top, self.side());
        let half_height = CAP_HEIGHT * self.name_size / 2.0;
        if self.name_size >= SMALLEST_TEXT {
            for (class, name) in self.names.iter().enumerate() {
                let centre = self.centre(class);
                let row = (left - 8.0, top + centre + half_height);
                picture.text(row, self.name_size, Anchor::End, name);
                if self.upright {
                    let column = (left + centre + half_height, top + side + 8.0);
                    picture
                        .text(column, self.name_size, Anchor::End, name)
                        .upwards = true;
                } else {
                    let column = (left + centre, top + side + 8.0 + 2.0 * half_height);
                    picture.text(column, self.name_size, Anchor::Middle, name);
                }
                let recall = match self.counts.recall(class) {
                    Some(recall) => format!("{:.1} %", 100.0 * recall),
                    None => "n/a".to_owned(),
                };
                let at = (self.recall_right(), top + centre + half_height);
                picture.text(at, self.name_size, Anchor::End, &recall).fill = Colour::FAINT_INK;
            }
            let at = (self.recall_right(), top - 10.0);
            picture.text(at, TEXT_SIZE, Anchor::End, "Recall").weight = Weight::SemiBold;
        }
        let truth = (24.0 + CAP_HEIGHT * TEXT_SIZE, top + side / 2.0);
        let text = picture.text(truth, TEXT_SIZE, Anchor::Middle, "True class");
        (text.upwards, text.weight) = (true, Weight::SemiBold);
        let predicted = (left + side / 2.0, top + side + self.name_height + 32.0);
        picture
            .text(predicted, TEXT_SIZE, Anchor::Middle, "Predicted class")
            .weight = Weight::SemiBold;
    }

    /// The right edge of the recall column.
    fn recall_right(&self) -> f64 {
        self.left
            + self.side()
            + 12.0
            + text_width("100.0 %", self.name_size.max(9.0), Weight::Regular)
    }

    /// What the colours mean, in one line at the foot.
    fn draw_scales(&self, picture: &mut Picture) {
        const BAR: f64 = 96.0;
        const HEIGHT: f64 = 10.0;
        const SIZE: f64 = 12.0;
        let baseline = self.height - 26.0;
        let mut x = 24.0;
        let mut scale = |name: &str, stops: [Colour; 3], low: &str, high: &str| {
            let word = |picture: &mut Picture, x: &mut f64, text: &str, fill: Colour| {
                picture.text((*x, baseline), SIZE, Anchor::Start, text).fill = fill;
                *x += text_width(text, SIZE, Weight::Regular) * VIEWER_WIDTH + 7.0;
            };
            word(picture, &mut x, name, Colour::INK);
            word(picture, &mut x, low, Colour::FAINT_INK);
            for step in 0..BAR as usize / 2 {
                let offset = 2.0 * step as f64;
                let fill = Colour::ramp(stops, offset / (BAR - 2.0));
                // Each covers the rest of the bar, so that no seam shows between two of them.
                picture.rectangle(
                    x + offset,
                    baseline - HEIGHT + 1.0,
                    BAR - offset,
                    HEIGHT,
                    fill,
                );
            }
            x += BAR + 7.0;
            word(picture, &mut x, high, Colour::FAINT_INK);
            x += 16.0;
        };
        scale("Hits (share of class)", HITS, "0", "100 %");
        if self.counts.largest_error > 0 {
            scale(
                "Errors (root scale)",
                ERRORS,
                "0",
                &self.counts.largest_error.to_string(),
            );
        }
    }
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}
