//! Ruled lines.

use crate::strokes::{Part, enclosing, flood};

/// Lines are thinner than this part of the picture's shorter side.
const THICKEST: f64 = 0.025;

/// A line has at least this part of the columns that it crosses; strokes interrupt it, and what is
/// faint.
const COVERED: f64 = 0.5;

/// The part of the picture's width that a line crosses at least.
const SHORTEST: f64 = 0.2;

/// How far from the picture's border a line may begin, by its length.
const OPEN: f64 = 0.03;

/// A line falls or rises by at most this much in a column.
const STEEPEST: f64 = 0.1;

/// How many pieces, the longest first, are tried as a line's longest.
const TRIES: usize = 100;

/// The pixels of lines that run across the picture, from side to side or from top to bottom. `is_ink`
/// says which pixels are darker than the paper's grain. Where a stroke crosses a line, it stays as it
/// is: only columns in which the line is alone are taken.
pub(super) fn rules(is_ink: &[bool], width: usize) -> Vec<usize> {
    let height = is_ink.len() / width.max(1);
    let thickest = ((THICKEST * width.min(height) as f64) as usize).max(2);
    let mut found = across(is_ink, width, thickest);
    let turned: Vec<bool> = (0..width)
        .flat_map(|x| is_ink.iter().skip(x).step_by(width).copied())
        .collect();
    let down = across(&turned, height, thickest);
    found.extend(down.into_iter().map(|at| at % height * width + at / height));
    found
}

/// A straight line through pixels.
#[derive(Clone, Copy)]
struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    fn at(self, x: usize) -> f64 {
        self.start + self.slope * x as f64
    }
}

/// Sums over the pixels of a part, for the line through them.
#[derive(Clone, Copy, Default)]
struct Sums([f64; 5]);

impl Sums {
    fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| {
            let of = |sums: [f64; 5]| sums.get(at).copied().unwrap_or_default();
            of(self.0) + of(other.0)
        }))
    }

    fn line(self) -> Line {
        let [count, x, y, xx, xy] = self.0;
        let spread = count * xx - x * x;
        let slope = if spread > 0. {
            (count * xy - x * y) / spread
        } else {
            0.
        };
        Line {
            start: (y - slope * x) / count.max(1.),
            slope,
        }
    }
}

/// Lines from side to side.
fn across(is_ink: &[bool], width: usize, thickest: usize) -> Vec<usize> {
    let thin = thin(is_ink, width, thickest);
    let height = thin.len() / width.max(1);
    let is_in = |at: usize| thin.get(at).copied().unwrap_or_default();
    let (parts, labels) = flood(thin.len(), width, is_in, |_| true);
    let mut sums = vec![Sums::default(); parts.len()];
    for (at, label) in labels.iter().enumerate() {
        if let Some(sums) = (*label as usize)
            .checked_sub(1)
            .and_then(|at| sums.get_mut(at))
        {
            let (x, y) = ((at % width) as f64, (at / width) as f64);
            *sums = sums.and(Sums([1., x, y, x * x, x * y]));
        }
    }
    let mut of_line = vec![false; parts.len() + 1];
    let mut seeds: Vec<usize> = (0..parts.len()).collect();
    seeds.sort_by_key(|&at| std::cmp::Reverse(parts.get(at).map(|part| part.columns.len())));
    let mut tries = 0;
    for seed in seeds {
        let Some(mut line) = sums.get(seed).map(|sums| sums.line()) else {
            continue;
        };
        if of_line.get(seed + 1) == Some(&true) {
            continue;
        }
        tries += 1;
        if tries > TRIES {
            break;
        }
        let mut pieces = Vec::new();
        for _ in 0..2 {
            let is_near = |part: &Part| {
                [part.columns.start, part.columns.end - 1]
                    .into_iter()
                    .all(|x| {
                        let (top, bottom) = (part.rows.start as f64, part.rows.end as f64 - 1.);
                        let reach = thickest as f64;
                        let slant = line.slope.abs() * part.columns.len() as f64;
                        top >= line.at(x) - reach - slant && bottom <= line.at(x) + reach + slant
                    })
            };
            pieces = (0..parts.len())
                .filter(|&at| parts.get(at).is_some_and(is_near))
                .collect();
            let all = pieces.iter().filter_map(|&at| sums.get(at));
            line = all.copied().fold(Sums::default(), Sums::and).line();
        }
        let columns = || {
            pieces
                .iter()
                .filter_map(|&at| Some(parts.get(at)?.columns.clone()))
        };
        let ends = enclosing(columns());
        let covered: usize = columns().map(|columns| columns.len()).sum();
        let open = (OPEN * width as f64) as usize;
        let sides = [ends.start <= open, ends.end + open >= width];
        // A line at a slant may leave the picture above or below.
        let leaves = |x: usize| {
            let y = line.at(x);
            y <= thickest as f64 || y + thickest as f64 + 1. >= height as f64
        };
        let is_across = match sides {
            [true, true] => true,
            [true, false] => leaves(ends.end),
            [false, true] => leaves(ends.start),
            [false, false] => false,
        };
        if is_across
            && line.slope.abs() <= STEEPEST
            && covered as f64 >= COVERED * ends.len() as f64
            && ends.len() as f64 >= SHORTEST * width as f64
        {
            for piece in pieces {
                if let Some(of_line) = of_line.get_mut(piece + 1) {
                    *of_line = true;
                }
            }
        }
    }
    let is_line = |label: u32| of_line.get(label as usize).copied().unwrap_or_default();
    let labels = labels.into_iter().enumerate();
    labels
        .filter(|(_, label)| is_line(*label))
        .map(|(at, _)| at)
        .collect()
}

/// The ink that is no higher than a line is thick.
fn thin(is_ink: &[bool], width: usize, thickest: usize) -> Vec<bool> {
    let mut thin = vec![false; is_ink.len()];
    for x in 0..width {
        let mut run = Vec::new();
        let column = (x..is_ink.len())
            .step_by(width)
            .map(|at| (at, is_ink.get(at)));
        for (at, ink) in column.chain([(0, None)]) {
            if ink == Some(&true) {
                run.push(at);
                continue;
            }
            if run.len() <= thickest {
                for at in run.drain(..) {
                    if let Some(thin) = thin.get_mut(at) {
                        *thin = true;
                    }
                }
            }
            run.clear();
        }
    }
    thin
}
