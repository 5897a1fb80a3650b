//! Where a pixel comes from: scale, shear, rotation and shift, backwards.

use super::draw::Draw;
use lenet_picture::IMAGE_SIDE;

/// The centre of the image: pixels have their values at whole coordinates.
pub(super) const CENTRE: f64 = (IMAGE_SIDE as f64 - 1.) / 2.;

/// Parts of a pixel that coordinates are counted in.
pub(super) const STEP: i16 = 256;

/// The inverse map in fixed point, and the map itself.
///
/// The bounds of scale, shear, shift and distortion together keep every coordinate within ±125
/// pixels, also those of four rows and columns beyond the image: 16 bits hold it in steps of 1/256.
#[derive(Debug, Clone)]
pub(super) struct Inverse {
    /// d source / d result in 1/65536: \[source axis]\[result axis], x before y.
    slope: [[i32; 2]; 2],
    /// Twice the source of the result's centre in 1/65536.
    centre: [i32; 2],
    /// d result / d source.
    forward: [[f64; 2]; 2],
    /// What the centre is moved by, pixels.
    shift: [f64; 2],
}

impl Inverse {
    pub(super) fn new(draw: &Draw) -> Self {
        let (sine, cosine) = sine_and_cosine(draw.rotation);
        let (shear, [scale_x, scale_y]) = (draw.shear, draw.scale);
        // The y axis points downwards, hence the sines' signs. Rotation · shear · scale:
        let forward = [
            [cosine * scale_x, (cosine * shear + sine) * scale_y],
            [-sine * scale_x, (cosine - sine * shear) * scale_y],
        ];
        // scale⁻¹ · shear⁻¹ · rotation⁻¹:
        let inverse = [
            [
                (cosine - shear * sine) / scale_x,
                (-sine - shear * cosine) / scale_x,
            ],
            [sine / scale_y, cosine / scale_y],
        ];
        let [shift_x, shift_y] = draw.shift;
        let fixed = |number: f64| (number * 65_536.).round() as i32;
        Self {
            slope: inverse.map(|row| row.map(fixed)),
            centre: inverse.map(|[x, y]| fixed(2. * (CENTRE - x * shift_x - y * shift_y))),
            forward,
            shift: draw.shift,
        }
    }

    /// The part of a source coordinate (x: 0, y: 1) that depends on the column of the result, for
    /// the columns from `left` on.
    pub(super) fn columns<const N: usize>(&self, axis: usize, left: usize) -> [i16; N] {
        let [slope, _] = self.slope[axis];
        let mut place = slope * from_centre(left);
        let mut columns = [0; N];
        for column in &mut columns {
            *column = to_steps(place);
            place += 2 * slope;
        }
        columns
    }

    /// The part of a source coordinate (x: 0, y: 1) that depends on the result's row.
    pub(super) fn row(&self, axis: usize, row: usize) -> i16 {
        let [_, slope] = self.slope[axis];
        to_steps(self.centre[axis] + slope * from_centre(row))
    }

    /// Bounds of where the pixels of a rectangle may go, `[left, right, top, bottom]` in pixels, for
    /// a rectangle in the same form.
    pub(super) fn bounds(&self, [left, right, top, bottom]: [f64; 4]) -> [f64; 4] {
        let mut bounds = [
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for (x, y) in [(left, top), (right, top), (left, bottom), (right, bottom)] {
            let (x, y) = (x - CENTRE, y - CENTRE);
            let [along, down] = self.forward.map(|[a, b]| a * x + b * y + CENTRE);
            let [shift_x, shift_y] = self.shift;
            let (along, down) = (along + shift_x, down + shift_y);
            let [least_x, most_x, least_y, most_y] = bounds;
            bounds = [
                least_x.min(along),
                most_x.max(along),
                least_y.min(down),
                most_y.max(down),
            ];
        }
        bounds
    }
}

/// Twice the distance of a row or column from the centre.
fn from_centre(index: usize) -> i32 {
    2 * index as i32 - (IMAGE_SIDE as i32 - 1)
}

/// From 1/131072 to 1/256, to the nearest.
fn to_steps(fine: i32) -> i16 {
    ((fine + 256) >> 9) as i16
}

/// Sine and cosine of an angle within ±π by arithmetic that every machine rounds alike: those of
/// the standard library are the operating system's. The half angle's power series are cut off where
/// the next term is below 1e-8.
fn sine_and_cosine(angle: f64) -> (f64, f64) {
    let half = angle / 2.;
    let square = half * half;
    let series = |first: f64| {
        // 1 - x²/(f(f+1)) · (1 - x²/((f+2)(f+3)) · (...)).
        let mut sum = 1.;
        for term in (0..7).rev() {
            let factor = first + 2. * f64::from(term);
            sum = 1. - square / (factor * (factor + 1.)) * sum;
        }
        sum
    };
    let (sine, cosine) = (half * series(2.), series(1.));
    (2. * sine * cosine, 1. - 2. * sine * sine)
}
