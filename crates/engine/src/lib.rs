//! A network of convolutions and linear layers, fast on the CPU: forward, backward and optimiser.
//!
//! - [`layers`](Layers): what a network consists of. The kernels are for LeNet-5 and its variants:
//!   convolutions of 5x5 with ReLU or tanh and average pooling, then linear layers.
//! - [`engine`]: a network in batches, for training and inference, without a tensor between.
//! - [`fused`]: the same as one operation on candle's tensors, with a gradient.
//! - [`single`]: one image at a time, with the lowest latency.
//! - [`optimizer`]: the settings of Adam and SGD.
//! - [`pool`]: the threads.
//! - [`reference`](mod@reference): every operation in plain loops, for `f32` and `f64`. It is the
//!   specification that a reader checks against the papers, and the oracle of the fast kernels'
//!   tests: it stays, however fast they become.
//!
//! Within: `blocked` holds the kernels on blocks of 16 images, `amx` those in bf16, `simd` and `isa`
//! the instruction sets.
//!
//! This crate does not know LeNet-5: it computes the layers that it is given.
//!
//! Arrays are dense and row-major, images in the order N, C, H, W. In a shape, N is the batch, C
//! the input channels, K the output channels or the classes, H and W an image's and R and S a
//! kernel's height and width. `d_x` is the derivative by `x` of the scalar that is being minimised.
#![allow(unsafe_code, reason = "SIMD, and memory that threads share")]

#[cfg(target_arch = "x86_64")]
mod amx;
mod blocked;
mod buffer;
pub mod engine;
mod exchange;
mod float;
pub mod fused;
mod isa;
mod layers;
pub mod optimizer;
pub mod pool;
pub mod reference;
mod simd;
pub mod single;

pub use candle_core::{Error, Result};
pub use engine::Pixels;
pub use exchange::Exchange;
pub use float::Float;
pub use fused::FusedNetwork;
pub use isa::{ISA_VARIABLE, Isa};
pub use layers::{Activation, ConvLayer, Layers, LinearLayer};
