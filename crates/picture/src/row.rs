//! Several digits in rows, such as a postcode or a phone number, become single ones.

use std::cmp::Reverse;
use std::ops::Range;

use crate::IMAGE_PIXELS;
use crate::strokes::{Part, enclosing};
use crate::{Grey, Ink, Picture, WORKING_SIDE, find_strokes, light_on_dark};

/// Strokes lower than this part of the highest are not digits but hyphens, dots or commas.
const LOWEST: f64 = 0.4;

/// A digit is at most this many times as wide as the row is high; anything wider is several digits
/// that touch. MNIST's widest digits are as wide as high.
const WIDEST: f64 = 1.05;

/// The usual width of a digit by its height, to separate digits that touch: the mean of MNIST's digits
/// other than ones.
const USUAL: f64 = 0.75;

/// The gap between two halves of a digit, by the height of the higher one: rows of digits have more
/// between them.
const APART: f64 = 0.15;

/// The gap between a digit and its bar or dot.
const FARTHEST: f64 = 0.5;

/// No more parts than these, the largest, are digits: what has more is grain, and each is compared
/// with all others.
const MOST_PARTS: usize = 500;

/// A digit of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InRow {
    /// The row of digits that it stands in, 0 for the highest.
    pub line: usize,
    /// The columns of the picture that it is in.
    pub columns: Range<usize>,
    /// The rows of the picture that it is in.
    pub rows: Range<usize>,
    /// The digit in MNIST's form.
    pub image: [u8; IMAGE_PIXELS],
}

/// Finds the digits of a picture, row by row and from left to right, each in MNIST's form. Hyphens,
/// dots and ruled lines are left out.
///
/// Strokes close above one another are one digit, such as a five and its bar that does not touch it;
/// a drawing too wide for a digit is cut where it is thinnest. Brackets and letters are not told from
/// digits.
pub fn digits_in_row(picture: &Picture, ink: Ink) -> Vec<InRow> {
    let light = light_on_dark(picture, ink, &mut |_, _| {});
    // The steps' pixel is as wide as this many of the picture's.
    let factor = picture.width().max(picture.height()).div_ceil(WORKING_SIDE);
    let strokes = find_strokes(&light);
    let mut digits = Vec::new();
    for group in groups(&strokes.parts) {
        let drawing = strokes.only(&group.parts);
        for cut in cuts(&drawing, group.row_height) {
            let Some((columns, rows)) = bounds(&drawing, cut) else {
                continue;
            };
            let piece = drawing.crop(columns.clone(), rows.clone());
            let place = |range: Range<usize>, start: usize, most: usize| {
                (range.start + start) * factor..((range.end + start) * factor).min(most)
            };
            let [left, top] = light.origin;
            digits.push(InRow {
                line: group.line,
                columns: place(columns, left + group.columns.start, picture.width()),
                rows: place(rows, top + group.rows.start, picture.height()),
                image: super::image_of(piece, &mut |_, _| {}),
            });
        }
    }
    digits
}

/// Strokes that are one digit, or several that touch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    parts: Vec<usize>,
    columns: Range<usize>,
    rows: Range<usize>,
    /// The number of the row, from the top.
    line: usize,
    /// The height of the row's digits in the median.
    row_height: usize,
}

/// How many digits stand beside or above one another.
pub(super) fn count(parts: &[Part]) -> usize {
    groups(parts).len()
}

