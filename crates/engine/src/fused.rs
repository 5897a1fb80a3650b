//! A whole network as one operation on candle's tensors, with a gradient.
//!
//! candle's `backward()` goes through it to the parameters, so that any loss and any optimiser on
//! tensors trains the network at nearly the speed of the [`Engine`].
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use lenet_engine::pool::Pool;
//! use lenet_engine::{Activation, ConvLayer, FusedNetwork, Layers, LinearLayer};
//!
//! let conv = ConvLayer {
//!     in_channels: 1,
//!     height: 28,
//!     width: 28,
//!     out_channels: 4,
//!     padding: 0,
//!     activation: Activation::Relu,
//! };
//! let linear = LinearLayer {
//!     in_features: 4 * 12 * 12,
//!     out_features: 3,
//!     activation: None,
//! };
//! let layers = Layers::new(vec![conv], vec![linear])?;
//! let network = FusedNetwork::new(layers, Pool::global().clone())?;
//!
//! let device = Device::Cpu;
//! let parameters = [
//!     Var::rand(-0.2_f32, 0.2, (4, 1, 5, 5), &device)?,
//!     Var::zeros(4, DType::F32, &device)?,
//!     Var::rand(-0.04_f32, 0.04, (3, 4 * 12 * 12), &device)?,
//!     Var::zeros(3, DType::F32, &device)?,
//! ];
//! let images = Tensor::rand(0_f32, 1., (20, 1, 28, 28), &device)?;
//! let logits = network.forward(&images, &parameters.each_ref().map(|var| var.as_tensor()))?;
//! assert_eq!(logits.dims(), [20, 3]);
//! let gradients = logits.sqr()?.mean_all()?.backward()?;
//! assert_eq!(gradients.get(&parameters[0]).unwrap().dims(), [4, 1, 5, 5]);
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! The backward pass runs the network forward again: what a forward pass would have to keep for it
//! would stay in memory as long as the graph.
//!
//! Deliberately absent: the gradient of the images, other element types than f32, and other devices
//! than the CPU. Asking for one of them is an error.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use crate::Isa;
use crate::engine::{Engine, FloatImages, Precision, Purpose, Setup};
use crate::layers::Layers;
use crate::pool::Pool;

/// A network for [`Tensor::apply_op2`]: the logits (B, K) of images (B, C, H, W) and a vector of
/// all parameters, one after the other in the order of [`Layers::parameters`].
///
/// Clones share one [`Engine`], which grows to the largest batch; passes of several threads wait
/// for each other. Networks that should run side by side are made apart, each with its own pool.
#[derive(Clone, Debug)]
pub struct FusedNetwork(Arc<Mutex<Engine>>);

impl FusedNetwork {
    /// The network of these layers, on the threads of this pool.
    ///
    /// # Errors
    /// None in f32.
    pub fn new(layers: Layers, pool: Arc<Pool>) -> Result<Self> {
        let setup = Setup {
            purpose: Purpose::Training,
            precision: Precision::F32,
            most_images: 0,
            pool,
            isa: Isa::current(),
        };
        let engine = Engine::new(layers, setup)?;
        Ok(Self(Arc::new(Mutex::new(engine))))
    }

    /// The logits (B, K) of images (B, C, H, W) with these parameters, in the order of the layers:
    /// weight (K, C, 5, 5) and bias (K) of each convolution, weight (O, I) and bias (O) of each
    /// linear layer. Gradients reach each of the parameters.
    ///
    /// # Errors
    /// Images or parameters of another size, another type than f32 or another device than the CPU.
    pub fn forward(&self, images: &Tensor, parameters: &[&Tensor]) -> Result<Tensor> {
        let lengths = self.with_engine(|engine| engine.layers().parameters());
        let flat = parameters.iter().map(|tensor| tensor.flatten_all());
        let flat = flat.collect::<Result<Vec<_>>>()?;
        let given: Vec<usize> = flat.iter().map(Tensor::elem_count).collect();
        if given != lengths {
            bail!("fused network: the parameters should hold {lengths:?} values, got {given:?}");
        }
        let parameters = Tensor::cat(&flat, 0)?;
        images.contiguous()?.apply_op2(&parameters, self.clone())
    }

    fn with_engine<T>(&self, use_it: impl FnOnce(&mut Engine) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `pass` with an engine that has memory for the images and holds the parameters, and with
    /// the number of images.
    fn pass<T>(
        &self,
        shape: &[usize],
        parameters: &[f32],
        pass: impl FnOnce(&mut Engine, usize) -> Result<T>,
    ) -> Result<T> {
        self.with_engine(|engine| {
            let layers = engine.layers();
            let first = &layers.convs()[0];
            let count = shape.first().copied().unwrap_or_default();
            let images = [count, first.in_channels, first.height, first.width];
            if shape != images {
                bail!("fused network: the images should be {images:?}, got {shape:?}");
            }
            let lengths = layers.parameters();
            let (expected, found) = (lengths.iter().sum::<usize>(), parameters.len());
            if found != expected {
                bail!("fused network: there should be {expected} parameters, got {found}");
            }
            let mut left = parameters;
            let values = lengths.into_iter().map(|len| {
                let (value, rest) = left.split_at(len);
                left = rest;
                value
            });
            let values: Vec<&[f32]> = values.collect();
            if count > engine.setup().most_images {
                let setup = Setup {
                    most_images: count,
                    ..engine.setup().clone()
                };
                *engine = Engine::new(engine.layers().clone(), setup)?;
            }
            engine.set_parameters(&values)?;
            pass(engine, count)
        })
    }
}

impl CustomOp2 for FusedNetwork {
    fn name(&self) -> &'static str {
        "fused-network"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        images_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let parameters = floats("parameters", parameters, parameters_layout)?;
        let pixels = floats("images", images, images_layout)?;
        self.pass(images_layout.dims(), parameters, |engine, count| {
            let size = engine.layers().pixels();
            engine.forward(&FloatImages { pixels, size }, count)?;
            let logits = engine.logits().flatten().collect();
            let shape = Shape::from((count, engine.layers().classes()));
            Ok((CpuStorage::F32(logits), shape))
        })
    }

    fn bwd(
        &self,
        images: &Tensor,
        parameters: &Tensor,
        _logits: &Tensor,
        d_logits: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // Without one, candle would silently leave the images out.
        if images.track_op() {
            bail!("fused network: there is no gradient of the images; detach() them first");
        }
        let pixels = images.flatten_all()?.to_vec1::<f32>()?;
        let d_logits = d_logits.flatten_all()?.to_vec1::<f32>()?;
        let values = parameters.to_vec1::<f32>()?;
        let gradient = self.pass(images.dims(), &values, |engine, count| {
            if count == 0 {
                return Ok(vec![0.0; values.len()]);
            }
            let size = engine.layers().pixels();
            let pixels = &pixels;
            engine.backward(&FloatImages { pixels, size }, count, &d_logits)?;
            Ok(engine.last_gradients().flatten().copied().collect())
        })?;
        let gradient = Tensor::from_vec(gradient, parameters.shape(), parameters.device())?;
        Ok((None, Some(gradient)))
    }
}

/// The numbers of a tensor of f32 that lie in their order.
fn floats<'a>(what: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else {
        bail!(
            "fused network: the {what} should be f32, got {:?}",
            storage.dtype()
        )
    };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&all[from..to]),
        None => bail!("fused network: the {what} should be contiguous"),
    }
}
