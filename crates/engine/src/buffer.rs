//! Memory that the threads of a pass write different parts of.

use std::cell::UnsafeCell;

use crate::simd::LANES;

/// 16 floats at an address that is a multiple of 64, a line of the cache: one element of 16 images.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// Lines of 16 floats, all 0 at first.
#[derive(Debug)]
pub(crate) struct Lines(Box<[UnsafeCell<Line>]>);

// SAFETY: the slices read, and threads write only through `ptr` in unsafe blocks, each of which says
// why no other thread uses the same floats at the same time.
unsafe impl Sync for Lines {}

impl Lines {
    /// This many lines.
    pub(crate) fn new(lines: usize) -> Self {
        Self((0..lines).map(|_| UnsafeCell::default()).collect())
    }

    /// This many floats, rounded up to whole lines.
    pub(crate) fn floats(count: usize) -> Self {
        Self::new(count.div_ceil(LANES))
    }

    /// This many bytes, rounded up to whole lines.
    pub(crate) fn bytes(count: usize) -> Self {
        Self::floats(count.div_ceil(4))
    }

    /// Number of floats.
    pub(crate) fn len(&self) -> usize {
        self.0.len() * LANES
    }

    /// The first float, for kernels that write; valid for [`Lines::len`] floats.
    pub(crate) fn ptr(&self) -> *mut f32 {
        // A line is 16 floats without padding, and a cell lies as what it holds.
        UnsafeCell::raw_get(self.0.as_ptr()).cast()
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: as many floats as there are; no pass runs while a slice of its memory is in use,
        // since a pass borrows the engine mutably.
        unsafe { std::slice::from_raw_parts(self.ptr(), self.len()) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as many floats as there are, borrowed mutably for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(), self.len()) }
    }

    /// The same memory as words of 32 bits.
    pub(crate) fn as_u32(&self) -> &[u32] {
        // SAFETY: as `as_slice`: every float is a word of 32 bits, aligned alike.
        unsafe { std::slice::from_raw_parts(self.ptr().cast(), self.len()) }
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.ptr()
    }

    /// The same memory as words of 16 bits.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn as_mut_words(&mut self) -> &mut [u16] {
        // SAFETY: every float is two words, borrowed mutably for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().cast(), 2 * self.len()) }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.ptr()
    }
}
