//! Kernels on blocks of 16 images, with the image as the innermost axis.
//!
//! A block holds 16 images: its axes are (C, H, W, 16), so that a register holds one pixel of 16
//! (or 8, or 4) images and no shuffle is ever needed. A batch whose size is no multiple of 16 ends
//! with a block whose last lanes are 0 and whose gradient is 0.
//!
//! Each kernel works on one block and takes sizes and pointers: what is unsafe ends in
//! [`engine`](crate::engine) and [`ops`](crate::ops), which own the memory. Every sum runs in an
//! order that the shapes alone decide.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

pub(crate) mod adam;
pub(crate) mod conv_forward;
pub(crate) mod conv_input;
pub(crate) mod conv_weight;
pub(crate) mod cross_entropy;
pub(crate) mod extents;
pub(crate) mod finite;
pub(crate) mod linear;
pub(crate) mod linear_weight;
pub(crate) mod pack;
pub(crate) mod sgd;
pub(crate) mod unpool;

use crate::simd::LANES;

/// 16 floats at an address that is a multiple of 64, a line of the cache: one element of 16 images.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LANES]);

/// Floats at an address that is a multiple of 64, all 0 at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Memory for so many lines of 16 floats.
    pub(crate) fn new(lines: usize) -> Self {
        Self(vec![Line::default(); lines])
    }

    /// Memory for so many floats, rounded up to whole lines.
    pub(crate) fn floats(count: usize) -> Self {
        Self::new(count.div_ceil(LANES))
    }

    /// Memory for so many bytes, rounded up to whole lines.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn bytes(count: usize) -> Self {
        Self::floats(count.div_ceil(4))
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: a line is 16 floats without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LANES) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: a line is 16 floats without padding, and borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LANES) }
    }

    /// The memory as words of 16 bits.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn as_mut_words(&mut self) -> &mut [u16] {
        // SAFETY: a line is 32 words without padding, and borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 32) }
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}
