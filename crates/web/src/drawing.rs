//! Strokes become pixels.
//!
//! The browser could draw them, but each draws a little differently, and some add noise to the pixels
//! that a page reads back from a canvas, as a protection against fingerprinting. Here a stroke is the
//! same pixels everywhere, and tests need no browser.

use lenet_picture::Picture;

/// Pixels on each side of the sheet: four times the 28 that the network sees. Twice as many would
/// take four times as long to prepare, and the network would see the same.
pub const SIDE: usize = 112;

/// The width of the pen as a fraction of the side: a digit that fills most of the sheet then has
/// strokes two to three pixels wide, as MNIST's are.
pub const PEN: f32 = 0.075;

/// Half the pen's width in pixels.
const RADIUS: f32 = PEN * SIDE as f32 / 2.;

/// A square sheet, white on black.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pixels: Vec<u8>,
}

impl Drawing {
    pub(crate) fn new() -> Self {
        Self {
            pixels: vec![0; SIDE * SIDE],
        }
    }

    pub(crate) fn clear(&mut self) {
        self.pixels.fill(0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pixels.iter().all(|&pixel| pixel == 0)
    }

    /// Draws a line with round ends through points, whose coordinates are fractions of the side; a
    /// single point is a dot. Points with NaN or infinity are skipped.
    pub(crate) fn line(&mut self, points: &[[f32; 2]]) {
        let on_sheet = |[x, y]: [f32; 2]| {
            // Nothing is drawn far outside the sheet, and small coordinates stay exact.
            let scaled = |part: f32| part.clamp(-1., 2.) * SIDE as f32;
            (x.is_finite() && y.is_finite()).then(|| [scaled(x), scaled(y)])
        };
        let mut points = points.iter().copied().filter_map(on_sheet);
        let Some(mut from) = points.next() else {
            return;
        };
        self.segment(from, from);
        for to in points {
            self.segment(from, to);
            from = to;
        }
    }

    /// Covers the pixels within [`RADIUS`] of a segment; pixels on the edge in proportion.
    fn segment(&mut self, from: [f32; 2], to: [f32; 2]) {
        let touched = |axis: usize| {
            let (low, high) = (from[axis].min(to[axis]), from[axis].max(to[axis]));
            // Casts saturate: a negative float becomes 0.
            let first = (low - RADIUS - 1.) as usize;
            first..((high + RADIUS + 2.) as usize).min(SIDE)
        };
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let length2 = dx * dx + dy * dy;
        for row in touched(1) {
            for column in touched(0) {
                let [x, y] = [column, row].map(|index| index as f32 + 0.5);
                let [px, py] = [x - from[0], y - from[1]];
                let along = if length2 > 0. {
                    ((px * dx + py * dy) / length2).clamp(0., 1.)
                } else {
                    0.
                };
                let [ox, oy] = [px - along * dx, py - along * dy];
                let distance = (ox * ox + oy * oy).sqrt();
                let covered = (RADIUS + 0.5 - distance).clamp(0., 1.);
                let value = (covered * 255.).round() as u8;
                if let Some(pixel) = self.pixels.get_mut(row * SIDE + column) {
                    *pixel = value.max(*pixel);
                }
            }
        }
    }

    pub(crate) fn to_picture(&self) -> lenet_picture::Result<Picture> {
        Picture::from_grey(SIDE, SIDE, &self.pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of the pixels, in white ones.
    fn area(drawing: &Drawing) -> f32 {
        drawing.pixels.iter().map(|&p| f32::from(p) / 255.).sum()
    }

    fn drawn(lines: &[&[[f32; 2]]]) -> Drawing {
        let mut drawing = Drawing::new();
        lines.iter().for_each(|line| drawing.line(line));
        drawing
    }

    /// Area of a disc, and of two half discs with a rectangle between; an edge that is half a pixel
    /// off changes them by 10 % and more.
    #[test]
    fn dots_and_lines_have_the_width_of_the_pen() {
        let disc = std::f32::consts::PI * RADIUS * RADIUS;
        for at in [[0.5, 0.5], [0.3, 0.701], [0.2503, 0.6]] {
            let found = area(&drawn(&[&[at]]));
            assert!((found / disc - 1.).abs() < 0.02, "{found} {disc}");
        }
        for to in [[0.8, 0.2], [0.2, 0.8], [0.5, 0.6]] {
            let found = area(&drawn(&[&[[0.2, 0.2], to]]));
            let length = (to[0] - 0.2_f32).hypot(to[1] - 0.2) * SIDE as f32;
            let expected = disc + 2. * RADIUS * length;
            assert!((found / expected - 1.).abs() < 0.02, "{found} {expected}");
        }
    }

    #[test]
    fn a_line_in_parts_is_the_line() {
        let (a, b, c) = ([0.2, 0.3], [0.7, 0.4], [0.5, 0.8]);
        let whole = drawn(&[&[a, b, c]]);
        assert_eq!(whole.pixels, drawn(&[&[a, b], &[b, c]]).pixels);
        assert_eq!(whole.pixels, drawn(&[&[b, c], &[a, b], &[c]]).pixels);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let half = area(&drawn(&[&[[0.2, 0.], [0.8, 0.]]]));
        let whole = area(&drawn(&[&[[0.2, 0.5], [0.8, 0.5]]]));
        assert!((half / whole - 0.5).abs() < 0.005, "{half} {whole}");
        let outside: [&[[f32; 2]]; 3] = [&[[-5., 9.]], &[[f32::NAN, 0.5]], &[]];
        assert_eq!(area(&drawn(&outside)), 0.);
        let huge = drawn(&[&[[-1e30, 0.5], [1e30, 0.5]]]);
        assert_eq!(huge.pixels[SIDE / 2 * SIDE], 255);
        assert_eq!(huge.pixels[SIDE / 2 * SIDE + SIDE - 1], 255);
    }

    #[test]
    fn an_empty_sheet_is_black() {
        let mut drawing = drawn(&[&[[0.5, 0.5]]]);
        drawing.clear();
        assert_eq!(area(&drawing), 0.);
        assert_eq!(drawing.to_picture().unwrap().width(), SIDE);
    }
}
