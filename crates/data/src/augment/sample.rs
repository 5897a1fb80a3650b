//! Fetches each pixel of the result from where it comes from, between four pixels of the image.

use std::iter::zip;

use super::affine::{Inverse, STEP};
use super::field::{Field, high};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

/// Bytes of a row of the copy with a margin.
const STRIDE: usize = 32;
/// What an index is masked with: 32 rows.
const MASK: usize = STRIDE * STRIDE - 1;
/// The last coordinate in the copy at which there is only background, in steps.
const LAST: i16 = (IMAGE_SIDE as i16 + 1) * STEP;

/// The image with a margin of background: one pixel before, and the rest of 32 after. The buffer
/// extends beyond the last row, so that every index has its neighbours.
struct Source {
    bytes: [u8; MASK + 1 + STRIDE + 2],
    /// `[left, right, top, bottom]` of the pixels that are not background, if any.
    ink: Option<[usize; 4]>,
}

impl Source {
    fn new(pixels: &[u8; IMAGE_PIXELS]) -> Self {
        let mut bytes = [0; MASK + 1 + STRIDE + 2];
        let (rows, _) = pixels.as_chunks::<IMAGE_SIDE>();
        let (padded, _) = bytes.as_chunks_mut::<STRIDE>();
        let mut columns = [0_u8; IMAGE_SIDE];
        let (mut top, mut bottom) = (None, 0);
        for (y, (row, padded)) in zip(rows, padded.iter_mut().skip(1)).enumerate() {
            if let Some(middle) = padded.get_mut(1..=IMAGE_SIDE) {
                middle.copy_from_slice(row);
            }
            let mut any = 0;
            for (column, &pixel) in zip(&mut columns, row) {
                *column |= pixel;
                any |= pixel;
            }
            if any != 0 {
                top = top.or(Some(y));
                bottom = y;
            }
        }
        let left = columns.iter().position(|&column| column != 0);
        let right = columns.iter().rposition(|&column| column != 0);
        let ink = match (left, right, top) {
            (Some(left), Some(right), Some(top)) => Some([left, right, top, bottom]),
            _ => None,
        };
        Self { bytes, ink }
    }

    /// A pixel in the low byte and its right neighbour in the high one, and the two below them.
    #[expect(
        clippy::indexing_slicing,
        reason = "the mask keeps the index in the array"
    )]
    #[inline(always)]
    fn pairs(&self, index: u16) -> [u16; 2] {
        let at = usize::from(index) & MASK;
        let bytes = &self.bytes;
        [
            u16::from_le_bytes([bytes[at], bytes[at + 1]]),
            u16::from_le_bytes([bytes[at + STRIDE], bytes[at + STRIDE + 1]]),
        ]
    }
}

/// More pixels than the rounding of coordinates amounts to: two times half a step, and twice that if
/// the map enlarges.
const ROUNDING: f64 = 0.1;

/// The part of the result that is not background for certain.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    left: usize,
    width: usize,
    top: usize,
    height: usize,
}

impl Area {
    /// Where ink may go.
    fn of(inverse: &Inverse, field: Option<&Field>, ink: [usize; 4]) -> Option<Self> {
        // A pixel shows up to one pixel away from it.
        let bound = field.map_or(0, Field::bound);
        let margin = 1. + f64::from(bound) / f64::from(STEP);
        let [left, right, top, bottom] = ink.map(|edge| edge as f64);
        let rectangle = [left - margin, right + margin, top - margin, bottom + margin];
        let [left, right, top, bottom] = inverse.bounds(rectangle);
        // The result's coordinates are rounded; negative numbers become 0.
        let start = |low: f64| ((low - ROUNDING).ceil() as usize).min(IMAGE_SIDE);
        let end = |high: f64| (((high + ROUNDING).floor() + 1.) as usize).min(IMAGE_SIDE);
        let area = Self {
            left: start(left),
            width: end(right).saturating_sub(start(left)),
            top: start(top),
            height: end(bottom).saturating_sub(start(top)),
        };
        (area.width > 0 && area.height > 0).then_some(area)
    }
}