/// Groups strokes above one another, and leaves out those that are not digits.
fn groups(parts: &[Part]) -> Vec<Group> {
    let mut largest: Vec<(usize, &Part)> = parts.iter().enumerate().collect();
    largest.sort_by_key(|(_, part)| Reverse(part.area));
    largest.truncate(MOST_PARTS);
    let is_rule = |part: &Part| {
        let others = largest.iter().filter(|(_, other)| *other != part);
        let highest = others.map(|(_, other)| other.rows.len()).max().unwrap_or(0);
        part.columns.len() > 4 * part.rows.len() && part.columns.len() > highest.max(1)
    };
    let drawn = largest.iter().copied();
    let drawn = drawn.filter(|(_, part)| parts.len() == 1 || !is_rule(part));
    let mut groups: Vec<Group> = Vec::new();
    for (index, part) in drawn {
        let mut group = Group {
            parts: vec![index],
            columns: part.columns.clone(),
            rows: part.rows.clone(),
            line: 0,
            row_height: 0,
        };
        // A group that grew may meet one that it missed before.
        while let Some(at) = groups.iter().position(|other| are_above(other, &group)) {
            let other = groups.swap_remove(at);
            group.columns = enclosing([group.columns, other.columns].into_iter());
            group.rows = enclosing([group.rows, other.rows].into_iter());
            group.parts.extend(other.parts);
        }
        groups.push(group);
    }
    let highest = |groups: &[Group]| groups.iter().map(|group| group.rows.len()).max();
    let is_high = |group: &Group, highest: Option<usize>| {
        group.rows.len() as f64 >= LOWEST * highest.unwrap_or_default() as f64
    };
    let of_all = highest(&groups);
    groups.retain(|group| is_high(group, of_all));
    let mut all = Vec::new();
    for mut line in lines(groups) {
        let mut heights: Vec<usize> = line.iter().map(|group| group.rows.len()).collect();
        heights.sort_unstable();
        for group in &mut line {
            group.row_height = heights.get(heights.len() / 2).copied().unwrap_or_default();
        }
        line.sort_by_key(|group| group.columns.start + group.columns.end);
        all.extend(line);
    }
    all
}

