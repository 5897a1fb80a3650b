//! Training images altered at random, so that a network sees each a little differently every epoch.
//!
//! [`settings`] say how strongly; [`draw`] turns (seed, epoch, index) into numbers; [`affine`] and
//! [`field`] say where each pixel of the result comes from; [`sample`] fetches it; [`erase`] covers a
//! part. Pixels are computed from integers, and the drawn numbers by floating-point operations that
//! every machine rounds alike: equal arguments give equal bytes everywhere.

mod affine;
mod draw;
mod erase;
mod field;
mod sample;
mod settings;

use affine::Inverse;
use draw::Draw;
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};
pub use settings::Augmentation;

impl Augmentation {
    /// Writes an image, altered, to `out`: rows of 28 bytes, 0 is the background.
    ///
    /// `strength`, 0 to 1, is what every magnitude and the probability of erasing are multiplied
    /// by, so that a schedule can take it back towards the end; mirrored images stay as
    /// frequent. At 0 the bytes are those of the image or its mirror image.
    ///
    /// The result is a function of the arguments alone, whichever thread asks in whichever order;
    /// `index` is the image's place in its set. Values out of the ranges of
    /// [`check`](Augmentation::check) count as the nearest that is in it.
    pub fn apply(
        &self,
        strength: f32,
        seed: u64,
        epoch: u32,
        index: u32,
        pixels: &[u8; IMAGE_PIXELS],
        out: &mut [u8; IMAGE_PIXELS],
    ) {
        let strength = draw::limited(f64::from(strength), 1.);
        if self.is_none() || strength == 0. && self.mirror == 0. {
            *out = *pixels;
            return;
        }
        let mut draw = Draw::new(self, strength, seed, epoch, index);
        draw.apply(pixels, out);
    }
}

impl Draw {
    fn apply(&mut self, pixels: &[u8; IMAGE_PIXELS], out: &mut [u8; IMAGE_PIXELS]) {
        let mut mirrored = *pixels;
        if self.mirrored {
            let (rows, _) = mirrored.as_chunks_mut::<IMAGE_SIDE>();
            rows.iter_mut().for_each(|row| row.reverse());
        }
        let pixels = if self.mirrored { &mirrored } else { pixels };
        if self.moves() {
            let field = self.field();
            sample::warp(&Inverse::new(self), field.as_ref(), pixels, out);
        } else {
            *out = *pixels;
        }
        if let Some(rectangle) = self.erased() {
            erase::cover(rectangle, self, out);
        }
    }
}

#[cfg(test)]
mod tests;
