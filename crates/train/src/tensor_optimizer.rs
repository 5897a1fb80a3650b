//! Adam and gradient descent on candle's tensors, for `--engine candle` and GPUs.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var, bail};
use lenet_engine::engine::Optimizer;

use crate::optimizer::OptimizerState;

/// The optimisers that [`Optimizer`] describes, on candle's tensors: Adam, Kingma and Ba 2015,
/// algorithm 1, <https://arxiv.org/abs/1412.6980>, with weight decay AdamW, Loshchilov and Hutter
/// 2019, <https://arxiv.org/abs/1711.05101>; and gradient descent as PyTorch defines it. Variables
/// of one axis are biases and do not decay.
///
/// Unlike those of candle-nn they hand out their state and take it back, so that a training can be
/// interrupted and resumed exactly.
#[derive(Debug)]
pub struct TensorOptimizer {
    vars: Vec<Var>,
    state: OptimizerState,
}

impl TensorOptimizer {
    /// For these variables, before the first step.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(vars: Vec<Var>) -> Result<Self> {
        let zeros = || {
            vars.iter()
                .map(|var| var.as_detached_tensor().zeros_like())
                .collect::<Result<Vec<_>>>()
        };
        let state = OptimizerState {
            step: 0,
            first_moments: zeros()?,
            second_moments: zeros()?,
        };
        Ok(Self { vars, state })
    }

    /// The state after the last step. Tensors are shared, not copied: the next step makes new ones.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }

    /// Continues from this state.
    ///
    /// # Errors
    /// Moments of other shapes, or another number of them, than the variables.
    pub fn set_state(&mut self, state: OptimizerState) -> Result<()> {
        for moments in [&state.first_moments, &state.second_moments] {
            let shapes = moments.iter().map(Tensor::dims);
            if !shapes.eq(self.vars.iter().map(|var| var.dims())) {
                bail!("the moments of an optimiser have the shapes of its variables");
            }
        }
        self.state = state;
        Ok(())
    }

    /// One step. A variable without a gradient keeps its value and its moments.
    ///
    /// # Errors
    /// Those of the device.
    pub fn step(&mut self, optimizer: &Optimizer, gradients: &GradStore) -> Result<()> {
        self.state.step += 1;
        let step = self.state.step as f64;
        let moments = std::iter::zip(
            &mut self.state.first_moments,
            &mut self.state.second_moments,
        );
        for (var, (m, v)) in std::iter::zip(&self.vars, moments) {
            let Some(gradient) = gradients.get(var) else {
                continue;
            };
            // Detached, because the moments would keep the graph of every step alive.
            let gradient = &gradient.detach();
            let value = &var.as_detached_tensor();
            let decays = f64::from(u8::from(var.rank() > 1));
            let next = match optimizer {
                Optimizer::Adam(adam) => {
                    *m = ((&*m * adam.beta1)? + (gradient * (1. - adam.beta1))?)?;
                    *v = ((&*v * adam.beta2)? + (gradient.sqr()? * (1. - adam.beta2))?)?;
                    let m_hat = (&*m / (1. - adam.beta1.powf(step)))?;
                    let v_hat = (&*v / (1. - adam.beta2.powf(step)))?;
                    let change = (m_hat / (v_hat.sqrt()? + adam.epsilon)?)?;
                    let decay = adam.learning_rate * adam.weight_decay * decays;
                    ((value * (1. - decay))? - (change * adam.learning_rate)?)?
                }
                Optimizer::Sgd(sgd) => {
                    let gradient = (gradient + (value * (sgd.weight_decay * decays))?)?;
                    *m = ((&*m * sgd.momentum)? + &gradient)?;
                    let change = if sgd.nesterov {
                        (gradient + (&*m * sgd.momentum)?)?
                    } else {
                        m.clone()
                    };
                    (value - (change * sgd.learning_rate)?)?
                }
            };
            var.set(&next)?;
        }
        Ok(())
    }
}
