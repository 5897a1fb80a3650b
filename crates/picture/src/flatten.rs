//! Colour and transparency become grey.

use crate::{Grey, Picture};

/// Composites a picture on the background that its border suggests, and takes the luma.
pub(super) fn flatten(picture: &Picture) -> Grey {
    let background = background(picture);
    let pixels = picture
        .pixels()
        .iter()
        .map(|&[r, g, b, alpha]| {
            let alpha = u32::from(alpha);
            let mixed = luma([r, g, b]) * alpha + background * (255 - alpha);
            ((mixed + 127) / 255) as u8
        })
        .collect();
    Grey::new(picture.width(), picture.height(), pixels)
}

/// The weights of Rec. ITU-R BT.709, whose primaries are those of sRGB; equal parts give
/// themselves.
pub(super) fn luma([r, g, b]: [u8; 3]) -> u32 {
    (2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b) + 5000) / 10_000
}

/// The background of the transparent pixels, as luma.
///
/// If the border is mostly opaque, its colour continues there. If it is transparent, the picture is
/// laid on black or white: if all visible pixels have about the same luma, they are ink drawn on
/// nothing, and the background has to differ from them; if they are both dark and light, their edges
/// are the remains of a background that was removed, for example when white was declared transparent
/// and nearly white pixels stayed.
fn background(picture: &Picture) -> u32 {
    let opaque = |&[.., alpha]: &[u8; 4]| alpha >= 128;
    if picture.pixels().iter().all(|&[.., alpha]| alpha == 255) {
        return 255;
    }
    let (width, height) = (picture.width(), picture.height());
    let at = |x: usize, y: usize| {
        let at = (x < width).then(|| y.checked_mul(width)?.checked_add(x));
        picture.pixels().get(at.flatten()?)
    };
    let (mut border, mut edges, mut all) = (Mean::default(), Mean::default(), Mean::default());
    let (mut darkest, mut lightest, mut border_count) = (255, 0, 0);
    for y in 0..height {
        for x in 0..width {
            let Some(pixel @ &[r, g, b, alpha]) = at(x, y) else {
                continue;
            };
            let luma = luma([r, g, b]);
            all.add(luma, alpha);
            let sides = [
                (x.wrapping_sub(1), y),
                (x + 1, y),
                (x, y.wrapping_sub(1)),
                (x, y + 1),
            ];
            let sides = sides.map(|(x, y)| at(x, y));
            if sides.iter().any(Option::is_none) {
                border.add(luma, alpha);
                border_count += 1;
            }
            if opaque(pixel) {
                darkest = luma.min(darkest);
                lightest = luma.max(lightest);
                if sides.into_iter().flatten().any(|side| !opaque(side)) {
                    edges.add(luma, alpha);
                }
            }
        }
    }
    if border.weight >= 128 * border_count {
        return border.of().unwrap_or(255);
    }
    let both = lightest >= darkest + 128;
    let light = |mean: Mean| mean.of().is_some_and(|luma| luma >= 128);
    if both == light(if both { edges } else { all }) {
        255
    } else {
        0
    }
}

/// A mean luma, weighted by opacity.
#[derive(Clone, Copy, Default)]
struct Mean {
    sum: u64,
    weight: u64,
}

impl Mean {
    fn add(&mut self, luma: u32, alpha: u8) {
        self.sum += u64::from(luma) * u64::from(alpha);
        self.weight += u64::from(alpha);
    }

    fn of(self) -> Option<u32> {
        Some(self.sum.checked_div(self.weight)? as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(width: usize, pixels: &[[u8; 4]]) -> Vec<u8> {
        let picture = Picture::new(width, pixels.len() / width, pixels.to_vec()).unwrap();
        flatten(&picture).pixels().to_vec()
    }

    #[test]
    fn greys_stay_and_colours_weigh_as_the_eye_sees_them() {
        let greys: Vec<[u8; 4]> = (0..=255).map(|v| [v, v, v, 255]).collect();
        assert_eq!(flat(256, &greys), (0..=255).collect::<Vec<u8>>());
        let colours = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]];
        assert_eq!(flat(3, &colours), [54, 182, 18]);
    }

    #[test]
    fn ink_on_nothing_gets_the_ground_that_shows_it() {
        // What a transparent pixel's colour is, is no matter.
        let ink = |luma: u8| {
            let mut pixels = [[77, 0, 200, 0]; 9];
            pixels[4] = [luma, luma, luma, 255];
            flat(3, &pixels)
        };
        assert_eq!(ink(10), [255, 255, 255, 255, 10, 255, 255, 255, 255]);
        assert_eq!(ink(240), [0, 0, 0, 0, 240, 0, 0, 0, 0]);
    }

    /// What is left of the ground at the edges of the ink tells what it was.
    #[test]
    fn ink_with_a_fringe_gets_its_ground_back() {
        let ink = |fringe: u8, ink: u8| {
            let mut pixels = [[0, 0, 0, 0]; 49];
            for (at, pixel) in pixels.iter_mut().enumerate() {
                let far = (at % 7).abs_diff(3).max((at / 7).abs_diff(3));
                let luma = if far == 0 { ink } else { fringe };
                if far < 3 {
                    *pixel = [luma, luma, luma, 255];
                }
            }
            flat(7, &pixels)[0]
        };
        assert_eq!([ink(250, 0), ink(5, 255)], [255, 0]);
    }

    #[test]
    fn an_opaque_border_goes_on_behind() {
        let mut pixels = [[100, 100, 100, 255]; 9];
        pixels[4] = [0, 0, 0, 0];
        assert_eq!(flat(3, &pixels), [100; 9]);
        pixels[4] = [0, 0, 0, 128];
        assert_eq!(flat(3, &pixels)[4], 50);
    }
}
