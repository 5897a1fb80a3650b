//! A step on the engine of lenet-engine, without a graph.

use std::sync::Arc;

use candle_core::Tensor;
use lenet_engine::engine::{Engine, Purpose};
use lenet_engine::pool::Pool;
use lenet_files::Result;
use lenet_model::LeNet5;

use super::{Pass, Step, clipping};
use crate::average::Average;
use crate::config::{Config, Reduce};
use crate::metrics::Metrics;
use crate::optimizer::OptimizerState;
use crate::rows::Rows;

pub(super) struct Fast<'a> {
    model: &'a LeNet5,
    config: &'a Config,
    engine: Engine,
    /// The labels of the last batch; one buffer for all of them.
    labels: Vec<u32>,
}

impl<'a> Fast<'a> {
    pub(super) fn new(
        model: &'a LeNet5,
        pool: &Arc<Pool>,
        config: &'a Config,
        state: Option<&OptimizerState>,
    ) -> Result<Self> {
        let precision = config.precision;
        let pool = Arc::clone(pool);
        let mut engine = model.to_engine(Purpose::Training, config.batch_size, precision, pool)?;
        if config.reduce == Reduce::Sum {
            engine.add_gradients();
        }
        if config.freeze {
            engine.freeze_convolutions();
        }
        if let Some(state) = state {
            let first = values(&state.first_moments)?;
            let second = values(&state.second_moments)?;
            engine.set_moments(state.step, &slices(&first), &slices(&second))?;
        }
        Ok(Self {
            model,
            config,
            engine,
            labels: Vec::with_capacity(config.batch_size),
        })
    }
}

impl Step for Fast<'_> {
    fn gradients(&mut self, batch: &Rows<'_>, metrics: &mut Metrics) -> Result<Pass> {
        batch.labels(&mut self.labels);
        let smoothing = self.config.label_smoothing;
        let found = self.engine.gradients(batch, &self.labels, smoothing)?;
        metrics.add_predicted(found.loss, self.engine.predicted(), &self.labels);
        Ok(Pass {
            loss: found.loss,
            finite: found.finite,
        })
    }

    fn update(&mut self, learning_rate: f64) -> Result<()> {
        let scale = match self.config.clip_norm {
            Some(limit) => clipping(limit, self.engine.gradient_norm()),
            None => 1.,
        };
        let optimizer = self.config.optimizer.at(learning_rate);
        self.engine.update(&optimizer, scale as f32);
        Ok(())
    }

    fn loss(&mut self, batch: &Rows<'_>) -> Result<f64> {
        batch.labels(&mut self.labels);
        Ok(self.engine.evaluate(batch, &self.labels)?)
    }

    fn add_to(&self, average: &mut Average) -> Result<()> {
        average.add(self.engine.parameters());
        Ok(())
    }

    fn last_gradients(&self) -> Result<Vec<Vec<f32>>> {
        Ok(self.engine.last_gradients().map(<[f32]>::to_vec).collect())
    }

    fn store(&self) -> Result<OptimizerState> {
        let parameters = self.model.parameters();
        parameters.set_values(self.engine.parameters())?;
        let (step, first, second) = self.engine.moments();
        Ok(OptimizerState {
            step,
            first_moments: parameters.tensors(first)?,
            second_moments: parameters.tensors(second)?,
        })
    }
}

fn values(moments: &[Tensor]) -> candle_core::Result<Vec<Vec<f32>>> {
    moments
        .iter()
        .map(|moment| moment.flatten_all()?.to_vec1())
        .collect()
}

fn slices(values: &[Vec<f32>]) -> Vec<&[f32]> {
    values.iter().map(Vec::as_slice).collect()
}
