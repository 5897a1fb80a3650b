//! The embedded typeface, and how wide its letters are.
//!
//! plotters draws a letter at whole pixels and without its left side bearing, which makes uneven
//! words. Hence each letter is placed by the font's own metrics, read here from its tables.

use std::sync::OnceLock;

use plotters::style::{FontStyle, register_font};

use super::Weight;

/// The name under which plotters finds the typeface.
pub(super) const FAMILY: &str = "lenet-report";

static REGULAR: &[u8] = include_bytes!("../../fonts/inter-latin-regular.otf");
static SEMI_BOLD: &[u8] = include_bytes!("../../fonts/inter-latin-semibold.otf");

/// Width of a text of the given size, in the unit of the size.
pub(crate) fn text_width(text: &str, size: f64, weight: Weight) -> f64 {
    let font = Font::of(weight);
    text.chars()
        .map(|letter| font.letter(letter).advance * size)
        .sum()
}

/// Tells plotters of the typeface; a second call changes nothing.
pub(super) fn register() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // A failure shows when text is drawn: plotters then reports that the family is unknown.
        let _ = register_font(FAMILY, FontStyle::Normal, REGULAR);
        let _ = register_font(FAMILY, FontStyle::Bold, SEMI_BOLD);
    });
}

/// The metrics of one font file.
pub(super) struct Font {
    /// Ascent and descent together, in ems: what plotters takes for the size.
    pub(super) line_height: f64,
    units_per_em: f64,
    horizontal_metrics: &'static [u8],
    number_of_metrics: usize,
    /// Each range of characters with the glyph of its first one.
    ranges: Vec<(u32, u32, usize)>,
}

/// Where a letter stands, in ems.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Letter {
    /// From this letter's origin to the next one's.
    pub(super) advance: f64,
    /// From the origin to the leftmost ink.
    pub(super) left_bearing: f64,
}

impl Font {
    pub(super) fn of(weight: Weight) -> &'static Self {
        static FONTS: OnceLock<[Font; 2]> = OnceLock::new();
        let [regular, semi_bold] =
            FONTS.get_or_init(|| [Self::parse(REGULAR), Self::parse(SEMI_BOLD)]);
        match weight {
            Weight::Regular => regular,
            Weight::SemiBold => semi_bold,
        }
    }

    /// A letter that the font lacks has the metrics of glyph 0, the empty box.
    pub(super) fn letter(&self, letter: char) -> Letter {
        let code = u32::from(letter);
        let glyph = self
            .ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&code))
            .map_or(0, |(first, _, glyph)| glyph + (code - first) as usize);
        let entry = 4 * glyph.min(self.number_of_metrics.saturating_sub(1));
        let units = |offset| f64::from(u16_at(self.horizontal_metrics, entry + offset));
        let signed = |offset| f64::from(u16_at(self.horizontal_metrics, entry + offset) as i16);
        Letter {
            advance: units(0) / self.units_per_em,
            left_bearing: signed(2) / self.units_per_em,
        }
    }

    /// Reads the tables head, hhea, hmtx and cmap after the OpenType specification 1.9.
    fn parse(file: &'static [u8]) -> Self {
        let head = table(file, b"head");
        let hhea = table(file, b"hhea");
        let units_per_em = f64::from(u16_at(head, 18)).max(1.0);
        let (ascent, descent) = (u16_at(hhea, 4) as i16, u16_at(hhea, 6) as i16);
        Self {
            line_height: (f64::from(ascent) - f64::from(descent)) / units_per_em,
            units_per_em,
            horizontal_metrics: table(file, b"hmtx"),
            number_of_metrics: usize::from(u16_at(hhea, 34)),
            ranges: ranges(table(file, b"cmap")),
        }
    }
}

/// The bytes of a table, none if the file lacks it.
fn table(file: &'static [u8], tag: &[u8; 4]) -> &'static [u8] {
    let tables = usize::from(u16_at(file, 4));
    (0..tables)
        .map(|index| 12 + 16 * index)
        .find(|entry| file.get(*entry..entry + 4) == Some(tag))
        .and_then(|entry| {
            let start = u32_at(file, entry + 8);
            file.get(start..start.checked_add(u32_at(file, entry + 12))?)
        })
        .unwrap_or_default()
}

/// The ranges of the first format 4 subtable. Inter's glyphs are in the order of their characters,
/// but ranges that name their glyphs one by one are read as well.
fn ranges(cmap: &[u8]) -> Vec<(u32, u32, usize)> {
    let subtables = usize::from(u16_at(cmap, 2));
    let Some(map) = (0..subtables)
        .filter_map(|index| cmap.get(u32_at(cmap, 4 + 8 * index + 4)..))
        .find(|subtable| u16_at(subtable, 0) == 4)
    else {
        return Vec::new();
    };
    let segments = usize::from(u16_at(map, 6)) / 2;
    let mut ranges = Vec::new();
    for segment in 0..segments {
        let field = |block: usize, gap: usize| 14 + gap + 2 * (block * segments + segment);
        let (last, first) = (u16_at(map, field(0, 0)), u16_at(map, field(1, 2)));
        let (delta, offset_at) = (u16_at(map, field(2, 2)), field(3, 2));
        let offset = usize::from(u16_at(map, offset_at));
        if offset == 0 {
            let glyph = usize::from(first.wrapping_add(delta));
            ranges.push((u32::from(first), u32::from(last), glyph));
            continue;
        }
        for code in first..=last {
            let glyph = u16_at(map, offset_at + offset + 2 * usize::from(code - first));
            if glyph != 0 {
                let glyph = usize::from(glyph.wrapping_add(delta));
                ranges.push((u32::from(code), u32::from(code), glyph));
            }
        }
    }
    ranges
}

/// A big-endian number, zero beyond the end.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16_at(bytes, at)) << 16 | usize::from(u16_at(bytes, at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_those_that_fonttools_reads() {
        let font = Font::of(Weight::Regular);
        let units = |letter: Letter| {
            (
                (letter.advance * 2816.0).round(),
                (letter.left_bearing * 2816.0).round(),
            )
        };
        assert_eq!((font.line_height * 2816.0).round(), 3408.0);
        // `TTFont(...)["hmtx"]` of the glyphs that `getBestCmap()` names.
        assert_eq!(units(font.letter('A')), (1904.0, 72.0));
        assert_eq!(units(font.letter('l')), (668.0, 216.0));
        assert_eq!(units(font.letter('→')), (2688.0, 352.0));
    }

    #[test]
    fn a_letter_that_the_font_lacks_is_the_empty_box() {
        let font = Font::of(Weight::SemiBold);
        assert_eq!(font.letter('漢'), font.letter('\u{10ffff}'));
        assert!(font.letter('漢').advance > 0.0);
        assert_ne!(font.letter('漢'), font.letter('m'));
    }

    #[test]
    fn widths_add_up_and_grow_with_the_size() {
        let one = text_width("0", 10.0, Weight::Regular);
        assert!((text_width("000", 20.0, Weight::Regular) - 6.0 * one).abs() < 1e-9);
        assert!(
            text_width("MNIST", 10.0, Weight::SemiBold)
                > text_width("MNIST", 10.0, Weight::Regular)
        );
    }
}
