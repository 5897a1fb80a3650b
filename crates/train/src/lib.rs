//! Trains LeNet-5: from a configuration to the folder of a finished run.
//!
//! The crate knows nothing of the command line and prints nothing: what happens goes to
//! [`Observer`](lenet_run::Observer)s as [`Event`](lenet_run::Event)s. Its modules, in reading order:
//!
//! | module | what | types |
//! |---|---|---|
//! | config, recipe, optimizer, schedule | all that decides a result | [`Config`], [`Draft`], [`Optimizer`], [`Schedule`] |
//! | plan | what to do at which step: a function of the configuration and the progress | |
//! | rows, step | a batch, and one step on either engine | [`Backend`], [`TensorOptimizer`] |
//! | ranks | what processes that share a training must have in common | |
//! | fit, evaluate, metrics, progress | the loop: epochs, their validation, where it stands | [`fit`], [`evaluate`](evaluate()), [`Metrics`], [`Progress`] |
//! | checkpoint | the progress on disk | [`checkpoint`] |
//! | calibrate | what is fitted after a training: temperature, familiar images | [`unfamiliar`] |
//! | inspect, run | from the configuration to the folder | [`Run`], [`inspect`](inspect()) |
//! | out_of_fold | each image judged by a network that has not seen it | [`out_of_fold`](out_of_fold()) |
//! | sweep | many trainings from one file | [`Sweep`] |
//! | tensorboard | an observer | [`TensorBoard`] |
//!
//! The loop without a folder; `examples/own_observer.rs` makes a whole run:
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use candle_core::Device;
//! use lenet_data::embedded;
//! use lenet_model::{Architecture, Init, LeNet5};
//! use lenet_run::Event;
//! use lenet_train::{Backend, Config, Progress, Training, evaluate, fit};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { epochs: 1, ..Config::default() };
//! let mnist = embedded::mnist()?;
//! let (train, validation) = mnist.train.split(config.validation, config.seed);
//! # // The documentation's test trains on a part.
//! # let (train, validation) = (train.take(2_560), validation.take(500));
//! let model = LeNet5::new(&Architecture::default(), Init::default(), config.seed, &Device::Cpu)?;
//! let backend = Backend::default();
//! let training = Training {
//!     model: &model,
//!     backend: &backend,
//!     config: &config,
//!     train: &train,
//!     validation: &validation,
//! };
//! let mut print = |event: &Event| {
//!     if let Event::Epoch(epoch) = event {
//!         println!("{epoch:?}");
//!     }
//!     ControlFlow::Continue(())
//! };
//! fit(&training, &mut Progress::default(), &mut print)?;
//!
//! let result = evaluate(&model, &backend, &mnist.test.take(1_000), config.normalization())?;
//! println!("test accuracy {:.2} %", 100. * result.accuracy().unwrap_or(f64::NAN));
//! # assert!(result.accuracy().unwrap() > 0.6, "{result:?}");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod config;
mod optimizer;
mod range;
mod recipe;
mod schedule;

mod plan;
mod ranks;

mod backend;
mod rows;
mod step;
mod tensor_optimizer;

mod average;
mod calibrate;
mod evaluate;
mod fit;
mod metrics;
mod progress;

pub mod checkpoint;

mod inspect;
mod out_of_fold;
mod run;
mod start;
mod sweep;

mod tensorboard;

pub use average::Average;
pub use backend::Backend;
pub use calibrate::unfamiliar;
pub use checkpoint::{Identity, OtherTraining};
pub use config::{Config, Reduce, Scaling};
pub use evaluate::evaluate;
pub use fit::{Ending, Training, Watch, fit};
pub use inspect::{Tested, inspect};
pub use lenet_engine::engine::Precision;
pub use metrics::Metrics;
pub use optimizer::{Optimizer, OptimizerState};
pub use out_of_fold::out_of_fold;
pub use progress::{Best, Progress};
pub use ranks::meet;
pub use recipe::{Draft, RECIPES, Recipe, SMALL, small_epochs};
pub use run::{Images, Run, Setup, assist, note_whole_checkpoints};
pub use schedule::Schedule;
pub use start::{Start, read_weights};
pub use sweep::{Sweep, Trial};
pub use tensor_optimizer::TensorOptimizer;
pub use tensorboard::TensorBoard;