/// Writes the moved image.
pub(super) fn warp(
    inverse: &Inverse,
    field: Option<&Field>,
    pixels: &[u8; IMAGE_PIXELS],
    out: &mut [u8; IMAGE_PIXELS],
) {
    let source = Source::new(pixels);
    out.fill(0);
    let area = source.ink.and_then(|ink| Area::of(inverse, field, ink));
    if let Some(area) = area {
        columns(inverse, field, &source, area, out);
    }
}

/// Writes an area. The width of what is computed is known when this is compiled: loops over
/// numbers of 16 bits become vector instructions.
fn columns(
    inverse: &Inverse,
    field: Option<&Field>,
    source: &Source,
    area: Area,
    out: &mut [u8; IMAGE_PIXELS],
) {
    match area.width {
        ..=16 => rows::<16>(inverse, field, source, area, out),
        17..=24 => rows::<24>(inverse, field, source, area, out),
        // With four columns that are beyond the image.
        _ => rows::<32>(inverse, field, source, area, out),
    }
}

fn rows<const N: usize>(
    inverse: &Inverse,
    field: Option<&Field>,
    source: &Source,
    area: Area,
    out: &mut [u8; IMAGE_PIXELS],
) {
    let left = area.left.min(IMAGE_SIDE.saturating_sub(N));
    let columns: [[i16; N]; 2] = [0, 1].map(|axis| inverse.columns(axis, left));
    let band = field.map(|field| field.band::<N>(left));
    let (out, _) = out.as_chunks_mut::<IMAGE_SIDE>();
    let Some(out) = out.get_mut(area.top..area.top + area.height) else {
        return;
    };
    for (block, out) in out.chunks_mut(ROWS).enumerate() {
        let (mut u, mut v) = ([[0; N]; ROWS], [[0; N]; ROWS]);
        for (row, (u, v)) in zip(area.top + block * ROWS.., zip(&mut u, &mut v)) {
            // The copy's margin is one pixel.
            *u = [inverse.row(0, row) + STEP; N];
            *v = [inverse.row(1, row) + STEP; N];
            if let Some(band) = &band {
                band.add_row(row, [u, v]);
            }
        }
        let fetched = fetch(source, &columns, u, v);
        for (out, fetched) in zip(out, &fetched) {
            if let Some(part) = out.get_mut(left..).and_then(|out| out.first_chunk_mut()) {
                *part = *fetched;
            } else if let Some(fetched) = fetched.first_chunk() {
                *out = *fetched;
            }
        }
    }
}

/// Rows that are fetched together: a processor waits for numbers of 16 bits that it has just
/// written one by one before it reads them as a vector, so in between it writes those of other rows.
const ROWS: usize = 4;

/// Pixels at coordinates in the copy, each the sum of a row's and a column's, x and y in steps.
#[inline(always)]
fn fetch<const N: usize>(
    source: &Source,
    [along, down]: &[[i16; N]; 2],
    mut u: [[i16; N]; ROWS],
    mut v: [[i16; N]; ROWS],
) -> [[u8; N]; ROWS] {
    let mut index = [[0_u16; N]; ROWS];
    for (index, (u, v)) in zip(&mut index, zip(&mut u, &mut v)) {
        let places = zip(zip(u, along), zip(v, down));
        for (index, ((u, along), (v, down))) in zip(index, places) {
            // Beyond the margin is what is in it: background.
            *u = (*u + along).clamp(0, LAST);
            *v = (*v + down).clamp(0, LAST);
            *index = ((*v as u16 >> 3) & 0x3e0) | (*u as u16 >> 8);
        }
    }
    let (mut upper, mut lower) = ([[0; N]; ROWS], [[0; N]; ROWS]);
    for (index, (upper, lower)) in zip(&index, zip(&mut upper, &mut lower)) {
        for (index, (upper, lower)) in zip(index, zip(upper, lower)) {
            [*upper, *lower] = source.pairs(*index);
        }
    }
    let mut pixels = [[0; N]; ROWS];
    let pairs = zip(&upper, &lower);
    for (pixels, ((upper, lower), (u, v))) in zip(&mut pixels, zip(pairs, zip(&u, &v))) {
        blend(pixels, [upper, lower], [u, v]);
    }
    pixels
}

