//! Adam.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};
use candle_nn::Optimizer;

use crate::OptimizerState;

/// What there is to choose in Adam; the defaults are those of the paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the first moment, a step.
    pub beta1: f64,
    /// Decay of the second moment, a step.
    pub beta2: f64,
    /// Added to the denominator, after the root and the bias correction.
    pub epsilon: f64,
    /// What weights lose a step: this times the learning rate times themselves. Variables of one
    /// axis are biases and lose nothing.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.,
        }
    }
}

/// Adam, algorithm 1 of Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>; with
/// weight decay AdamW, Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>.
///
/// Unlike the optimisers of candle-nn it gives out its state and takes it back, so that a training
/// can be interrupted and resumed exactly.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    vars: Vec<Var>,
    state: OptimizerState,
}

impl Adam {
    /// The state as it is now. Tensors are shared, not copied: the next step makes new ones.
    pub fn state(&self) -> OptimizerState {
        self.state.clone()
    }

    /// Goes on from a state that [`Adam::state`] gave.
    ///
    /// # Errors
    /// Moments of other shapes, or another number of them, than the variables.
    pub fn set_state(&mut self, state: OptimizerState) -> Result<()> {
        for moments in [&state.first_moments, &state.second_moments] {
            if moments.len() != self.vars.len() {
                candle_core::bail!(
                    "Adam: {} moments for {} variables",
                    moments.len(),
                    self.vars.len()
                );
            }
            for (var, moment) in std::iter::zip(&self.vars, moments) {
                if var.shape() != moment.shape() {
                    candle_core::bail!(
                        "Adam: a moment of shape {:?} for a variable of shape {:?}",
                        moment.shape(),
                        var.shape()
                    );
                }
            }
        }
        self.state = state;
        Ok(())
    }
}

impl Optimizer for Adam {
    type Config = AdamConfig;

    fn new(vars: Vec<Var>, config: AdamConfig) -> Result<Self> {
        let zeros = || {
            vars.iter()
                .map(|var| var.zeros_like())
                .collect::<Result<_>>()
        };
        let state = OptimizerState {
            step: 0,
            first_moments: zeros()?,
            second_moments: zeros()?,
        };
        Ok(Self {
            config,
            vars,
            state,
        })
    }

    /// One step. A variable without a gradient keeps its value and its moments.
    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let AdamConfig {
            learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = self.config;
        self.state.step += 1;
        let t = self.state.step as f64;
        let correction1 = 1. - beta1.powf(t);
        let correction2 = 1. - beta2.powf(t);
        let moments = std::iter::zip(
            &mut self.state.first_moments,
            &mut self.state.second_moments,
        );
        for (var, (m, v)) in std::iter::zip(&self.vars, moments) {
            let Some(gradient) = gradients.get(var) else {
                continue;
            };
            // A gradient holds on to the graph that it was computed from, and the moments would hold
            // on to every gradient since the beginning.
            let gradient = &gradient.detach();
            *m = ((&*m * beta1)? + (gradient * (1. - beta1))?)?;
            *v = ((&*v * beta2)? + (gradient.sqr()? * (1. - beta2))?)?;
            let m_hat = (&*m / correction1)?;
            let v_hat = (&*v / correction2)?;
            let step = (m_hat / (v_hat.sqrt()? + epsilon)?)?;
            let decay = if var.rank() > 1 { weight_decay } else { 0. };
            let kept = (var.as_tensor() * (1. - learning_rate * decay))?;
            var.set(&kept.sub(&(step * learning_rate)?)?)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.config.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.config.learning_rate = learning_rate;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    fn var(values: &[f64]) -> Var {
        Var::new(values, &Device::Cpu).unwrap()
    }

    /// Gradient of sum(x^4) / 4, so that each step has another one.
    fn descend(adam: &mut Adam, x: &Var, steps: usize) {
        for _ in 0..steps {
            let loss = (x.powf(4.).unwrap().sum_all().unwrap() / 4.).unwrap();
            adam.backward_step(&loss).unwrap();
        }
    }

    /// The first step of Adam is the learning rate times the gradient's sign, but for epsilon:
    /// g / (|g| + eps). With g = 1e-8 epsilon halves it, which tells where epsilon is added.
    #[test]
    fn first_step_by_hand() {
        let x = var(&[2., -1., 0.5]);
        let mut adam = Adam::new(vec![x.clone()], AdamConfig::default()).unwrap();
        let weights = Tensor::new(&[3., -0.25, 1e-8], &Device::Cpu).unwrap();
        let loss = (x.as_tensor() * weights).unwrap().sum_all().unwrap();
        adam.backward_step(&loss).unwrap();
        let moved = x.to_vec1::<f64>().unwrap();
        for (value, expected) in std::iter::zip(moved, [1.999, -0.999, 0.5 - 0.000_5]) {
            assert!((value - expected).abs() < 1e-10, "{value} {expected}");
        }
    }

    /// A state is saved well if the steps after it are the same, bit for bit.
    #[test]
    fn goes_on_from_a_state() {
        let (x, y) = (var(&[2., -1., 0.5]), var(&[0., 0., 0.]));
        let mut adam = Adam::new(vec![x.clone()], AdamConfig::default()).unwrap();
        descend(&mut adam, &x, 5);
        y.set(&x).unwrap();
        let mut resumed = Adam::new(vec![y.clone()], AdamConfig::default()).unwrap();
        resumed.set_state(adam.state()).unwrap();
        descend(&mut adam, &x, 5);
        descend(&mut resumed, &y, 5);
        assert_eq!(x.to_vec1::<f64>().unwrap(), y.to_vec1::<f64>().unwrap());

        let z = var(&[2., -1., 0.5]);
        let mut without_state = Adam::new(vec![z.clone()], AdamConfig::default()).unwrap();
        descend(&mut without_state, &z, 10);
        assert_eq!(x.to_vec1::<f64>().unwrap(), z.to_vec1::<f64>().unwrap());
    }

    /// A25: what outlives a step holds on to no graph, or memory would grow with every step.
    #[test]
    fn moments_hold_no_graph() {
        let x = var(&[2., -1., 0.5]);
        let mut adam = Adam::new(vec![x.clone()], AdamConfig::default()).unwrap();
        descend(&mut adam, &x, 2);
        let state = adam.state();
        assert!(!state.first_moments[0].track_op());
        assert!(!state.second_moments[0].track_op());
    }

    #[test]
    fn a_state_of_another_shape_is_refused() {
        let mut adam = Adam::new(vec![var(&[1., 2.])], AdamConfig::default()).unwrap();
        let other = Adam::new(vec![var(&[1., 2., 3.])], AdamConfig::default()).unwrap();
        let error = adam.set_state(other.state()).unwrap_err().to_string();
        assert!(error.contains("shape"), "{error}");
        let empty = Adam::new(vec![], AdamConfig::default()).unwrap();
        let error = adam.set_state(empty.state()).unwrap_err().to_string();
        assert!(error.contains("0 moments for 1 variables"), "{error}");
    }
}
