//! Ruled lines.

use std::cmp::Reverse;

use crate::strokes::{Part, enclosing, flood};

/// Lines are thinner than this part of the picture's shorter side.
const THICKEST: f64 = 0.025;

/// A line has at least this part of the columns that it crosses: strokes interrupt it, and what is
/// faint.
const COVERED: f64 = 0.5;

/// The part of the picture's width that a line crosses at least.
const SHORTEST: f64 = 0.2;

/// How far from the picture's border a line may begin, by its shorter side.
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
    let columns = (0..width).flat_map(|x| is_ink.iter().skip(x).step_by(width).copied());
    let down = across(&columns.collect::<Vec<bool>>(), height, thickest);
    found.extend(down.into_iter().map(|at| at % height * width + at / height));
    found
}

/// Lines from side to side.
fn across(is_ink: &[bool], width: usize, thickest: usize) -> Vec<usize> {
    let (height, reach) = (is_ink.len() / width.max(1), thickest as f64);
    let thin = thin(is_ink, width, thickest);
    let is_in = |at: usize| thin.get(at) == Some(&true);
    let (parts, labels) = flood(thin.len(), width, is_in, |_| true);
    let mut pieces: Vec<(Part, Vec<usize>)> =
        parts.into_iter().map(|part| (part, Vec::new())).collect();
    for (at, label) in labels.into_iter().enumerate() {
        if let Some((_, pixels)) = pieces.get_mut((label as usize).wrapping_sub(1)) {
            pixels.push(at);
        }
    }
    pieces.sort_by_key(|(part, _)| Reverse(part.columns.len()));
    let mut lines = Vec::new();
    for _ in 0..TRIES {
        if pieces.is_empty() {
            break;
        }
        let seed = pieces.remove(0);
        let (mut start, mut slope) = fitted(&seed.1, width);
        let mut near: Vec<&(Part, Vec<usize>)> = Vec::new();
        let is_near = |part: &Part, start: f64, slope: f64| {
            let slant = slope.abs() * part.columns.len() as f64;
            let (top, bottom) = (part.rows.start as f64, part.rows.end as f64 - 1.);
            [part.columns.start, part.columns.end - 1]
                .into_iter()
                .all(|x| {
                    let line = start + slope * x as f64;
                    top >= line - reach - slant && bottom <= line + reach + slant
                })
        };
        for _ in 0..2 {
            near = pieces
                .iter()
                .filter(|(part, _)| is_near(part, start, slope))
                .collect();
            near.push(&seed);
            let pixels: Vec<usize> = near
                .iter()
                .flat_map(|(_, pixels)| pixels)
                .copied()
                .collect();
            (start, slope) = fitted(&pixels, width);
        }
        let ends = enclosing(near.iter().map(|(part, _)| part.columns.clone()));
        let covered: usize = near.iter().map(|(part, _)| part.columns.len()).sum();
        let open = (OPEN * width.min(height) as f64) as usize;
        // A line at a slant may leave the picture above or below.
        let leaves = |x: usize| {
            let y = start + slope * x as f64;
            y <= reach || y + reach + 1. >= height as f64
        };
        let (left, right) = (ends.start <= open, ends.end + open >= width);
        let is_across = left && (right || leaves(ends.end)) || right && leaves(ends.start);
        if is_across
            && slope.abs() <= STEEPEST
            && covered as f64 >= COVERED * ends.len() as f64
            && ends.len() as f64 >= SHORTEST * width as f64
        {
            lines.extend(near.iter().flat_map(|(_, pixels)| pixels).copied());
            pieces.retain(|(part, _)| !is_near(part, start, slope));
        }
    }
    lines
}

/// The straight line through pixels, by least squares: the row that it has at the left border, and by
/// how much it falls in a column.
fn fitted(pixels: &[usize], width: usize) -> (f64, f64) {
    let count = pixels.len().max(1) as f64;
    let place = |at: &usize| ((at % width) as f64, (at / width) as f64);
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let values = pixels.iter().map(place).map(|(x, y)| of(x, y));
        values.sum::<f64>() / count
    };
    let (x_mean, y_mean) = (mean(&|x, _| x), mean(&|_, y| y));
    let spread = mean(&|x, _| (x - x_mean).powi(2)).max(f64::MIN_POSITIVE);
    let slope = mean(&|x, y| (x - x_mean) * (y - y_mean)) / spread;
    (y_mean - slope * x_mean, slope)
}

/// The ink that is no higher than a line is thick.
fn thin(is_ink: &[bool], width: usize, thickest: usize) -> Vec<bool> {
    let mut thin = vec![false; is_ink.len()];
    // How high the ink is that ends above the next pixel of each column.
    let mut heights = vec![0; width];
    let below = std::iter::repeat_n(false, width);
    for (at, is_ink) in is_ink.iter().copied().chain(below).enumerate() {
        let Some(height) = heights.get_mut(at % width) else {
            continue;
        };
        if is_ink {
            *height += 1;
            continue;
        }
        let height = std::mem::take(height);
        for above in (1..=height).filter(|_| height <= thickest) {
            if let Some(thin) = thin.get_mut(at - above * width) {
                *thin = true;
            }
        }
    }
    thin
}
