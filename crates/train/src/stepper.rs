//! One step of the training, on either engine: gradients of a batch, then the optimiser.

mod candle;
mod fused;
mod rows;

use candle_core::Tensor;
use lenet_data::Dataset;
use lenet_model::LeNet5;

pub(crate) use rows::{Altered, Rows};

use crate::average::Average;
use crate::{Backend, Config, Error, Metrics, Precision, Progress, Result};

/// What a batch's gradients are like.
pub(crate) struct Pass {
    /// Mean loss of the images, before the step.
    pub(crate) loss: f64,
    /// Whether every gradient is a finite number.
    pub(crate) finite: bool,
}

/// Parameters and optimiser of a training, and the average of the last parameters.
pub(crate) struct Stepper<'a> {
    kind: Kind<'a>,
    average: Average,
}

enum Kind<'a> {
    /// On the fused engine, which has the parameters until [`Stepper::store`].
    Fused(Box<fused::Fused>),
    /// On candle's own operations.
    Candle(Box<candle::Candle<'a>>),
}

impl<'a> Stepper<'a> {
    /// For a model as it is now, from where the progress stands.
    pub(crate) fn new(
        model: &'a LeNet5,
        backend: &Backend,
        config: &Config,
        progress: &Progress,
    ) -> Result<Self> {
        let state = progress.optimizer.as_ref();
        let kind = match backend {
            Backend::Fused(pool) => {
                Kind::Fused(Box::new(fused::Fused::new(model, pool, config, state)?))
            }
            Backend::Candle if config.precision != Precision::F32 => {
                return Err(Error::PrecisionOfCandle);
            }
            Backend::Candle => Kind::Candle(Box::new(candle::Candle::new(model, config, state)?)),
        };
        Ok(Self {
            kind,
            average: progress.average.clone(),
        })
    }

    /// Forward and back: the gradients of the mean loss of some images, which are also counted.
    pub(crate) fn gradients(&mut self, batch: &Altered<'_>, metrics: &mut Metrics) -> Result<Pass> {
        match &mut self.kind {
            Kind::Fused(own) => own.gradients(batch, metrics),
            Kind::Candle(own) => own.gradients(batch, metrics),
        }
    }

    /// One step of the optimiser with the last gradients, clipped where they are to be.
    pub(crate) fn update(&mut self, learning_rate: f64) -> Result<()> {
        match &mut self.kind {
            Kind::Fused(own) => {
                own.update(learning_rate);
                Ok(())
            }
            Kind::Candle(own) => own.update(learning_rate),
        }
    }

    /// Counts the parameters as they are now in the average.
    pub(crate) fn average(&mut self, model: &LeNet5) -> Result<()> {
        match &self.kind {
            Kind::Fused(own) => self.average.add(own.engine.parameters()),
            Kind::Candle(_) => {
                let values = model.parameters().values()?;
                self.average.add(values.iter().map(Vec::as_slice));
            }
        }
        Ok(())
    }

    /// The average in the shapes of the model's parameters, once there is one.
    pub(crate) fn averaged(&self, model: &LeNet5) -> Result<Option<Vec<Tensor>>> {
        if self.average.count == 0 {
            return Ok(None);
        }
        let means = self.average.means.iter().map(Vec::as_slice);
        Ok(Some(model.parameters().tensors(means)?))
    }

    /// The loss of some images with the parameters as they are.
    pub(crate) fn loss(&mut self, train: &Dataset, rows: &[u32]) -> Result<f64> {
        match &mut self.kind {
            Kind::Fused(own) => own.loss(train, rows),
            Kind::Candle(own) => own.loss(train, rows),
        }
    }

    /// Gives the parameters to the model, and what else is to be kept to the progress.
    pub(crate) fn store(&self, model: &LeNet5, progress: &mut Progress) -> Result<()> {
        progress.average.clone_from(&self.average);
        progress.optimizer = Some(match &self.kind {
            Kind::Fused(own) => {
                model.parameters().set_values(own.engine.parameters())?;
                own.state(model)?
            }
            Kind::Candle(own) => own.state()?,
        });
        Ok(())
    }

    /// The parameter with the largest gradient, or the first whose gradient is no number.
    pub(crate) fn largest_gradient(&self, model: &LeNet5) -> Result<(&'static str, f32)> {
        let (mut tensor, mut largest) = ("no parameter", 0_f32);
        let mut look = |name, values: &[f32]| {
            // `f32::max` passes NaN over, which is just what is looked for.
            let own = values.iter().fold(0_f32, |max, value| match value.abs() {
                value if value.is_nan() || value > max => value,
                _ => max,
            });
            if !largest.is_nan() && (own.is_nan() || own > largest) {
                (tensor, largest) = (name, own);
            }
        };
        match &self.kind {
            Kind::Fused(own) => {
                let named = std::iter::zip(model.parameters().iter(), own.engine.last_gradients());
                named.for_each(|((name, _), values)| look(name, values));
            }
            Kind::Candle(own) => own.look_at_gradients(&mut look)?,
        }
        Ok((tensor, largest))
    }
}

/// The sum of the squares of all elements, which is finite only if every element is.
pub(crate) fn sum_of_squares(tensor: &Tensor) -> candle_core::Result<f32> {
    tensor.sqr()?.sum_all()?.to_scalar()
}

/// What gradients of a norm are multiplied with, so that it is no greater than `most`.
fn clipping(most: f64, norm: f64) -> f64 {
    // PyTorch's clip_grad_norm_ has the same small number beside the norm.
    (most / (norm + 1e-6)).min(1.)
}
