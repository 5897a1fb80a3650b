//! A step on the engine of lenet-engine, without a graph.

use std::sync::Arc;

use candle_core::Tensor;
use lenet_data::Dataset;
use lenet_engine::engine::{Engine, Purpose};
use lenet_engine::pool::Pool;
use lenet_model::LeNet5;

use super::{Altered, Pass, Rows, clipping};
use crate::{Config, Metrics, OptimizerState, Result};

pub(crate) struct Fused {
    pub(super) engine: Engine,
    config: Config,
    table: [f32; 256],
    labels: Vec<u32>,
}

impl Fused {
    pub(super) fn new(
        model: &LeNet5,
        pool: &Arc<Pool>,
        config: &Config,
        state: Option<&OptimizerState>,
    ) -> Result<Self> {
        let (purpose, precision) = (Purpose::Training, config.precision);
        let mut engine =
            model.to_engine(purpose, config.batch_size, precision, Arc::clone(pool))?;
        if let Some(state) = state {
            let values = |moments: &[Tensor]| {
                let values = moments.iter().map(|m| m.flatten_all()?.to_vec1::<f32>());
                values.collect::<candle_core::Result<Vec<_>>>()
            };
            let first = values(&state.first_moments)?;
            let second = values(&state.second_moments)?;
            let first: Vec<&[f32]> = first.iter().map(Vec::as_slice).collect();
            let second: Vec<&[f32]> = second.iter().map(Vec::as_slice).collect();
            engine.set_moments(state.step, &first, &second)?;
        }
        Ok(Self {
            engine,
            config: config.clone(),
            table: config.normalization().table(),
            labels: Vec::with_capacity(config.batch_size),
        })
    }

    pub(super) fn gradients(&mut self, batch: &Altered<'_>, metrics: &mut Metrics) -> Result<Pass> {
        batch.labels(&mut self.labels);
        let images = batch.images(&self.table);
        let smoothing = self.config.label_smoothing;
        let found = self.engine.gradients(&images, &self.labels, smoothing)?;
        metrics.add_predicted(found.loss, self.engine.predicted(), &self.labels);
        Ok(Pass {
            loss: found.loss,
            finite: found.finite,
        })
    }

    pub(super) fn update(&mut self, learning_rate: f64) {
        let scale = match self.config.clip_norm {
            Some(most) => clipping(most, self.engine.gradient_norm()),
            None => 1.,
        };
        let optimizer = self.config.optimizer.at(learning_rate);
        self.engine.update(&optimizer, scale as f32);
    }

    pub(super) fn loss(&mut self, train: &Dataset, rows: &[u32]) -> Result<f64> {
        let rows = Rows {
            dataset: train,
            rows,
            table: &self.table,
        };
        rows.labels(&mut self.labels);
        Ok(self.engine.evaluate(&rows, &self.labels)?)
    }

    pub(super) fn state(&self, model: &LeNet5) -> Result<OptimizerState> {
        let (step, first, second) = self.engine.moments();
        Ok(OptimizerState {
            step,
            first_moments: model.parameters().tensors(first)?,
            second_moments: model.parameters().tensors(second)?,
        })
    }
}
