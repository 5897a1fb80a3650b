//! Where a pass gets its images from.

use crate::Pixels;

/// Images by their index in a batch; threads ask for them at the same time.
pub trait Images: Sync {
    /// The pixels of an image, (C, H, W).
    fn pixels(&self, image: usize) -> Pixels<'_>;
}

/// Equally large images one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct FloatImages<'a> {
    /// (N, C, H, W).
    pub pixels: &'a [f32],
    /// Numbers of an image, C·H·W.
    pub size: usize,
}

impl Images for FloatImages<'_> {
    fn pixels(&self, image: usize) -> Pixels<'_> {
        Pixels::Floats(&self.pixels[image * self.size..][..self.size])
    }
}
