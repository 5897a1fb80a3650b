//! A contact sheet on the terminal.

use std::io::{self, IsTerminal as _};

use image::{DynamicImage, GrayImage};
use lenet_report::ContactSheet;
use ratatui::crossterm::terminal;
use viuer::{Config, KittySupport};

use crate::failure::{Failure, Outcome};
use crate::output;

/// Columns of what is no terminal.
const COLUMNS: u16 = 80;

/// Prints the sheet: the PNG file where the terminal shows pictures, else some of the sheet's
/// pictures by half their size, two pixels to a character.
pub fn print(sheet: &ContactSheet, png: &[u8]) -> Outcome<()> {
    let columns = terminal::size().map_or(COLUMNS, |(columns, _)| columns);
    if shows_pictures() {
        let picture = image::load_from_memory(png).map_err(|error| failed(error.into()))?;
        // A character is some eight pixels wide: no wider than the picture is.
        let width = u32::from(columns).min(picture.width() / 8);
        return show(&picture, width, true);
    }
    for line in lines(sheet, usize::from(columns)) {
        show(&line.picture(sheet.side), 0, false)?;
        output::line(line.words(sheet.side))?;
    }
    Ok(())
}

/// Whether standard output is a terminal of those that show pictures. Only one that calls itself so
/// is asked how: viuer waits for the answer, and others would never give it.
fn shows_pictures() -> bool {
    let is_kitty = || {
        let names = ["kitty", "ghostty"];
        let term = std::env::var("TERM").unwrap_or_default();
        names.iter().any(|name| term.contains(name))
            && io::stdin().is_terminal()
            && viuer::get_kitty_support() != KittySupport::None
    };
    io::stdout().is_terminal() && (viuer::is_iterm_supported() || is_kitty())
}

fn show(picture: &DynamicImage, width: u32, with_protocols: bool) -> Outcome<()> {
    let config = Config {
        absolute_offset: false,
        width: Some(if width == 0 { picture.width() } else { width }),
        use_kitty: with_protocols,
        use_iterm: with_protocols,
        ..Config::default()
    };
    viuer::print(picture, &config).map(drop).map_err(failed)
}

fn failed(error: viuer::ViuError) -> Failure {
    Failure::Output(match error {
        viuer::ViuError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    })
}

/// Pictures beside one another, each with a word below it.
#[derive(Debug, PartialEq)]
struct Line<'a>(Vec<(&'a [u8], &'a str)>);

/// What fits: of a sheet with headings a line for each row, else one picture of each row.
fn lines(sheet: &ContactSheet, columns: usize) -> Vec<Line<'_>> {
    let fitting = ((columns + 1) / (sheet.side / 2 + 1)).max(1);
    let rows = sheet.rows.iter();
    if sheet.headings.is_empty() {
        let first = rows.filter_map(|row| Some((row.pictures.first()?.as_slice(), &*row.label)));
        let first: Vec<_> = first.collect();
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
    /// The pictures by half their size, a column of black between them.
    fn picture(&self, side: usize) -> DynamicImage {
        let half = side / 2;
        let width = self.0.len() * (half + 1) - 1;
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let inside = self.0.get(x / (half + 1)).filter(|_| x % (half + 1) < half);
            let mean = inside.map_or(0, |(pixels, _)| {
                let corner = 2 * y * side + 2 * (x % (half + 1));
                let four = [corner, corner + 1, corner + side, corner + side + 1];
                let sum: u32 = four
                    .iter()
                    .map(|&at| u32::from(pixels.get(at).copied().unwrap_or(0)))
                    .sum();
                sum.div_ceil(4)
            });
            image::Luma([mean as u8])
        };
        GrayImage::from_fn(width as u32, half as u32, pixel).into()
    }

    /// The words, each under its picture and no wider than it.
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

    fn sheet(headings: &[&str]) -> ContactSheet {
        let row = |(label, pixel): (&str, u8)| SheetRow {
            label: label.to_owned(),
            pictures: vec![vec![pixel; 784], vec![pixel + 1; 784]],
        };
        ContactSheet {
            side: 28,
            headings: headings.iter().map(|&heading| heading.to_owned()).collect(),
            rows: [("zero", 10), ("one", 20), ("a name of many letters", 30)]
                .map(row)
                .into(),
            ..ContactSheet::default()
        }
    }

    #[test]
    fn one_picture_of_each_row_as_many_as_fit() {
        let sheet = sheet(&[]);
        let found = lines(&sheet, 30);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].words(28), "zero           one");
        assert_eq!(found[1].words(28), "a name of many");
        let picture = found[0].picture(28).to_luma8();
        assert_eq!(picture.dimensions(), (29, 14));
        assert_eq!(
            [0, 13, 14, 15, 28].map(|x| picture.get_pixel(x, 13).0[0]),
            [10, 10, 0, 20, 20]
        );
        // One is shown however narrow the terminal is.
        assert_eq!(lines(&sheet, 3).len(), 3);
    }

    #[test]
    fn with_headings_a_row_is_a_line() {
        let sheet = sheet(&["original", "epoch 1"]);
        let found = lines(&sheet, 80);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1].words(28), "one            epoch 1");
        assert_eq!(found[1].picture(28).to_luma8().get_pixel(15, 0).0[0], 21);
        assert_eq!(lines(&sheet, 20)[0].0.len(), 1);
    }

    #[test]
    fn four_pixels_become_their_mean() {
        let mut pixels = vec![0; 784];
        for (at, value) in [(0, 100), (1, 200), (28, 60), (29, 41)] {
            pixels[at] = value;
        }
        let picture = Line(vec![(&pixels, "")]).picture(28).to_luma8();
        assert_eq!(picture.get_pixel(0, 0).0[0], 101);
        assert_eq!(
            picture
                .pixels()
                .map(|pixel| u32::from(pixel.0[0]))
                .sum::<u32>(),
            101
        );
    }
}
