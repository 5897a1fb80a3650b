//! A grey picture of any size, the form in which the steps hand it on.

use std::ops::Range;

/// Grey pixels, row after row, 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    /// A picture whose pixels are missing is filled up with black, superfluous ones are left out:
    /// every `Grey` has as many as its sides say.
    pub fn new(width: usize, height: usize, mut pixels: Vec<u8>) -> Self {
        pixels.resize(width * height, 0);
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(super) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// A pixel; black outside of the picture.
    pub fn at(&self, x: usize, y: usize) -> u8 {
        if x >= self.width {
            return 0;
        }
        let at = y * self.width + x;
        self.pixels.get(at).copied().unwrap_or_default()
    }

    /// The rows from the top; none if the picture has no width.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width.max(1))
    }

    /// Every pixel with its place `(x, y)`.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize, u8)> {
        let rows = self.rows().enumerate();
        rows.flat_map(|(y, row)| row.iter().enumerate().map(move |(x, &pixel)| (x, y, pixel)))
    }

    /// The pixels of the outermost rows and columns.
    pub(super) fn border(&self) -> impl Iterator<Item = u8> {
        let (right, bottom) = (self.width.max(1) - 1, self.height.max(1) - 1);
        self.places()
            .filter(move |&(x, y, _)| x == 0 || y == 0 || x == right || y == bottom)
            .map(|(_, _, pixel)| pixel)
    }

    /// A part of the picture; black outside of it.
    pub(super) fn crop(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let pixels = rows
            .clone()
            .flat_map(|y| columns.clone().map(move |x| self.at(x, y)));
        Self::new(columns.len(), rows.len(), pixels.collect())
    }

    /// The picture with each square of `factor` x `factor` pixels averaged into one; squares that
    /// the edge cuts average what they have.
    pub(super) fn reduced(&self, factor: usize) -> Self {
        if factor <= 1 {
            return self.clone();
        }
        let (width, height) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        let mut pixels = Vec::with_capacity(width * height);
        let rows: Vec<&[u8]> = self.rows().collect();
        for band in rows.chunks(factor) {
            let mut sums = vec![(0_u32, 0_u32); width];
            for row in band {
                for (sum, square) in std::iter::zip(&mut sums, row.chunks(factor)) {
                    sum.0 += square.iter().copied().map(u32::from).sum::<u32>();
                    sum.1 += square.len() as u32;
                }
            }
            let mean = |(sum, count): (u32, u32)| ((sum + count / 2) / count.max(1)) as u8;
            pixels.extend(sums.into_iter().map(mean));
        }
        Self::new(width, height, pixels)
    }

    /// The picture reduced by the smallest whole factor that leaves no side longer than `most`.
    pub(super) fn at_most(&self, most: usize) -> Self {
        self.reduced(self.width.max(self.height).div_ceil(most.max(1)))
    }

    /// The picture with `factor` times the pixels each way, and straight lines between them.
    pub(super) fn enlarged(&self, factor: usize) -> Self {
        let values: Vec<f32> = self.pixels.iter().copied().map(f32::from).collect();
        let (width, height) = (self.width * factor, self.height * factor);
        let large = enlarged(&values, (self.width, self.height), factor, (width, height));
        let pixels = large.into_iter().map(|value| value.round() as u8);
        Self::new(width, height, pixels.collect())
    }

    /// Black becomes white and white black.
    pub(super) fn invert(&mut self) {
        for pixel in &mut self.pixels {
            *pixel = 255 - *pixel;
        }
    }
}

/// Undoes [`Grey::reduced`], with straight lines between the centres of the squares.
pub(super) fn enlarged(
    values: &[f32],
    (width, height): (usize, usize),
    factor: usize,
    (to_width, to_height): (usize, usize),
) -> Vec<f32> {
    if factor == 1 {
        return values.to_vec();
    }
    // The square before, the one after, and the weight of the latter.
    let between = |at: usize, count: usize| {
        let position =
            ((at as f32 + 0.5) / factor as f32 - 0.5).clamp(0., count.saturating_sub(1) as f32);
        let before = position as usize;
        (
            before,
            (before + 1).min(count.saturating_sub(1)),
            position.fract(),
        )
    };
    let at = |x: usize, y: usize| values.get(y * width + x).copied().unwrap_or_default();
    let mut large = Vec::with_capacity(to_width * to_height);
    for y in 0..to_height {
        let (above, below, down) = between(y, height);
        large.extend((0..to_width).map(|x| {
            let (left, right, across) = between(x, width);
            let mix = |y| at(left, y) * (1. - across) + at(right, y) * across;
            mix(above) * (1. - down) + mix(below) * down
        }));
    }
    large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_averaged() {
        let picture = Grey::new(3, 3, vec![10, 20, 7, 30, 41, 9, 1, 2, 200]);
        let reduced = picture.reduced(2);
        assert_eq!((reduced.width(), reduced.height()), (2, 2));
        // 101 / 4 = 25.25, (7 + 9) / 2, (1 + 2) / 2 rounded up, and a pixel alone.
        assert_eq!(reduced.pixels(), [25, 8, 2, 200]);
        assert_eq!(picture.at_most(2), reduced);
        assert_eq!(picture.at_most(3), picture);
    }

    #[test]
    fn straight_lines_between_the_pixels() {
        let picture = Grey::new(2, 1, vec![0, 80]);
        assert_eq!(picture.enlarged(2).pixels(), [0, 20, 60, 80, 0, 20, 60, 80]);
        assert_eq!(picture.enlarged(1), picture);
    }

    #[test]
    fn what_is_outside_is_black() {
        let picture = Grey::new(2, 2, vec![1, 2, 3, 4]);
        assert_eq!(
            [picture.at(1, 1), picture.at(2, 0), picture.at(0, 2)],
            [4, 0, 0]
        );
        assert_eq!(picture.crop(1..3, 0..2).pixels(), [2, 0, 4, 0]);
        assert_eq!(Grey::new(2, 1, vec![9]).pixels(), [9, 0]);
    }

    #[test]
    fn the_border_has_each_pixel_once() {
        let picture = Grey::new(3, 3, (1..=9).collect());
        assert_eq!(
            picture.border().collect::<Vec<_>>(),
            [1, 2, 3, 4, 6, 7, 8, 9]
        );
        assert_eq!(Grey::new(1, 1, vec![5]).border().collect::<Vec<_>>(), [5]);
        assert_eq!(Grey::new(0, 0, vec![]).border().count(), 0);
    }
}
