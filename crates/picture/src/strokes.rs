//! Which pixels are strokes, and which of them hang together.

use std::ops::Range;

use crate::Grey;
use crate::rules::rules;

/// Less ink than this part of the ground's light is no drawing but the grain of the paper; a faint
/// pencil leaves a fifth.
const FAINTEST: f32 = 0.1;

/// Specks have less than this part of the largest stroke's pixels: a five's bar, drawn apart, has
/// more than a tenth.
const SPECK: f32 = 1. / 40.;

/// A drawing has at least this many pixels in its longer side; what is smaller is a dot.
const SMALLEST: usize = 4;

/// What is drawn in a frame is at least as long as the frame's shorter side by this.
const FRAMED: usize = 3;

/// The strokes of a picture.
pub(super) struct Strokes {
    /// 255 is full ink; what is no stroke is 0. The soft edges of strokes are kept.
    pub(super) ink: Grey,
    /// The parts that do not touch, in the order of their first pixels; none in a blank picture.
    pub(super) parts: Vec<Part>,
    /// For each pixel 1 + the index of its part, 0 for the ground.
    labels: Vec<u32>,
}

/// Pixels that touch, also at a corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) area: usize,
    has_core: bool,
}

impl Part {
    fn extent(&self) -> usize {
        self.columns.len().max(self.rows.len())
    }
}

/// The levels of ink that tell strokes from ground.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Levels {
    /// What is below is the ground and its noise.
    floor: f32,
    /// What is above is a stroke's core.
    core: f32,
    /// The mean of the cores.
    full: f32,
}

/// Finds the strokes in the ink of a picture, which [`super::paper::ink`] returns.
///
/// A stroke is what reaches the core level somewhere, with all that touches it down to half of that
/// level (Canny's hysteresis): faint ends of a strong stroke are kept, equally faint stains are not.
pub(super) fn strokes(ink: &[f32], width: usize) -> Strokes {
    let Some(levels) = levels(ink) else {
        return Strokes {
            ink: Grey::new(width, ink.len() / width.max(1), Vec::new()),
            parts: Vec::new(),
            labels: vec![0; ink.len()],
        };
    };
    let (strokes, has_frame) = of_ink(ink, width, levels);
    let ruled = (!has_frame).then(|| without_rules(ink, width, levels.floor));
    ruled.flatten().unwrap_or(strokes)
}

/// The strokes without ruled lines, if there are any of both. What reaches the border too may be a
/// digit that was cut out tightly, whose straight strokes run from border to border.
fn without_rules(ink: &[f32], width: usize, floor: f32) -> Option<Strokes> {
    let floor = floor.max(FAINTEST / 2.);
    let is_ink: Vec<bool> = ink.iter().map(|&ink| ink > floor).collect();
    let rules = rules(&is_ink, width);
    if rules.is_empty() {
        return None;
    }
    let mut ink = ink.to_vec();
    for at in rules {
        if let Some(ink) = ink.get_mut(at) {
            *ink = 0.;
        }
    }
    let (strokes, _) = of_ink(&ink, width, levels(&ink)?);
    let height = ink.len() / width.max(1);
    let is_inside = |part: &Part| {
        let starts_inside = part.columns.start.min(part.rows.start) > 0;
        starts_inside && part.columns.end < width && part.rows.end < height
    };
    let is_drawn = !strokes.parts.is_empty() && strokes.parts.iter().all(is_inside);
    is_drawn.then_some(strokes)
}

/// The strokes, and whether there was a frame around them.
fn of_ink(ink: &[f32], width: usize, levels: Levels) -> (Strokes, bool) {
    let low = levels.floor.max(levels.core / 2.);
    let of = |at: usize| ink.get(at).copied().unwrap_or_default();
    let is_in = |at| of(at) > levels.floor && of(at) >= low;
    let (mut parts, mut labels) = flood(ink.len(), width, is_in, |at| of(at) >= levels.core);
    drop_specks(&mut parts, &mut labels);
    let has_frame = drop_frame(&mut parts, &mut labels, width);
    let kept = dilated(&labels, width);
    let range = levels.full - levels.floor;
    let pixels = std::iter::zip(ink, kept)
        .map(|(&ink, kept)| match kept {
            true => (255. * (ink - levels.floor) / range)
                .clamp(0., 255.)
                .round() as u8,
            false => 0,
        })
        .collect();
    let strokes = Strokes {
        ink: Grey::new(width, ink.len() / width.max(1), pixels),
        parts,
        labels,
    };
    (strokes, has_frame)
}

