//! Some pictures of a contact sheet on the terminal, in half-blocks: two pixels to a character.

use lenet_report::ContactSheet;
use terminal_size::{Width, terminal_size};

use crate::failure::Outcome;
use crate::output;

/// Columns of an output that is not a terminal.
const COLUMNS: u16 = 80;

/// Prints as many pictures as fit, at half their size, each above its label.
pub fn print(sheet: &ContactSheet) -> Outcome<()> {
    let columns = terminal_size().map_or(COLUMNS, |(Width(columns), _)| columns);
    for line in lines(sheet, usize::from(columns)) {
        output::verbatim(line.blocks(sheet.side))?;
        output::line(line.words(sheet.side))?;
    }
    Ok(())
}

/// Pictures beside one another, each with the label below it.
#[derive(Debug, PartialEq)]
struct Line<'a>(Vec<(&'a [u8], &'a str)>);

/// What fits: of a sheet with headings a line for each row, else one picture of each row.
fn lines(sheet: &ContactSheet, columns: usize) -> Vec<Line<'_>> {
    let fitting = ((columns + 1) / (sheet.side / 2 + 1)).max(1);
    let rows = sheet.rows.iter();
    if sheet.headings.is_empty() {
        let first: Vec<_> = rows
            .filter_map(|row| Some((row.pictures.first()?.as_slice(), &*row.label)))
            .collect();
        return first
            .chunks(fitting)
            .map(|line| Line(line.to_vec()))
            .collect();
    }
    rows.map(|row| {
        let pictures = row.pictures.iter().map(Vec::as_slice);
        let words = std::iter::once(&*row.label).chain(sheet.headings.iter().skip(1).map(|h| &**h));
        Line(pictures.zip(words).take(fitting).collect())
    })
    .collect()
}

impl Line<'_> {
    /// The pictures at half their size: the lower half of a character is one pixel in the
    /// foreground colour, the upper half another in the background colour.
    fn blocks(&self, side: usize) -> String {
        let half = side / 2;
        // The mean of four pixels among the 24 greys of a terminal of 256 colours.
        let grey = |pixels: &[u8], x: usize, y: usize| {
            let corner = 2 * y * side + 2 * x;
            let four = [corner, corner + 1, corner + side, corner + side + 1];
            let sum: u32 = four.iter().map(|&at| u32::from(pixels[at])).sum();
            232 + sum * 23 / (4 * 255)
        };
        let mut text = String::new();
        for y in (0..half).step_by(2) {
            for (pixels, _) in &self.0 {
                for x in 0..half {
                    let (upper, lower) = (grey(pixels, x, y), grey(pixels, x, y + 1));
                    text += &format!("\x1b[48;5;{upper};38;5;{lower}m▄");
                }
                text += "\x1b[0m ";
            }
            text += "\n";
        }
        text.trim_end().to_owned()
    }

    /// The labels, each under its picture and no wider than it.
    fn words(&self, side: usize) -> String {
        let half = side / 2;
        let mut line = String::new();
        for (_, word) in &self.0 {
            let word: String = word.chars().take(half).collect();
            line += &format!("{word:<width$}", width = half + 1);
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use lenet_report::SheetRow;

    use super::*;

    fn sheet() -> ContactSheet {
        let row = |(label, pixel): (&str, u8)| SheetRow {
            label: label.to_owned(),
            pictures: vec![vec![pixel; 784], vec![255 - pixel; 784]],
        };
        ContactSheet {
            side: 28,
            rows: [("zero", 0), ("one", 0), ("a name of many letters", 0)]
                .map(row)
                .into(),
            ..ContactSheet::default()
        }
    }

    #[test]
    fn one_picture_of_each_row_as_many_as_fit() {
        let sheet = sheet();
        let found = lines(&sheet, 30);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].words(28), "zero           one");
        assert_eq!(found[1].words(28), "a name of many");
        // One is shown however narrow the terminal is.
        assert_eq!(lines(&sheet, 3).len(), 3);
    }

    #[test]
    fn a_character_has_two_pixels() {
        // The left half of the upper two pixel rows is white: seven columns of the first line.
        let pixels: Vec<u8> = (0..784)
            .map(|at| if at < 56 && at % 28 < 14 { 255 } else { 0 })
            .collect();
        let blocks = Line(vec![(&pixels, "")]).blocks(28);
        let lines: Vec<&str> = blocks.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[0].matches("48;5;255;38;5;232m▄").count(), 7);
        assert_eq!(blocks.matches("48;5;232;38;5;232m▄").count(), 7 * 14 - 7);
    }
}
