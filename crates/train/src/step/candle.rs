//! A step on candle's own operations.

use candle_core::backprop::GradStore;
use candle_core::{D, Result as CandleResult, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::ops::log_softmax;
use lenet_files::Result;
use lenet_model::LeNet5;

use super::{Pass, Step, clipping, sum_of_squares};
use crate::average::Average;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::optimizer::OptimizerState;
use crate::rows::Rows;
use crate::tensor_optimizer::TensorOptimizer;

pub(super) struct Candle<'a> {
    model: &'a LeNet5,
    config: &'a Config,
    optimizer: TensorOptimizer,
    gradients: Option<GradStore>,
}

impl<'a> Candle<'a> {
    pub(super) fn new(
        model: &'a LeNet5,
        config: &'a Config,
        state: Option<&OptimizerState>,
    ) -> Result<Self> {
        let mut optimizer = TensorOptimizer::new(model.parameters().vars())?;
        if let Some(state) = state {
            optimizer.set_state(state.clone())?;
        }
        Ok(Self {
            model,
            config,
            optimizer,
            gradients: None,
        })
    }
}

impl Step for Candle<'_> {
    fn gradients(&mut self, batch: &Rows<'_>, metrics: &mut Metrics) -> Result<Pass> {
        let (images, labels) = batch.tensors(self.model.device())?;
        let logits = self.model.forward(&images)?;
        let loss = smoothed(&logits, &labels, self.config.label_smoothing)?;
        let mut gradients = loss.backward()?;
        let loss = metrics.add(&loss, &logits, &labels)?;
        let mut finite = true;
        for (name, var) in self.model.parameters().iter() {
            if self.config.freeze && name.starts_with("conv") {
                // Without a gradient the optimiser leaves it as it is.
                gradients.remove(var);
            }
            if let Some(gradient) = gradients.get(var) {
                finite &= sum_of_squares(gradient)?.is_finite();
            }
        }
        self.gradients = Some(gradients);
        Ok(Pass { loss, finite })
    }

    fn update(&mut self, learning_rate: f64) -> Result<()> {
        let Some(mut gradients) = self.gradients.take() else {
            return Ok(());
        };
        if let Some(limit) = self.config.clip_norm {
            let vars = self.model.parameters().vars();
            let mut sum = 0.;
            for gradient in vars.iter().filter_map(|var| gradients.get(var)) {
                sum += f64::from(sum_of_squares(gradient)?);
            }
            let scale = clipping(limit, sum.sqrt());
            for var in &vars {
                if let Some(gradient) = gradients.remove(var) {
                    gradients.insert(var, (gradient * scale)?);
                }
            }
        }
        let settings = self.config.optimizer.at(learning_rate);
        Ok(self.optimizer.step(&settings, &gradients)?)
    }

    fn loss(&mut self, batch: &Rows<'_>) -> Result<f64> {
        let (images, labels) = batch.tensors(self.model.device())?;
        let logits = self.model.forward(&images)?.detach();
        let loss = cross_entropy(&logits, &labels)?;
        Metrics::new(self.model.architecture().classes).add(&loss, &logits, &labels)
    }

    fn add_to(&self, average: &mut Average) -> Result<()> {
        let values = self.model.parameters().values()?;
        average.add(values.iter().map(Vec::as_slice));
        Ok(())
    }

    fn last_gradients(&self) -> Result<Vec<Vec<f32>>> {
        let gradients = self.model.parameters().iter().map(|(_, var)| {
            let gradient = self.gradients.as_ref().and_then(|all| all.get(var));
            gradient.map_or(Ok(Vec::new()), |found| found.flatten_all()?.to_vec1())
        });
        Ok(gradients.collect::<CandleResult<_>>()?)
    }

    fn store(&self) -> Result<OptimizerState> {
        Ok(self.optimizer.state().clone())
    }
}

/// Mean cross-entropy with labels that are right to 1 - ε and spread over all classes to ε.
fn smoothed(logits: &Tensor, labels: &Tensor, smoothing: f64) -> CandleResult<Tensor> {
    let loss = cross_entropy(logits, labels)?;
    if smoothing == 0. {
        return Ok(loss);
    }
    let spread = log_softmax(logits, D::Minus1)?.mean_all()?.neg()?;
    (loss * (1. - smoothing))? + (spread * smoothing)?
}