impl Strokes {
    /// The ink of some parts alone, cut out.
    pub(super) fn only(&self, chosen: &[usize]) -> Grey {
        let parts = || chosen.iter().filter_map(|&index| self.parts.get(index));
        let columns = enclosing(parts().map(|part| part.columns.clone()));
        let rows = enclosing(parts().map(|part| part.rows.clone()));
        let mut cut = self.ink.crop(columns.clone(), rows.clone());
        if chosen.len() == self.parts.len() {
            return cut;
        }
        let width = self.ink.width();
        let label = |x: usize, y: usize| {
            let at = index(x, y, width).and_then(|at| self.labels.get(at));
            at.copied().unwrap_or_default()
        };
        let places = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        for (pixel, (x, y)) in std::iter::zip(cut.pixels_mut(), places) {
            // The soft edges have no label: a neighbour's counts.
            let labels = neighbours(x, y).map(|(x, y)| label(x, y));
            let is_other = |label: &u32| *label > 0 && !chosen.contains(&(*label as usize - 1));
            let own = label(x, y);
            if is_other(&own) || (own == 0 && labels.iter().any(is_other)) {
                *pixel = 0;
            }
        }
        cut
    }
}

/// The range that holds all ranges.
pub(super) fn enclosing(ranges: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    ranges
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        .unwrap_or(0..0)
}

