//! Trains LeNet-5: the loop, optimisers, metrics and checkpoints.
//!
//! The crate knows nothing of the command line and prints nothing: what happens goes to
//! [`Observer`]s as [`Event`]s. A whole training through the public interface of the crates:
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use candle_core::Device;
//! use lenet_data::embedded;
//! use lenet_model::{Architecture, Init, LeNet5};
//! use lenet_train::{Backend, Config, Event, Progress, evaluate, fit};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config { epochs: 1, ..Config::default() };
//!     let mnist = embedded::mnist()?;
//!     let (train, validation) = mnist.train.split(config.validation, config.seed);
//! #   // The documentation's test trains on a part.
//! #   let (train, validation) = (train.take(2_560), validation.take(500));
//!     let model = LeNet5::new(&Architecture::default(), Init::default(), config.seed, &Device::Cpu)?;
//!
//!     let mut print = |event: &Event| {
//!         if let Event::Epoch(epoch) = event {
//!             println!("{epoch:?}");
//!         }
//!         ControlFlow::Continue(())
//!     };
//!     let mut progress = Progress::default();
//!     let mut keep_nothing = |_: &LeNet5, _: &Progress| Ok(());
//!     let backend = Backend::default();
//!     fit(
//!         &model,
//!         &backend,
//!         &train,
//!         &validation,
//!         &config,
//!         &mut progress,
//!         &mut keep_nothing,
//!         &mut [&mut print],
//!     )?;
//!
//!     let result = evaluate(&model, &backend, &mnist.test.take(1_000), config.normalization())?;
//!     println!("test accuracy {:.2} %", 100. * result.accuracy().unwrap_or(f64::NAN));
//! #   assert!(result.accuracy().unwrap() > 0.6, "{result:?}");
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

mod adam;
mod average;
mod backend;
pub mod checkpoint;
mod config;
mod error;
mod evaluate;
mod fit;
mod inspect;
mod metrics;
mod optimizer;
mod plan;
mod progress;
mod recipe;
mod saving;
mod schedule;
mod sgd;
mod stepper;
mod tensorboard;

pub use adam::{Adam, AdamConfig};
pub use average::Average;
pub use backend::Backend;
pub use checkpoint::{Identity, OtherTraining};
pub use config::{Config, Scaling};
pub use error::{Error, Result};
pub use evaluate::evaluate;
pub use fit::{Ending, fit};
// Part of the interface of `fit`.
pub use inspect::inspect;
pub use lenet_engine::engine::Precision;
pub use lenet_run::{Epoch, Event, Observer, Scores, Started, Step, Untrained};
pub use metrics::Metrics;
pub use optimizer::{Optimizer, OptimizerState};
pub use progress::{Best, Progress};
pub use recipe::{Draft, RECIPES, Recipe};
pub use saving::{chosen_weights, resume, save};
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use tensorboard::TensorBoard;
