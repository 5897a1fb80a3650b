//! Where a pass gets its images from.

/// One image as its owner stores it.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Bytes, each of which stands for a number of the table.
    Bytes(&'a [u8], &'a [f32; 256]),
    /// The numbers themselves.
    Floats(&'a [f32]),
}

impl Pixels<'_> {
    /// Fetches the memory into the cache ahead of its use: images come from anywhere in a set that no
    /// cache holds.
    pub fn prefetch(self) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            /// Bytes of a cache line.
            const LINE: usize = 64;
            let (first, bytes) = match self {
                Pixels::Bytes(bytes, _) => (bytes.as_ptr(), bytes.len()),
                Pixels::Floats(floats) => (floats.as_ptr().cast(), size_of_val(floats)),
            };
            for offset in (0..bytes + LINE - 1).step_by(LINE) {
                // SAFETY: the instruction takes any address, and every x86-64 has it.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset).cast()) }
            }
        }
    }

    /// How many pixels there are.
    pub fn count(&self) -> usize {
        match self {
            Pixels::Bytes(bytes, _) => bytes.len(),
            Pixels::Floats(floats) => floats.len(),
        }
    }
}

/// Images by their index in a batch; threads ask for them at the same time.
pub trait Images: Sync {
    /// The pixels of an image, (C, H, W). `buffer` has as many bytes, for images that are made on
    /// demand.
    fn pixels<'a>(&'a self, image: usize, buffer: &'a mut [u8]) -> Pixels<'a>;

    /// Fetches what [`Images::pixels`] will read of an image that will be asked for soon.
    fn prefetch(&self, _image: usize) {}
}

/// Equally large images, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct FloatImages<'a> {
    /// (N, C, H, W).
    pub pixels: &'a [f32],
    /// Numbers of an image, C·H·W.
    pub size: usize,
}

impl Images for FloatImages<'_> {
    fn pixels<'a>(&'a self, image: usize, _buffer: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Floats(&self.pixels[image * self.size..][..self.size])
    }

    fn prefetch(&self, image: usize) {
        Pixels::Floats(&self.pixels[image * self.size..][..self.size]).prefetch();
    }
}
