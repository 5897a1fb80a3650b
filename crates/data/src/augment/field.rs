//! The elastic distortion: a smooth random field of displacements.
//!
//! Random numbers at the knots of a grid of n x n cells, which spans the image, are interpolated by
//! uniform cubic B-splines, first along the rows of knots, then down the columns.

use std::iter::zip;

use lenet_picture::IMAGE_SIDE;

/// The most cells along a side.
pub(super) const MAX_CELLS: usize = 8;
/// Knots along a side: a cell's spline reaches one knot back and two ahead.
const MAX_KNOTS: usize = MAX_CELLS + 3;
/// Columns of the tables: a block that starts at the last column reads so far.
const COLUMNS: usize = 64;

/// Cells along a side for a smoothness in pixels, at the spacing that [`Augmentation::elastic`]
/// derives.
///
/// [`Augmentation::elastic`]: super::Augmentation::elastic
pub(super) fn cells(sigma: f64) -> usize {
    // The knots' distance is σ√3. As an integer, NaN is 0.
    let cells = (IMAGE_SIDE as f64 / (sigma * 1.732_050_807_568_877_2)).round() as usize;
    cells.clamp(1, MAX_CELLS)
}

/// Knots of the grid.
pub(super) const fn knots(cells: usize) -> usize {
    (cells + 3) * (cells + 3)
}

/// The B-splines' weights for a number of cells, in 1/32768; those of a pixel add up to 1.
struct Splines {
    /// Of each knot for each column, 0 where it does not reach.
    columns: [[i16; COLUMNS]; MAX_KNOTS],
    /// The first knot of each row, and which of [`WEIGHTS`] it and the next three have.
    rows: [(usize, usize); IMAGE_SIDE],
}

static SPLINES: [Splines; MAX_CELLS] = [
    Splines::new(1),
    Splines::new(2),
    Splines::new(3),
    Splines::new(4),
    Splines::new(5),
    Splines::new(6),
    Splines::new(7),
    Splines::new(8),
];

impl Splines {
    #[expect(clippy::indexing_slicing, reason = "computed when compiled")]
    const fn new(cells: usize) -> Self {
        let mut columns = [[0; COLUMNS]; MAX_KNOTS];
        let mut rows = [(0, 0); IMAGE_SIDE];
        let mut pixel = 0;
        while pixel < IMAGE_SIDE {
            // The pixel's middle is (2 · pixel + 1) · cells / 56 cells from the image's edge.
            let place = (2 * pixel + 1) * cells;
            let (first, part) = (place / PARTS, place % PARTS);
            let weights = weights(part as i64);
            rows[pixel] = (first, part);
            let mut knot = 0;
            while knot < 4 {
                columns[first + knot][pixel] = weights[knot];
                knot += 1;
            }
            pixel += 1;
        }
        Self { columns, rows }
    }
}

/// Parts of a cell.
const PARTS: usize = 2 * IMAGE_SIDE;

/// The weights of four rows of knots at each part of a cell, once for each column: from a vector in
/// memory the compiler takes them as numbers of 16 bits, which it can multiply at once. A single
/// number it would first have made wider.
#[expect(clippy::indexing_slicing, reason = "computed when compiled")]
static WEIGHTS: [[[i16; LANES]; 4]; PARTS] = {
    let mut rows = [[[0; LANES]; 4]; PARTS];
    let mut part = 0;
    while part < PARTS {
        let weights = weights(part as i64);
        let mut knot = 0;
        while knot < 4 {
            rows[part][knot] = [weights[knot]; LANES];
            knot += 1;
        }
        part += 1;
    }
    rows
};

/// The four cubic B-splines at a part of a cell.
const fn weights(part: i64) -> [i16; 4] {
    let unit = PARTS as i64;
    let (t, rest) = (part, unit - part);
    let cube = unit * unit * unit;
    let first = rest * rest * rest;
    let second = 3 * t * t * t - 6 * t * t * unit + 4 * cube;
    let last = t * t * t;
    let first = rounded(first, 6 * cube);
    let second = rounded(second, 6 * cube);
    let last = rounded(last, 6 * cube);
    let third = 32_768 - first - second - last;
    [first as i16, second as i16, third as i16, last as i16]
}

const fn rounded(numerator: i64, denominator: i64) -> i64 {
    (numerator * 32_768 + denominator / 2) / denominator
}

