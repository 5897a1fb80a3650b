//! LeNet-5 in plain candle: architecture, seeded initialisation, summary and weights on disk; and
//! the same network as one fast operation, or on lenet-engine.
//!
//! | module | holds |
//! |---|---|
//! | `lenet5` | [`LeNet5`]: the definition of the network |
//! | `architecture` | what there is to choose: [`Architecture`] |
//! | `parameters`, `init` | the ten [`Parameters`] and how they are drawn |
//! | `fused`, `engine` | [`LeNet5::fused`], [`LeNet5::to_engine`] and [`LeNet5::to_single`] |
//! | `weights`, [`store`], [`pretrained`] | a network on disk: [`Weights`] |
//! | `summary`, `diagram` | the network as a table and as a picture: [`Summary`] |
//!
//! The crate does not know labels, loss and data sets: it maps images (B, 1, 28, 28) to logits
//! (B, classes), and its parameters to and from a file.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use lenet_model::{Architecture, Init, LeNet5};
//!
//! let model = LeNet5::new(&Architecture::default(), Init::GlorotUniform, 42, &Device::Cpu)?;
//! assert_eq!(model.parameters().count(), 61_706);
//!
//! let images = Tensor::zeros((2, 1, 28, 28), DType::F32, &Device::Cpu)?;
//! assert_eq!(model.forward(&images)?.dims(), [2, 10]);
//! # Ok::<(), lenet_model::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod architecture;
mod diagram;
mod engine;
mod familiarity;
mod fused;
mod init;
mod lenet5;
mod parameters;
pub mod pretrained;
mod softmax;
pub mod store;
mod summary;
mod weights;

pub use architecture::{Activation, Architecture, Padding};
pub use familiarity::{Familiarity, Seen, roughness, roughness_of_floats};
pub use fused::Fused;
pub use init::Init;
pub use lenet_files::{Error, Kind, Result};
pub use lenet5::{LeNet5, Outputs};
pub use parameters::Parameters;
pub use softmax::softmax;
pub use summary::{Layer, Summary};
pub use weights::{About, Metadata, Weights};
