//! Random erasing: a rectangle becomes noise.

use super::draw::Draw;
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

/// By how much the longer side may exceed the shorter one, as a part of it: Zhong et al. have 1/0.3.
const LONGEST: f64 = 1. / 0.3 - 1.;

/// A part of the image, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Draw {
    /// The erased rectangle. If the drawn form does not fit into the image the paper draws again; here
    /// the rectangle becomes shorter and wider until it fits, and the area stays.
    pub(super) fn erased(&self) -> Option<Rectangle> {
        let area = self.erased_area? * IMAGE_PIXELS as f64;
        let ratio = 1. + LONGEST * self.erased_form.abs();
        let side = IMAGE_SIDE as f64;
        let longer = (area * ratio).sqrt().round().max(1.).min(side);
        let shorter = (area / longer).round().max(1.).min(side);
        let (width, height) = if self.erased_form < 0. {
            (longer as usize, shorter as usize)
        } else {
            (shorter as usize, longer as usize)
        };
        let [x, y] = self.erased_place;
        let place = |part: f64, length: usize| (part * (IMAGE_SIDE + 1 - length) as f64) as usize;
        Some(Rectangle {
            left: place(x, width),
            top: place(y, height),
            width,
            height,
        })
    }
}

/// Fills a rectangle with the draw's noise.
pub(super) fn cover(rectangle: Rectangle, draw: &mut Draw, out: &mut [u8; IMAGE_PIXELS]) {
    let mut noise = [0; IMAGE_PIXELS];
    let noise = &mut noise[..rectangle.width * rectangle.height];
    draw.fill_with_noise(noise);
    let columns = rectangle.left..rectangle.left + rectangle.width;
    let (out, _) = out.as_chunks_mut::<IMAGE_SIDE>();
    let rows = out.iter_mut().skip(rectangle.top);
    for (row, noise) in std::iter::zip(rows, noise.chunks_exact(rectangle.width)) {
        row[columns.clone()].copy_from_slice(noise);
    }
}
