//! Where a pass gets its images from.

use crate::Pixels;

/// Images by their index in a batch; threads ask for them at the same time.
pub trait Images: Sync {
    /// The pixels of an image, (C, H, W). `room` has as many bytes, for images that are made when
    /// they are asked for.
    fn pixels<'a>(&'a self, image: usize, room: &'a mut [u8]) -> Pixels<'a>;

    /// Fetches what [`Images::pixels`] will read of an image that is soon asked for.
    fn prefetch(&self, _image: usize) {}
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
    fn pixels<'a>(&'a self, image: usize, _room: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Floats(&self.pixels[image * self.size..][..self.size])
    }

    fn prefetch(&self, image: usize) {
        Pixels::Floats(&self.pixels[image * self.size..][..self.size]).prefetch();
    }
}