/// The high half of a product.
#[inline(always)]
pub(super) fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// The most columns that are computed at once.
const LANES: usize = 32;

/// The displacements of one image.
pub(super) struct Field {
    /// Knots of x, then of y, row after row, in 1/2048 pixel.
    knots: [[[i16; MAX_KNOTS]; MAX_KNOTS]; 2],
    splines: &'static Splines,
    side: usize,
    /// The amplitude in 1/2048 pixel.
    amplitude: i32,
}

/// The displacements of some columns along x and y, not yet blended down the columns, in 1/1024
/// pixel.
pub(super) struct Band<const N: usize> {
    rows: [[[i16; N]; MAX_KNOTS]; 2],
    splines: &'static Splines,
}

impl Field {
    /// The field of this amplitude in pixels on a grid of this many cells, from a number for each
    /// knot; none if nothing is displaced.
    pub(super) fn new(
        elastic: f64,
        cells: usize,
        mut numbers: impl Iterator<Item = i16>,
    ) -> Option<Self> {
        let splines = SPLINES.get(cells.wrapping_sub(1))?;
        // At most 10 · 2048.
        let amplitude = (elastic * 2_048.).round() as i32;
        if amplitude == 0 {
            return None;
        }
        let side = cells + 3;
        let mut knots = [[[0; MAX_KNOTS]; MAX_KNOTS]; 2];
        for row in knots.iter_mut().flat_map(|axis| axis.iter_mut().take(side)) {
            for (knot, number) in zip(row.iter_mut().take(side), numbers.by_ref()) {
                *knot = ((i32::from(number) * amplitude) >> 15) as i16;
            }
        }
        Some(Self {
            knots,
            splines,
            side,
            amplitude,
        })
    }

    /// No displacement along an axis is larger, in 1/256 pixel.
    pub(super) fn bound(&self) -> i32 {
        self.amplitude / 8 + 4
    }

    /// Interpolates along the rows of knots for the columns from `left` on.
    #[inline(always)]
    pub(super) fn band<const N: usize>(&self, left: usize) -> Band<N> {
        let mut columns = [[0; N]; MAX_KNOTS];
        for (columns, weights) in zip(&mut columns, &self.splines.columns).take(self.side) {
            if let Some(weights) = weights.get(left..).and_then(|w| w.first_chunk()) {
                *columns = *weights;
            }
        }
        let mut rows = [[[0; N]; MAX_KNOTS]; 2];
        for (rows, knots) in zip(&mut rows, &self.knots) {
            for (row, knots) in zip(rows, knots).take(self.side) {
                for (&knot, weights) in zip(knots, &columns).take(self.side) {
                    // In pieces of a vector register, which the compiler vectorises.
                    let (values, _) = row.as_chunks_mut::<8>();
                    let (weights, _) = weights.as_chunks::<8>();
                    for (values, weights) in zip(values, weights) {
                        for (value, weight) in zip(values, weights) {
                            *value += high(knot, *weight);
                        }
                    }
                }
            }
        }
        Band {
            rows,
            splines: self.splines,
        }
    }
}

impl<const N: usize> Band<N> {
    /// Adds the displacements of a row of the result along x and y, in 1/256 pixel.
    #[inline(always)]
    pub(super) fn add_row(&self, row: usize, to: [&mut [i16; N]; 2]) {
        let place = self.splines.rows.get(row);
        let Some((first, weights)) =
            place.and_then(|(first, part)| Some((*first, WEIGHTS.get(*part)?)))
        else {
            return;
        };
        let [wa, wb, wc, wd] = weights.each_ref().map(|w| w.first_chunk::<N>());
        let (Some(wa), Some(wb), Some(wc), Some(wd)) = (wa, wb, wc, wd) else {
            return;
        };
        for (to, rows) in zip(to, &self.rows) {
            let Some([a, b, c, d]) = rows.get(first..).and_then(|rows| rows.first_chunk::<4>())
            else {
                return;
            };
            let values = zip(zip(a, b), zip(c, d));
            let weights = zip(zip(wa, wb), zip(wc, wd));
            for (to, (((a, b), (c, d)), ((wa, wb), (wc, wd)))) in zip(to, zip(values, weights)) {
                let sum = high(*a, *wa) + high(*b, *wb) + high(*c, *wc) + high(*d, *wd);
                // Each product is rounded down, by half a step on average.
                *to += (sum + 2) >> 1;
            }
        }
    }
}