/// The rows of digits from the top: what shares half of its height with others is in their row.
fn lines(mut groups: Vec<Group>) -> Vec<Vec<Group>> {
    groups.sort_by_key(|group| group.rows.start + group.rows.end);
    let mut lines: Vec<(Range<usize>, Vec<Group>)> = Vec::new();
    for mut group in groups {
        let least = |rows: &Range<usize>| rows.len().min(group.rows.len());
        let number = lines.len();
        match lines.last_mut() {
            Some((rows, line)) if 2 * shared(rows, &group.rows) >= least(rows) => {
                *rows = enclosing([rows.clone(), group.rows.clone()].into_iter());
                group.line = number - 1;
                line.push(group);
            }
            _ => {
                group.line = number;
                lines.push((group.rows.clone(), vec![group]));
            }
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// How much two ranges share.
fn shared(a: &Range<usize>, b: &Range<usize>) -> usize {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

/// Whether two groups are one digit: half of the narrower one's columns are the other's too, and no
/// row of digits could end between them. A part that is too low for a digit may be farther off.
fn are_above(a: &Group, b: &Group) -> bool {
    let (low, high) = (
        a.rows.len().min(b.rows.len()),
        a.rows.len().max(b.rows.len()),
    );
    let gap = a
        .rows
        .start
        .max(b.rows.start)
        .saturating_sub(a.rows.end.min(b.rows.end));
    let is_low = (low as f64) < LOWEST * high as f64;
    let most = if is_low { FARTHEST } else { APART } * high as f64;
    2 * shared(&a.columns, &b.columns) >= a.columns.len().min(b.columns.len()) && gap as f64 <= most
}

/// The columns of each digit in a drawing: all of them, or, if it is too wide for a digit, those
/// between the columns of least ink near where its parts would meet.
fn cuts(drawing: &Grey, row_height: usize) -> Vec<Range<usize>> {
    let (width, height) = (drawing.width(), row_height as f64);
    let count = (width as f64 / (USUAL * height)).round() as usize;
    if width as f64 <= WIDEST * height || count < 2 {
        return range(&[0, width]).into_iter().collect();
    }
    let mut profile = vec![0_u64; width];
    for row in drawing.rows() {
        for (sum, &pixel) in std::iter::zip(&mut profile, row) {
            *sum += u64::from(pixel);
        }
    }
    let share = width as f64 / count as f64;
    let cut = |number: usize| {
        let middle = share * number as f64;
        let reach = 0.3 * share;
        let near = (middle - reach) as usize..(middle + reach) as usize;
        // Of equal columns the one closest to the middle.
        near.min_by_key(|&column| {
            let ink = profile.get(column).copied().unwrap_or_default();
            (ink, (column as f64 - middle).abs() as usize)
        })
    };
    let mut edges = vec![0];
    edges.extend((1..count).filter_map(cut));
    edges.push(width);
    edges.windows(2).filter_map(range).collect()
}

fn range(pair: &[usize]) -> Option<Range<usize>> {
    match pair {
        &[start, end] if start < end => Some(start..end),
        _ => None,
    }
}

/// The bounds of the ink in some columns of a drawing.
fn bounds(drawing: &Grey, among: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let inked = || {
        let places = drawing.places();
        places.filter(|(x, _, pixel)| *pixel >= 64 && among.contains(x))
    };
    let columns = enclosing(inked().map(|(x, _, _)| x..x + 1));
    let rows = enclosing(inked().map(|(_, y, _)| y..y + 1));
    (!columns.is_empty()).then_some((columns, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White on black; each letter is a pixel of ink.
    fn picture(rows: &[&str]) -> Picture {
        let pixels: Vec<u8> = rows
            .iter()
            .flat_map(|row| row.bytes())
            .map(|byte| if byte == b' ' { 0 } else { 255 })
            .collect();
        Picture::from_grey(rows[0].len(), rows.len(), &pixels).unwrap()
    }

    fn columns(rows: &[&str]) -> Vec<Range<usize>> {
        let digits = digits_in_row(&picture(rows), Ink::Light);
        digits.into_iter().map(|digit| digit.columns).collect()
    }

    #[test]
    fn from_left_to_right_with_broken_strokes_joined() {
        let rows = [
            "                      ", //
            "   xxxx          x    ", //
            "                xx    ", //
            "  xxx          x x    ", //
            "  x     xxx   xxxxxx  ", //
            "  xxx            x    ", //
            "    x            x    ", //
            "  xxx            x    ", //
            "                      ",
        ];
        // The bar over the five belongs to it, the hyphen to nothing.
        assert_eq!(columns(&rows), [2..7, 14..20]);
        let digits = digits_in_row(&picture(&rows), Ink::Light);
        assert_eq!(digits[0].rows, 1..8);
    }

    #[test]
    fn a_ruled_line_is_no_digit() {
        let rows = [
            "                     ", //
            "  xx    x    xxxx    ", //
            "   x    x       x    ", //
            "   x    x      x     ", //
            "   x    x     x      ", //
            "   x    x     x      ", //
            "                     ", //
            " xxxxxxxxxxxxxxxxxxx ", //
            "                     ",
        ];
        assert_eq!(columns(&rows), [2..4, 8..9, 13..17]);
    }

    #[test]
    fn what_touches_is_cut_where_it_is_thin() {
        let rows = [
            "               ", //
            " xxxxx   xxxxx ", //
            " x   x   x   x ", //
            " x   x   x   x ", //
            " x   xxxxx   x ", //
            " x   x   x   x ", //
            " x   x   x   x ", //
            " xxxxx   xxxxx ", //
            "               ",
        ];
        let found = columns(&rows);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].end <= 9 && found[1].start >= 6, "{found:?}");
    }

    #[test]
    fn places_are_those_of_the_given_picture() {
        // Larger than the steps work on: a pixel of theirs is three of these.
        let mut pixels = vec![255; 3000 * 120];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (at % 3000, at / 3000);
            if (30..105).contains(&y) && [300..330, 600..630].iter().any(|bar| bar.contains(&x)) {
                *pixel = 0;
            }
        }
        let picture = Picture::from_grey(3000, 120, &pixels).unwrap();
        let digits = digits_in_row(&picture, Ink::Auto);
        let places: Vec<_> = digits.into_iter().map(|d| (d.columns, d.rows)).collect();
        assert_eq!(places, [(300..330, 30..105), (600..630, 30..105)]);
    }
}
