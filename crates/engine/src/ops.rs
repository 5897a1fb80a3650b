//! The fast kernels as operations on candle's tensors, each with its gradient.
//!
//! They take and give tensors in candle's own layout, with any strides and offset, so that they mix
//! with every other operation of candle; within, each goes through blocks of 16 images on all
//! threads of [`Pool::global`](crate::pool::Pool::global). candle's `backward()` works through them.
//!
//! A network of these operations is some ten times as fast as one of candle's own. A network that
//! is a mere list of layers can have more from an [`Engine`](crate::engine::Engine), which leaves
//! out the graph.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use lenet_engine::Activation;
//! use lenet_engine::ops::{ConvOptions, conv2d, cross_entropy, linear};
//!
//! let images = Tensor::ones((3, 1, 6, 6), candle_core::DType::F32, &Device::Cpu)?;
//! let labels = Tensor::new(&[0_u32, 1, 1], &Device::Cpu)?;
//! let kernel = Var::rand(-1_f32, 1., (4, 1, 3, 3), &Device::Cpu)?;
//! let kernel_bias = Var::zeros(4, candle_core::DType::F32, &Device::Cpu)?;
//! let weight = Var::rand(-1_f32, 1., (2, 16), &Device::Cpu)?;
//! let bias = Var::zeros(2, candle_core::DType::F32, &Device::Cpu)?;
//!
//! let options = ConvOptions { padding: 0, activation: Activation::Relu, pool: true };
//! let maps = conv2d(&images, &kernel, &kernel_bias, options)?; // (3, 4, 2, 2)
//! let logits = linear(&maps.flatten_from(1)?, &weight, &bias, Activation::Identity)?; // (3, 2)
//! let loss = cross_entropy(&logits, &labels, 0.)?;
//! let gradients = loss.backward()?;
//! assert_eq!(gradients.get(&kernel).unwrap().dims(), [4, 1, 3, 3]);
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! Deliberately absent: strides, dilation and groups; other element types than f32; other devices
//! than the CPU.

mod adam;
mod conv2d;
mod cross_entropy;
mod linear;

use std::borrow::Cow;

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

use crate::Pixels;
use crate::blocked::pack::{Place, write_images};
use crate::simd::LANES;

pub use adam::Adam;
pub use conv2d::{ConvOptions, conv2d};
pub use cross_entropy::cross_entropy;
pub use linear::linear;

/// The numbers of a tensor in their order, copied only where they do not lie so.
fn floats<'a>(
    op: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<Cow<'a, [f32]>> {
    let CpuStorage::F32(all) = storage else {
        candle_core::bail!("{op}: the numbers should be f32, got {:?}", storage.dtype())
    };
    Ok(match layout.contiguous_offsets() {
        Some((from, to)) => Cow::Borrowed(&all[from..to]),
        None => Cow::Owned(gathered(all, layout)),
    })
}

/// The numbers at a layout's places, in the order of its axes.
fn gathered(all: &[f32], layout: &Layout) -> Vec<f32> {
    let mut places = vec![layout.start_offset()];
    for (&size, &stride) in std::iter::zip(layout.dims(), layout.stride()) {
        let along = |&place: &usize| (0..size).map(move |index| place + index * stride);
        places = places.iter().flat_map(along).collect();
    }
    places.into_iter().map(|place| all[place]).collect()
}

/// Calls `use_it` with the numbers of a tensor on the CPU.
fn with_floats<T>(
    op: &'static str,
    tensor: &Tensor,
    use_it: impl FnOnce(&[f32]) -> Result<T>,
) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("{op}: the tensor should be on the CPU")
    };
    use_it(&floats(op, storage, layout)?)
}

/// Writes the images of a block, out of images of `size` numbers one behind the other, into the
/// block's lanes, and zeros into the lanes that have none.
///
/// # Safety
/// `to` must have the place's size.
unsafe fn write_block(
    all: &[f32],
    size: usize,
    block: usize,
    images: usize,
    place: &Place,
    to: *mut f32,
) {
    let mut pixels = [Pixels::Floats(&[]); LANES];
    for (lane, pixels) in pixels[..images].iter_mut().enumerate() {
        *pixels = Pixels::Floats(&all[(block * LANES + lane) * size..][..size]);
    }
    // SAFETY: the caller's.
    unsafe { write_images(&pixels[..images], place, to) }
}

/// As [`write_block`], for images that are a row of `size` features.
///
/// # Safety
/// There must be room for `size` lines.
unsafe fn write_features(all: &[f32], size: usize, block: usize, images: usize, to: *mut f32) {
    let place = Place {
        channels: 1,
        height: 1,
        width: size,
        padding: 0,
    };
    // SAFETY: the caller's.
    unsafe { write_block(all, size, block, images, &place, to) }
}

impl From<crate::Error> for candle_core::Error {
    fn from(error: crate::Error) -> Self {
        Self::wrap(error)
    }
}

/// A place in an array that the threads write different parts of.
#[derive(Clone, Copy)]
struct Slots<T>(*mut T);

// SAFETY: whoever takes a part says why nobody else has it.
unsafe impl<T> Sync for Slots<T> {}

impl<T> Slots<T> {
    /// # Safety
    /// The part must lie in the array, and nobody else use it meanwhile.
    unsafe fn part<'a>(&self, from: usize, len: usize) -> &'a mut [T] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(from), len) }
    }
}
