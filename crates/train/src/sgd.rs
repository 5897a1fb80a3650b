//! Gradient descent with momentum on candle's tensors.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use lenet_engine::optimizer::Sgd as Settings;

/// Stochastic gradient descent, as [`reference::sgd`](lenet_engine::reference::sgd) defines it.
/// Variables of one axis are biases and do not decay.
#[derive(Debug)]
pub struct Sgd {
    /// The settings of the next step.
    pub settings: Settings,
    vars: Vec<Var>,
    velocities: Vec<Tensor>,
}

impl Sgd {
    /// For these variables and their velocities, one each, which begin at 0.
    pub fn new(vars: Vec<Var>, velocities: Vec<Tensor>, settings: Settings) -> Self {
        Self {
            settings,
            vars,
            velocities,
        }
    }

    /// The velocities. Tensors are shared, not copied: the next step makes new ones.
    pub fn velocities(&self) -> &[Tensor] {
        &self.velocities
    }

    /// One step. A variable without a gradient keeps its value and its velocity.
    ///
    /// # Errors
    /// candle's own.
    pub fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let Settings {
            learning_rate,
            momentum,
            nesterov,
            weight_decay,
        } = self.settings;
        for (var, velocity) in std::iter::zip(&self.vars, &mut self.velocities) {
            let Some(gradient) = gradients.get(var) else {
                continue;
            };
            let decay = if var.rank() > 1 { weight_decay } else { 0. };
            // Detached: velocities would hold on to the graph of every step.
            let gradient = (gradient.detach() + (var.as_detached_tensor() * decay)?)?;
            *velocity = ((&*velocity * momentum)? + &gradient)?;
            let step = match nesterov {
                true => (gradient + (&*velocity * momentum)?)?,
                false => velocity.clone(),
            };
            var.set(&var.as_detached_tensor().sub(&(step * learning_rate)?)?)?;
        }
        Ok(())
    }
}
