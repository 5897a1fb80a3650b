//! LeNet-5 as one operation of candle.

use std::sync::Arc;

use candle_core::{Module, Result as CandleResult, Tensor};
use lenet_engine::FusedNetwork;
use lenet_engine::pool::Pool;

use crate::{LeNet5, Parameters, Result};

/// [`LeNet5`] for the CPU in f32 as one operation of candle: the same parameters, the same logits,
/// and the same gradients from `backward()`, at nearly the speed of the engine.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use lenet_model::{Architecture, Init, LeNet5};
///
/// let model = LeNet5::new(&Architecture::default(), Init::PyTorch, 1, &Device::Cpu)?;
/// let images = Tensor::rand(0_f32, 1., (64, 1, 28, 28), &Device::Cpu)?;
/// let fused = model.fused()?;
/// let difference = (model.forward(&images)? - fused.forward(&images)?)?;
/// assert!(difference.abs()?.max_all()?.to_scalar::<f32>()? < 1e-6);
/// # Ok::<(), lenet_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fused {
    network: FusedNetwork,
    parameters: Parameters,
}

impl LeNet5 {
    /// The same network as one operation, on the threads of [`Pool::global`]. It shares the
    /// parameters: what trains one trains both.
    ///
    /// # Errors
    /// None for an architecture with 1 to 256 classes.
    pub fn fused(&self) -> Result<Fused> {
        let layers = self.architecture().layers()?;
        Ok(Fused {
            network: FusedNetwork::new(layers, Arc::clone(Pool::global()))?,
            parameters: self.parameters().clone(),
        })
    }
}

impl Fused {
    /// The logits (B, classes) of normalised images (B, 1, 28, 28).
    ///
    /// # Errors
    /// Images or parameters of another size, another type than f32 or on another device than the
    /// CPU. Going back, images that want a gradient.
    pub fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        let parameters: Vec<&Tensor> = self.parameters.iter().map(|(_, var)| &**var).collect();
        self.network.forward(images, &parameters)
    }
}

impl Module for Fused {
    fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        Fused::forward(self, images)
    }
}
