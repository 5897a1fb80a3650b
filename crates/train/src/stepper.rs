//! One step of the training, on either engine: gradients of a batch, then Adam.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use candle_nn::Optimizer as _;
use candle_nn::loss::cross_entropy;
use lenet_data::{Dataset, batches};
use lenet_kernels::Pixels;
use lenet_kernels::engine::{Engine as FusedEngine, Images, Purpose};
use lenet_model::{Engine, LeNet5};

use crate::{Adam, AdamState, Config, Metrics, Result};

/// Some images of a set, as the engine asks for them.
pub(crate) struct Rows<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) rows: &'a [u32],
    pub(crate) table: &'a [f32; 256],
}

impl Rows<'_> {
    /// The labels of the images, into memory that is used again.
    pub(crate) fn labels(&self, labels: &mut Vec<u32>) {
        labels.clear();
        labels.extend(self.rows.iter().map(|&row| {
            let found = self.dataset.get(row as usize);
            found.map_or(0, |(_, label)| u32::from(label))
        }));
    }
}

impl Images for Rows<'_> {
    fn pixels(&self, image: usize) -> Pixels<'_> {
        match self.dataset.get(self.rows[image] as usize) {
            Some((pixels, _)) => Pixels::Bytes(pixels, self.table),
            None => Pixels::Bytes(&[], self.table),
        }
    }
}

/// What a batch's gradients are like.
pub(crate) struct Pass {
    /// Mean loss of the images, before the step.
    pub(crate) loss: f64,
    /// Whether every gradient is a finite number.
    pub(crate) finite: bool,
}

/// Parameters and optimiser of a training.
pub(crate) enum Stepper<'a> {
    /// On the fused engine, which has the parameters until [`Stepper::store`].
    Fused(Box<Fused>),
    /// On candle's own operations.
    Candle(Box<Candle<'a>>),
}

pub(crate) struct Fused {
    engine: FusedEngine,
    config: Config,
    table: [f32; 256],
    labels: Vec<u32>,
}

pub(crate) struct Candle<'a> {
    model: &'a LeNet5,
    config: Config,
    adam: Adam,
    gradients: Option<GradStore>,
}

impl<'a> Stepper<'a> {
    /// For a model as it is now, from where the optimiser stood.
    pub(crate) fn new(
        model: &'a LeNet5,
        config: &Config,
        state: Option<&AdamState>,
    ) -> Result<Self> {
        match model.engine() {
            Engine::Fused => {
                let mut engine = model.to_engine(Purpose::Training, config.batch_size)?;
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
                Ok(Self::Fused(Box::new(Fused {
                    engine,
                    config: config.clone(),
                    table: config.normalization().table(),
                    labels: Vec::with_capacity(config.batch_size),
                })))
            }
            Engine::Candle => {
                let mut adam = Adam::new(model.parameters().vars(), config.adam())?;
                if let Some(state) = state {
                    adam.set_state(state.clone())?;
                }
                Ok(Self::Candle(Box::new(Candle {
                    model,
                    config: config.clone(),
                    adam,
                    gradients: None,
                })))
            }
        }
    }

    /// Forward and back: the gradients of the mean loss of some images, which are also counted.
    pub(crate) fn gradients(
        &mut self,
        train: &Dataset,
        rows: &[u32],
        metrics: &mut Metrics,
    ) -> Result<Pass> {
        match self {
            Self::Fused(own) => {
                let rows = Rows {
                    dataset: train,
                    rows,
                    table: &own.table,
                };
                rows.labels(&mut own.labels);
                let found = own.engine.gradients(&rows, &own.labels, 0.)?;
                metrics.add_predicted(found.loss, own.engine.predicted(), &own.labels);
                Ok(Pass {
                    loss: found.loss,
                    finite: found.finite,
                })
            }
            Self::Candle(own) => {
                let (model, normalization) = (own.model, own.config.normalization());
                let mut pass = None;
                for batch in batches(train, rows.iter().copied(), rows.len(), normalization) {
                    let batch = batch?.to_device(model.device())?;
                    let logits = model.forward(&batch.images)?;
                    let loss = cross_entropy(&logits, &batch.labels)?;
                    let gradients = loss.backward()?;
                    let loss = metrics.add(&loss, &logits, &batch.labels)?;
                    let mut finite = true;
                    for (_, var) in model.parameters().iter() {
                        if let Some(gradient) = gradients.get(var) {
                            finite &= sum_of_squares(gradient)?.is_finite();
                        }
                    }
                    own.gradients = Some(gradients);
                    pass = Some(Pass { loss, finite });
                }
                // An order without an image is no batch, and `fit` makes none.
                Ok(pass.unwrap_or(Pass {
                    loss: 0.,
                    finite: true,
                }))
            }
        }
    }

    /// One step of Adam with the last gradients.
    pub(crate) fn update(&mut self) -> Result<()> {
        match self {
            Self::Fused(own) => own.engine.adam(&own.config.adam().into()),
            Self::Candle(own) => {
                if let Some(gradients) = own.gradients.take() {
                    own.adam.step(&gradients)?;
                }
            }
        }
        Ok(())
    }

    /// The loss of some images with the parameters as they are.
    pub(crate) fn loss(&mut self, train: &Dataset, rows: &[u32], classes: usize) -> Result<f64> {
        match self {
            Self::Fused(own) => {
                let rows = Rows {
                    dataset: train,
                    rows,
                    table: &own.table,
                };
                rows.labels(&mut own.labels);
                Ok(own.engine.evaluate(&rows, &own.labels)?)
            }
            Self::Candle(_) => Ok(self
                .gradients(train, rows, &mut Metrics::new(classes))?
                .loss),
        }
    }

    /// Gives the parameters to the model.
    pub(crate) fn store(&self, model: &LeNet5) -> Result<()> {
        match self {
            Self::Fused(own) => Ok(model.set_from_engine(&own.engine)?),
            Self::Candle(_) => Ok(()),
        }
    }

    /// The optimiser's memory.
    pub(crate) fn state(&self, model: &LeNet5) -> Result<AdamState> {
        match self {
            Self::Fused(own) => {
                let (step, first, second) = own.engine.moments();
                Ok(AdamState {
                    step,
                    first_moments: tensors(model, first)?,
                    second_moments: tensors(model, second)?,
                })
            }
            Self::Candle(own) => Ok(own.adam.state()),
        }
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
        match self {
            Self::Fused(own) => {
                let named = std::iter::zip(model.parameters().iter(), own.engine.last_gradients());
                named.for_each(|((name, _), values)| look(name, values));
            }
            Self::Candle(own) => {
                for (name, var) in model.parameters().iter() {
                    if let Some(gradient) = own.gradients.as_ref().and_then(|all| all.get(var)) {
                        look(name, &gradient.flatten_all()?.to_vec1::<f32>()?);
                    }
                }
            }
        }
        Ok((tensor, largest))
    }
}

/// Values in the shapes of the model's parameters.
fn tensors<'a>(
    model: &LeNet5,
    values: impl Iterator<Item = &'a [f32]>,
) -> candle_core::Result<Vec<Tensor>> {
    let shaped = std::iter::zip(values, model.parameters().iter());
    let tensor = |(values, (_, var)): (&[f32], (&str, &candle_core::Var))| {
        Tensor::from_slice(values, var.shape(), &Device::Cpu)
    };
    shaped.map(tensor).collect()
}

/// The sum of the squares of all elements, which is finite only if every element is.
pub(crate) fn sum_of_squares(tensor: &Tensor) -> candle_core::Result<f32> {
    tensor.sqr()?.sum_all()?.to_scalar()
}
