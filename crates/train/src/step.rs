//! One step of the training: the gradients of a batch, then the optimiser.

mod candle;
mod fast;

use candle_core::Tensor;
use lenet_model::LeNet5;

use crate::average::Average;
use crate::backend::Backend;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::optimizer::OptimizerState;
use crate::rows::Rows;
use lenet_files::Result;

/// What the gradients of a batch are like.
pub(crate) struct Pass {
    /// Mean loss of the images, before the step.
    pub(crate) loss: f64,
    /// Whether every gradient is finite.
    pub(crate) finite: bool,
}

/// A network in training, with its optimiser.
///
/// There are two: on the engine, which holds the parameters until [`Step::store`], and on candle's
/// own operations, which change those of the model.
pub(crate) trait Step {
    /// Forward and backward: computes the gradients of the batch's mean loss, and counts its images.
    fn gradients(&mut self, batch: &Rows<'_>, metrics: &mut Metrics) -> Result<Pass>;

    /// One step of the optimiser with the last gradients, clipped if the configuration says so.
    fn update(&mut self, learning_rate: f64) -> Result<()>;

    /// The mean loss of a batch with the parameters as they are.
    fn loss(&mut self, batch: &Rows<'_>) -> Result<f64>;

    /// Adds the parameters as they are to an average.
    fn add_to(&self, average: &mut Average) -> Result<()>;

    /// The last gradients, in the order of the parameters.
    fn last_gradients(&self) -> Result<Vec<Vec<f32>>>;

    /// Sets the model's parameters, and returns the state of the optimiser.
    fn store(&self) -> Result<OptimizerState>;
}

/// The step of a backend, for the model as it is now and an optimiser in this state.
pub(crate) fn new<'a>(
    model: &'a LeNet5,
    backend: &Backend,
    config: &'a Config,
    state: Option<&OptimizerState>,
) -> Result<Box<dyn Step + 'a>> {
    backend.check(config.precision)?;
    Ok(match backend {
        Backend::Fused(pool) => Box::new(fast::Fast::new(model, pool, config, state)?),
        Backend::Candle => Box::new(candle::Candle::new(model, config, state)?),
    })
}

/// The sum of the squares of all elements, which is finite only if every element is.
pub(crate) fn sum_of_squares(tensor: &Tensor) -> candle_core::Result<f32> {
    tensor.sqr()?.sum_all()?.to_scalar()
}

/// The factor that scales gradients of a norm down to at most `limit`.
fn clipping(limit: f64, norm: f64) -> f64 {
    // PyTorch's clip_grad_norm_ adds the same small number to the norm.
    (limit / (norm + 1e-6)).min(1.)
}