/// Bilinear interpolation in 1/64 of a level.
#[inline(always)]
fn blend<const N: usize>(
    pixels: &mut [u8; N],
    [upper, lower]: [&[u16; N]; 2],
    [u, v]: [&[i16; N]; 2],
) {
    let pairs = zip(upper, lower);
    for (pixel, ((&upper, &lower), (&u, &v))) in zip(pixels, zip(pairs, zip(u, v))) {
        let (u, v) = ((u & 0xff) << 7, (v & 0xff) << 7);
        let across = |pair: u16| {
            let (left, right) = ((pair & 0xff) as i16, (pair >> 8) as i16);
            (left << 6) + high((right - left) << 7, u)
        };
        let (upper, lower) = (across(upper), across(lower));
        let value = upper + high((lower - upper) << 1, v);
        *pixel = ((value + 32) >> 6) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Augmentation, draw::Draw};
    use super::*;

    const WHOLE: Area = Area {
        left: 0,
        width: IMAGE_SIDE,
        top: 0,
        height: IMAGE_SIDE,
    };

    /// The largest coordinates that there are, in every corner of the image: tests are compiled with
    /// overflow checks.
    #[test]
    fn extremes_fit_into_sixteen_bits() {
        let settings = Augmentation {
            elastic: Augmentation::MAX_ELASTIC,
            ..Augmentation::NONE
        };
        for index in 0..512 {
            let mut draw = Draw::new(&settings, 1., 1, 2, index);
            let sign = |bit: u32| f64::from(index >> bit & 1) * 2. - 1.;
            let turn = f64::from(index / 8) / 32. - 1.;
            draw.rotation = turn * std::f64::consts::PI;
            draw.shift = [0, 1].map(|bit| sign(bit) * Augmentation::MAX_SHIFT);
            draw.shear = sign(2) * Augmentation::MAX_SHEAR;
            draw.scale = [1. - Augmentation::MAX_SCALE; 2];
            let (inverse, field) = (Inverse::new(&draw), draw.field());
            let pixels = [255; IMAGE_PIXELS];
            let (mut part, mut all) = ([0; IMAGE_PIXELS], [0; IMAGE_PIXELS]);
            warp(&inverse, field.as_ref(), &pixels, &mut part);
            let source = Source::new(&pixels);
            columns(&inverse, field.as_ref(), &source, WHOLE, &mut all);
            assert_eq!(part, all, "{draw:?}");
        }
    }

    /// The part left out is background: any width of the area produces the bytes of the whole.
    #[test]
    fn the_area_holds_all_ink() {
        let settings = Augmentation {
            rotation: 180.,
            scale: 0.5,
            shear: 0.5,
            shift: 6.,
            elastic: 3.,
            ..Augmentation::NONE
        };
        let mut widths = [0; IMAGE_SIDE + 1];
        for index in 0..3_000 {
            // A white rectangle that grows in both directions.
            let (width, height) = (1 + index as usize % 20, 1 + index as usize / 20 % 20);
            let pixels = std::array::from_fn(|at| {
                let (x, y) = (at % IMAGE_SIDE, at / IMAGE_SIDE);
                let inside = (5..5 + width).contains(&x) && (4..4 + height).contains(&y);
                if inside { 255 } else { 0 }
            });
            let strength = f64::from(index % 4) / 3.;
            let draw = Draw::new(&settings, strength, 8, 1, index);
            let (inverse, field) = (Inverse::new(&draw), draw.field());
            let source = Source::new(&pixels);
            let ink = [5, 4 + width, 4, 3 + height];
            assert_eq!(source.ink, Some(ink));
            let (mut part, mut all) = ([0; IMAGE_PIXELS], [0; IMAGE_PIXELS]);
            warp(&inverse, field.as_ref(), &pixels, &mut part);
            columns(&inverse, field.as_ref(), &source, WHOLE, &mut all);
            assert_eq!(part, all, "{draw:?}");
            let area = Area::of(&inverse, field.as_ref(), ink);
            widths[area.map_or(0, |area| area.width)] += 1;
        }
        for some in [0..9, 9..17, 17..25, 25..29] {
            let count: i32 = widths[some.clone()].iter().sum();
            assert!(count > 100, "{some:?}: {count}");
        }
    }
}
