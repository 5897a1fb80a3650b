//! Weights that come with the crate.

use candle_core::Device;

use crate::{Result, Weights};

/// The weights file of [`mnist`], as the training wrote it: 250 KB.
///
/// `cargo xtask weights` trains it anew: recipe `best`, seed 42.
pub const MNIST: &[u8] = include_bytes!("../weights/mnist.safetensors");

/// LeNet-5 as it was trained on MNIST's 60,000 training images by the recipe `best`.
///
/// ```
/// let weights = lenet_model::pretrained::mnist(&candle_core::Device::Cpu)?;
/// assert_eq!(weights.metadata.dataset.as_deref(), Some("mnist"));
/// # Ok::<(), lenet_model::Error>(())
/// ```
///
/// # Errors
/// Those of the device: that the file is whole is tested.
pub fn mnist(device: &Device) -> Result<Weights> {
    Weights::from_bytes(MNIST, device)
}
