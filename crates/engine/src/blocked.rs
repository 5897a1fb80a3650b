//! Kernels on blocks of 16 images, with the image as the innermost axis.
//!
//! A block holds 16 images: its axes are (C, H, W, 16), so that a register holds one pixel of 16
//! (or 8, or 4) images and no shuffle is ever needed. A batch whose size is no multiple of 16 ends
//! with a block whose last lanes are 0 and whose gradient is 0.
//!
//! Each kernel works on one block and takes sizes and pointers; the [`engine`](crate::engine) owns
//! the memory. Every sum runs in an order that the shapes alone decide.

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
