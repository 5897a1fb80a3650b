//! The operations of LeNet-5, forward and backward, with a naive reference of each.
//!
//! [`reference`](mod@reference) defines every operation in plain loops over slices, for `f32` and
//! `f64`. It is the specification that a reader checks against the papers, and the oracle of the
//! fast operations' tests: it stays, however fast they become.
//!
//! This crate never learns what LeNet-5 is: an operation receives its sizes in a shape.
//!
//! Arrays are dense and row-major, images in the order N, C, H, W. In a shape, N is the batch, C
//! the input channels, K the output channels, H and W an image's and R and S a kernel's height and
//! width. `d_x` is the derivative of the scalar that is being minimised by `x`.
#![allow(unsafe_code, reason = "SIMD, and memory that threads share")]

#[cfg(target_arch = "x86_64")]
mod amx;
mod blocked;
pub mod engine;
mod error;
mod float;
pub mod fused;
mod geometry;
mod isa;
#[cfg(feature = "measure")]
pub mod measure;
pub mod ops;
pub mod pool;
pub mod reference;
mod simd;
pub mod single;

pub use blocked::pack::Pixels;
pub use error::{Error, Result};
pub use float::Float;
pub use fused::FusedNetwork;
pub use geometry::{ConvLayer, LinearLayer};
pub use isa::{ISA_VARIABLE, Isa, UnknownIsa};
pub use reference::activation::Activation;