/// The levels, or none where nothing is drawn.
fn levels(ink: &[f32]) -> Option<Levels> {
    // The ground has more than a quarter of the pixels. Of a normal distribution, the quantiles
    // 1/20 and 1/4 lie 0.97 standard deviations apart, so that the floor is 4.2 of them above its
    // middle; what little noise passes it makes dots, and goes with the specks.
    let mut sorted = ink.to_vec();
    let mut quantile = |part: usize| {
        let at = sorted.len() / part;
        let found = sorted.get(at).is_some();
        found.then(|| *sorted.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let (quarter, twentieth) = (quantile(4)?, quantile(20)?);
    let floor = (quarter + 5. * (quarter - twentieth)).max(0.);
    let core = otsu(ink.iter().copied().filter(|&ink| ink > floor))?;
    let cores = || ink.iter().filter(|&&ink| ink > floor && ink >= core);
    let full = cores().sum::<f32>() / cores().count() as f32;
    (full - quarter >= FAINTEST && full > floor).then_some(Levels { floor, core, full })
}

/// N. Otsu, A threshold selection method from gray-level histograms (1979),
/// <https://doi.org/10.1109/TSMC.1979.4310076>: the level that parts the values into two classes
/// whose means lie farthest apart, each weighted by its size. Without the ground, which would
/// outweigh a thin stroke, they are the strokes' soft edges and stains on one side and cores on the
/// other. Where all values are the same, it is they.
pub(super) fn otsu(values: impl Iterator<Item = f32>) -> Option<f32> {
    const BINS: usize = 256;
    let mut histogram = [0_u64; BINS];
    for value in values {
        let bin = (value * BINS as f32) as usize;
        if let Some(count) = histogram.get_mut(bin.min(BINS - 1)) {
            *count += 1;
        }
    }
    let moment = |(bin, &count): (usize, &u64)| bin as f64 * count as f64;
    let total: u64 = histogram.iter().sum();
    let sum: f64 = histogram.iter().enumerate().map(moment).sum();
    let (mut below, mut sum_below) = (0_u64, 0.);
    let mut best = (-1., None);
    for (bin, count) in histogram.iter().enumerate() {
        if *count > 0 {
            // This bin is the first of the upper class.
            let above = total - below;
            let apart = match below {
                0 => 0.,
                _ => sum_below / below as f64 - (sum - sum_below) / above as f64,
            };
            let between = below as f64 * above as f64 * apart * apart;
            if between > best.0 {
                best = (between, Some(bin as f32 / BINS as f32));
            }
        }
        below += count;
        sum_below += moment((bin, count));
    }
    best.1
}

/// The index of a pixel; none outside of the columns, or if it overflows.
fn index(x: usize, y: usize, width: usize) -> Option<usize> {
    (x < width)
        .then(|| y.checked_mul(width)?.checked_add(x))
        .flatten()
}

/// The eight pixels around one. Left of column 0 is a column that no picture has.
fn neighbours(x: usize, y: usize) -> [(usize, usize); 8] {
    let (left, above) = (x.wrapping_sub(1), y.wrapping_sub(1));
    let (right, below) = (x + 1, y + 1);
    [
        (left, above),
        (x, above),
        (right, above),
        (left, y),
        (right, y),
        (left, below),
        (x, below),
        (right, below),
    ]
}

/// Labels what touches, by flooding from one pixel of each part after the other: 1 + the index of
/// its part, 0 for what `is_in` leaves out.
pub(super) fn flood(
    count: usize,
    width: usize,
    is_in: impl Fn(usize) -> bool,
    is_core: impl Fn(usize) -> bool,
) -> (Vec<Part>, Vec<u32>) {
    let mut labels = vec![0_u32; count];
    let mut parts = Vec::new();
    let mut open = Vec::new();
    for start in (0..count).filter(|&at| is_in(at)) {
        open.push((start % width, start / width));
        let mut part: Option<Part> = None;
        let label = parts.len() as u32 + 1;
        while let Some((x, y)) = open.pop() {
            let Some((at, mark)) =
                index(x, y, width).and_then(|at| Some((at, labels.get_mut(at)?)))
            else {
                continue;
            };
            if *mark > 0 || !is_in(at) {
                continue;
            }
            *mark = label;
            let part = part.get_or_insert(Part {
                columns: x..x + 1,
                rows: y..y + 1,
                area: 0,
                has_core: false,
            });
            part.columns = enclosing([part.columns.clone(), x..x + 1].into_iter());
            part.rows = enclosing([part.rows.clone(), y..y + 1].into_iter());
            part.area += 1;
            part.has_core |= is_core(at);
            open.extend(neighbours(x, y));
        }
        parts.extend(part);
    }
    (parts, labels)
}

/// Leaves out the parts that are stains or specks, and all where not even the largest is a drawing.
fn drop_specks(parts: &mut Vec<Part>, labels: &mut [u32]) {
    let drawn = || parts.iter().filter(|part| part.has_core);
    let largest = drawn().map(|part| part.area).max().unwrap_or_default();
    let extent = drawn().map(Part::extent).max().unwrap_or_default();
    let is_kept = |part: &Part| {
        part.has_core && extent >= SMALLEST && part.area as f32 >= largest as f32 * SPECK
    };
    let kept: Vec<bool> = parts.iter().map(is_kept).collect();
    keep(parts, labels, &kept);
}

/// Leaves out a frame, and says whether there was one: a part that has ink to the left and right of all others, above and below. A
/// zero with a dot in it is none, for what is drawn in a frame is larger than that.
fn drop_frame(parts: &mut Vec<Part>, labels: &mut [u32], width: usize) -> bool {
    let largest = |(_, part): &(usize, &Part)| part.columns.len() * part.rows.len();
    let Some((at, frame)) = parts.iter().enumerate().max_by_key(largest) else {
        return false;
    };
    let is_frame = |x, y| {
        let label = index(x, y, width).and_then(|at| labels.get(at));
        label == Some(&(at as u32 + 1))
    };
    let is_within = |part: &Part| {
        let (columns, rows) = (&part.columns, &part.rows);
        let middle = |range: &Range<usize>| (range.start + range.end) / 2;
        let (x, y) = (middle(columns), middle(rows));
        (frame.columns.start..columns.start).any(|x| is_frame(x, y))
            && (columns.end..frame.columns.end).any(|x| is_frame(x, y))
            && (frame.rows.start..rows.start).any(|y| is_frame(x, y))
            && (rows.end..frame.rows.end).any(|y| is_frame(x, y))
    };
    let others = || parts.iter().filter(|part| *part != frame);
    let drawn = others().map(Part::extent).max().unwrap_or_default();
    let side = frame.columns.len().min(frame.rows.len());
    let has_frame = drawn * FRAMED >= side && others().all(is_within);
    if has_frame {
        let kept: Vec<bool> = parts.iter().map(|part| part != frame).collect();
        keep(parts, labels, &kept);
    }
    has_frame
}

/// Leaves out all parts but those to keep.
fn keep(parts: &mut Vec<Part>, labels: &mut [u32], kept: &[bool]) {
    let mut number = 0;
    let mut numbers = vec![0];
    numbers.extend(kept.iter().map(|&kept| {
        number += u32::from(kept);
        if kept { number } else { 0 }
    }));
    for label in labels {
        *label = numbers.get(*label as usize).copied().unwrap_or_default();
    }
    let mut kept = kept.iter();
    parts.retain(|_| kept.next() == Some(&true));
}

/// The labelled pixels and those that touch one.
fn dilated(labels: &[u32], width: usize) -> Vec<bool> {
    let mut kept = vec![false; labels.len()];
    for (at, _) in labels.iter().enumerate().filter(|(_, label)| **label > 0) {
        let (x, y) = (at % width, at / width);
        for (x, y) in neighbours(x, y).into_iter().chain([(x, y)]) {
            if let Some(kept) = index(x, y, width).and_then(|at| kept.get_mut(at)) {
                *kept = true;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of ink by characters: a digit n is n / 9, a space nothing.
    fn drawn(rows: &[&str]) -> (Vec<f32>, usize) {
        let ink = rows.iter().flat_map(|row| row.chars());
        let ink = ink.map(|c| c.to_digit(10).unwrap_or(0) as f32 / 9.);
        (ink.collect(), rows[0].len())
    }

    #[test]
    fn parts_touch_at_corners() {
        let (ink, width) = drawn(&[
            "9     9 ", //
            " 9    9 ", //
            "  9   9 ", //
            "   9  9 ", //
            "        ",
        ]);
        let found = strokes(&ink, width);
        let part = |columns, rows| Part {
            columns,
            rows,
            area: 4,
            has_core: true,
        };
        assert_eq!(found.parts, [part(0..4, 0..4), part(6..7, 0..4)]);
        assert_eq!(found.only(&[1]).pixels(), [255; 4]);
        assert_eq!(found.only(&[0, 1]), found.ink.crop(0..7, 0..4));
    }

    #[test]
    fn faint_ends_are_kept_and_faint_stains_are_not() {
        let (ink, width) = drawn(&[
            "          ", //
            " 9998755  ", //
            "          ", //
            " 55555555 ", //
            "          ",
        ]);
        let found = strokes(&ink, width);
        assert_eq!(found.parts.len(), 1);
        assert_eq!(found.parts[0].columns, 1..8);
        assert_eq!(found.ink.at(2, 3), 0);
        // The cores' mean, (3 + 8/9 + 7/9) / 5 of full ink, is white.
        assert!(found.ink.at(2, 1) == 255 && (140..170).contains(&found.ink.at(7, 1)));
    }

    #[test]
    fn specks_and_dots_are_no_drawing() {
        let mut ink = vec![0.; 40 * 40];
        ink[5] = 1.;
        assert!(strokes(&ink, 40).parts.is_empty());
        for y in 5..35 {
            ink[y * 40 + 20] = 1.;
            ink[y * 40 + 21] = 1.;
        }
        let found = strokes(&ink, 40);
        assert_eq!(found.parts.len(), 1);
        assert_eq!(found.ink.at(5, 0), 0);
        assert_eq!(found.ink.pixels().iter().filter(|p| **p > 0).count(), 60);
    }

    #[test]
    fn a_faint_pencil_is_drawn_and_less_is_not() {
        let bar = |strength: f32| {
            let ink = (0..400).map(|at| if at % 20 == 10 { strength } else { 0. });
            strokes(&ink.collect::<Vec<f32>>(), 20).parts.len()
        };
        assert_eq!([bar(0.2), bar(0.05)], [1, 0]);
    }

    #[test]
    fn otsu_parts_two_heaps() {
        let heaps = || [0.2, 0.21, 0.22, 0.8, 0.81].into_iter();
        let level = otsu(heaps()).unwrap();
        assert!((0.79..=0.8).contains(&level), "{level}");
        assert_eq!(otsu([0.5; 9].into_iter()), Some(0.5));
        assert_eq!(otsu(std::iter::empty()), None);
    }
}
