//! Images that are nearly the same.

use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

use crate::Dataset;

/// The difference of two images, in all pixels together, up to which they are nearly the same: this
/// fraction of what the pixels of either differ from their mean.
const TOLERANCE: f64 = 0.05;

/// The side of the squares whose sums are compared first.
const SQUARE: usize = 4;
const SQUARES: usize = IMAGE_SIDE / SQUARE;

/// What is known of an image before its pixels are looked at.
struct Sketch {
    index: usize,
    sum: u32,
    /// The largest difference of another that is nearly the same.
    tolerance: u32,
    squares: [u16; SQUARES * SQUARES],
}

/// Each image that is nearly the same as an earlier one, after that one: `[earlier, later]`, in the
/// order of the later ones.
///
/// Two images differ by no less than their sums do, and the sums of their squares: sorted by sums, few
/// are compared with any one.
pub fn near_duplicates(set: &Dataset) -> Vec<[usize; 2]> {
    let mut sketches: Vec<Sketch> = set.iter().enumerate().map(Sketch::of).collect();
    sketches.sort_by_key(|sketch| (sketch.sum, sketch.index));
    let mut earlier: Vec<Option<usize>> = vec![None; set.len()];
    for (place, own) in sketches.iter().enumerate() {
        let near = sketches[place + 1..].iter();
        for other in near.take_while(|other| other.sum - own.sum <= own.tolerance) {
            let [first, second] = [own.index.min(other.index), own.index.max(other.index)];
            let is_known = earlier[second].is_some_and(|known| known <= first);
            if !is_known && own.is_near(other, set) {
                earlier[second] = Some(first);
            }
        }
    }
    let pairs = earlier.into_iter().enumerate();
    pairs
        .filter_map(|(later, earlier)| Some([earlier?, later]))
        .collect()
}

impl Sketch {
    fn of((index, (image, _)): (usize, (&[u8; IMAGE_PIXELS], u8))) -> Self {
        let sum: u32 = image.iter().map(|&pixel| u32::from(pixel)).sum();
        let mean = sum as f64 / IMAGE_PIXELS as f64;
        let deviation = image.iter().map(|&pixel| (f64::from(pixel) - mean).abs());
        let tolerance = (TOLERANCE * deviation.sum::<f64>()) as u32;
        let mut squares = [0; SQUARES * SQUARES];
        for (place, &pixel) in image.iter().enumerate() {
            let (row, column) = (place / IMAGE_SIDE, place % IMAGE_SIDE);
            squares[row / SQUARE * SQUARES + column / SQUARE] += u16::from(pixel);
        }
        Self {
            index,
            sum,
            tolerance,
            squares,
        }
    }

    fn is_near(&self, other: &Self, set: &Dataset) -> bool {
        let most = self.tolerance.min(other.tolerance);
        let squares = std::iter::zip(&self.squares, &other.squares);
        let differences = squares.map(|(a, b)| u32::from(a.abs_diff(*b)));
        if differences.sum::<u32>() > most {
            return false;
        }
        let (Some((a, _)), Some((b, _))) = (set.get(self.index), set.get(other.index)) else {
            return false;
        };
        let differences = std::iter::zip(a, b).map(|(a, b)| u32::from(a.abs_diff(*b)));
        differences.sum::<u32>() <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image, another one, the first with a little noise and the first again.
    #[test]
    fn copies_are_found_whatever_their_noise() {
        let first: Vec<u8> = (0..784).map(|at| (at * 37 % 251) as u8).collect();
        let other = first.iter().map(|pixel| 250 - pixel).collect();
        let noisy = first
            .iter()
            .enumerate()
            .map(|(at, &pixel)| pixel ^ (at % 3) as u8);
        let noisy = noisy.collect();
        let images: [Vec<u8>; 4] = [first.clone(), other, noisy, first];
        let set = Dataset::new(images.concat(), vec![0; 4], ["any"]).unwrap();
        assert_eq!(near_duplicates(&set), [[0, 2], [0, 3]]);
    }
}
