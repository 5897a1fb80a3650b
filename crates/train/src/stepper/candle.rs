//! A step on candle's own operations.

use candle_core::backprop::GradStore;
use candle_core::{D, Result as CandleResult, Tensor, Var};
use candle_nn::Optimizer as _;
use candle_nn::loss::cross_entropy;
use candle_nn::ops::log_softmax;
use lenet_data::{Batch, Dataset, batches};
use lenet_engine::engine::Optimizer;
use lenet_model::LeNet5;

use super::{Altered, Pass, clipping, sum_of_squares};
use crate::adam::{Adam, AdamConfig};
use crate::sgd::Sgd;
use crate::{Config, Metrics, OptimizerState, Result};

pub(crate) struct Candle<'a> {
    model: &'a LeNet5,
    config: Config,
    optimizer: Tensors,
    gradients: Option<GradStore>,
}

/// The optimiser's part that tensors are for.
enum Tensors {
    Adam(Adam),
    Sgd { sgd: Sgd, step: u64 },
}

impl<'a> Candle<'a> {
    pub(super) fn new(
        model: &'a LeNet5,
        config: &Config,
        state: Option<&OptimizerState>,
    ) -> Result<Self> {
        let vars = model.parameters().vars();
        let optimizer = match config.optimizer.at(config.learning_rate) {
            Optimizer::Adam(settings) => {
                let mut adam = Adam::new(vars, adam_config(&settings))?;
                if let Some(state) = state {
                    adam.set_state(state.clone())?;
                }
                Tensors::Adam(adam)
            }
            Optimizer::Sgd(settings) => {
                let (velocities, step) = match state {
                    Some(state) => (state.first_moments.clone(), state.step),
                    None => (zeros(&vars)?, 0),
                };
                let sgd = Sgd::new(vars, velocities, settings);
                Tensors::Sgd { sgd, step }
            }
        };
        Ok(Self {
            model,
            config: config.clone(),
            optimizer,
            gradients: None,
        })
    }

    pub(super) fn gradients(&mut self, batch: &Altered<'_>, metrics: &mut Metrics) -> Result<Pass> {
        let images = batch.to_dataset()?;
        let Some(batch) = self.batch(&images, 0..images.len() as u32)? else {
            // An order without an image is no batch, and `fit` makes none.
            return Ok(Pass {
                loss: 0.,
                finite: true,
            });
        };
        let logits = self.model.forward(&batch.images)?;
        let loss = smoothed(&logits, &batch.labels, self.config.label_smoothing)?;
        let gradients = loss.backward()?;
        let loss = metrics.add(&loss, &logits, &batch.labels)?;
        let mut finite = true;
        for (_, var) in self.model.parameters().iter() {
            if let Some(gradient) = gradients.get(var) {
                finite &= sum_of_squares(gradient)?.is_finite();
            }
        }
        self.gradients = Some(gradients);
        Ok(Pass { loss, finite })
    }

    pub(super) fn update(&mut self, learning_rate: f64) -> Result<()> {
        let Some(mut gradients) = self.gradients.take() else {
            return Ok(());
        };
        if let Some(most) = self.config.clip_norm {
            let vars = self.model.parameters().vars();
            let mut sum = 0.;
            for gradient in vars.iter().filter_map(|var| gradients.get(var)) {
                sum += f64::from(sum_of_squares(gradient)?);
            }
            let scale = clipping(most, sum.sqrt());
            for var in &vars {
                if let Some(gradient) = gradients.remove(var) {
                    gradients.insert(var, (gradient * scale)?);
                }
            }
        }
        match (&mut self.optimizer, self.config.optimizer.at(learning_rate)) {
            (Tensors::Adam(adam), _) => {
                adam.set_learning_rate(learning_rate);
                adam.step(&gradients)?;
            }
            (Tensors::Sgd { sgd, step }, Optimizer::Sgd(settings)) => {
                sgd.settings = settings;
                sgd.step(&gradients)?;
                *step += 1;
            }
            // The optimiser is made of the same configuration.
            (Tensors::Sgd { .. }, Optimizer::Adam(_)) => {}
        }
        Ok(())
    }

    pub(super) fn loss(&self, train: &Dataset, rows: &[u32]) -> Result<f64> {
        let Some(batch) = self.batch(train, rows.iter().copied())? else {
            return Ok(0.);
        };
        let logits = self.model.forward(&batch.images)?.detach();
        let loss = cross_entropy(&logits, &batch.labels)?;
        let mut metrics = Metrics::new(self.model.architecture().classes);
        metrics.add(&loss, &logits, &batch.labels)
    }

    /// The images of a set as one batch.
    fn batch(&self, dataset: &Dataset, rows: impl Iterator<Item = u32>) -> Result<Option<Batch>> {
        let normalization = self.config.normalization();
        let mut batches = batches(dataset, rows, self.config.batch_size, normalization);
        let batch = batches.next().transpose()?;
        Ok(match batch {
            Some(batch) => Some(batch.to_device(self.model.device())?),
            None => None,
        })
    }

    pub(super) fn state(&self) -> Result<OptimizerState> {
        match &self.optimizer {
            Tensors::Adam(adam) => Ok(adam.state()),
            Tensors::Sgd { sgd, step } => Ok(OptimizerState {
                step: *step,
                first_moments: sgd.velocities().to_vec(),
                second_moments: zeros(&self.model.parameters().vars())?,
            }),
        }
    }

    /// Shows the values of each gradient with the parameter's name.
    pub(super) fn look_at_gradients(
        &self,
        look: &mut dyn FnMut(&'static str, &[f32]),
    ) -> Result<()> {
        for (name, var) in self.model.parameters().iter() {
            if let Some(gradient) = self.gradients.as_ref().and_then(|all| all.get(var)) {
                look(name, &gradient.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(())
    }
}

fn adam_config(settings: &lenet_engine::optimizer::Adam) -> AdamConfig {
    AdamConfig {
        learning_rate: settings.learning_rate,
        beta1: settings.beta1,
        beta2: settings.beta2,
        epsilon: settings.epsilon,
        weight_decay: settings.weight_decay,
    }
}

fn zeros(vars: &[Var]) -> CandleResult<Vec<Tensor>> {
    let zeros = vars.iter().map(|var| var.as_detached_tensor().zeros_like());
    zeros.collect()
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
