//! Weights that come with the crate.

use candle_core::Device;

use crate::{Result, Weights};

/// The weights file of [`mnist`], as the training wrote it: 250 KB.
///
/// `cargo xtask weights` trains it again: recipe `best`, seed 42.
pub const MNIST: &[u8] = include_bytes!("../weights/mnist.safetensors");

/// LeNet-5, trained on MNIST's training images by the recipe `best`.
///
/// ```
/// let weights = lenet_model::pretrained::mnist(&candle_core::Device::Cpu)?;
/// assert_eq!(weights.metadata.dataset.as_deref(), Some("mnist"));
/// # Ok::<(), lenet_model::Error>(())
/// ```
///
/// # Errors
/// The device's own; a test checks that the file is intact.
pub fn mnist(device: &Device) -> Result<Weights> {
    Weights::from_bytes(MNIST, device)
}
