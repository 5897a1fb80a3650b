//! Adam on variables against the reference.

use candle_core::Var;
use lenet_engine::ops::Adam;
use lenet_engine::reference::adam::{self, Settings};

use crate::common::{Tolerance, Values, assert_close};
use crate::{floats, scalar, tensor, var};

/// A step moves a parameter by about α = 0.125, and each rounds a number of at most 2 and the quotient:
/// 2e-7 a step. The smallest mistake, the correction of a moment by one step too few or many, is
/// after 20 steps still 2 % of α, 2e-3.
const ROUNDING: Tolerance = Tolerance {
    rtol: 0.0,
    atol: 5e-6,
};

const SETTINGS: Settings = Settings {
    learning_rate: 0.125,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.0,
};

/// What the reference keeps of one variable.
struct Expected {
    parameters: Vec<f64>,
    moments: [Vec<f64>; 2],
}

impl Expected {
    fn new(parameters: Vec<f64>) -> Self {
        let zeros = vec![0.0; parameters.len()];
        let moments = [zeros.clone(), zeros];
        Self {
            parameters,
            moments,
        }
    }

    fn step(&mut self, settings: &Settings, t: u64, gradient: &[f64]) {
        let [first_moment, second_moment] = &mut self.moments;
        let state = adam::State {
            parameters: &mut self.parameters,
            first_moment,
            second_moment,
        };
        adam::step(settings, t, gradient, state).unwrap();
    }
}

/// Sizes below, at and above the 16, 8 and 4 floats of a register; with each ε, for where it stands
/// shows only where it is large.
#[test]
fn twenty_steps_of_variables_of_all_lengths() {
    let lengths = [1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 400, 1205];
    for epsilon in [1e-8, 0.1] {
        let settings = Settings {
            epsilon,
            ..SETTINGS
        };
        let mut values = Values::new(42);
        let starts = lengths.map(|length| values.array(&[length]));
        let vars: Vec<Var> = starts
            .iter()
            .map(|start| var(start, &[start.len()]))
            .collect();
        let mut adam = Adam::new(vars.clone(), settings);
        let mut expected = starts.map(Expected::new);
        for t in 1..=20 {
            // Each variable on its own: together they would be one graph of thirteen roots.
            let gradients = lengths.map(|length| values.array(&[length]));
            let mut loss = tensor(&[0.0], &[]);
            for (var, gradient) in std::iter::zip(&vars, &gradients) {
                let part = scalar(var, &tensor(gradient, &[gradient.len()]));
                loss = (loss + part).unwrap();
            }
            adam.step(&loss.backward().unwrap()).unwrap();
            for ((var, expected), gradient) in vars.iter().zip(&mut expected).zip(&gradients) {
                expected.step(&settings, t, gradient);
                let what = format!("{} parameters, ε {epsilon}, step {t}", gradient.len());
                assert_close(&what, &floats(var), &expected.parameters, ROUNDING);
            }
        }
    }
}

/// 0 moves nothing, not even by a rounding; and what counts as 0 to the fast kernel moves less than
/// that in the reference.
#[test]
fn gradients_of_nothing_and_next_to_nothing() {
    let gradient = [0.0, -0.0, 1e-17, -1e-18, 1e-30, 1e-45, 1e-12, -1e-8];
    let start = vec![0.5; gradient.len()];
    let theta = var(&start, &[gradient.len()]);
    let mut adam = Adam::new(vec![theta.clone()], SETTINGS);
    let mut expected = Expected::new(start);
    for t in 1..=10 {
        let loss = scalar(&theta, &tensor(&gradient, &[gradient.len()]));
        adam.step(&loss.backward().unwrap()).unwrap();
        expected.step(&SETTINGS, t, &gradient);
        let actual = floats(&theta);
        assert_close("θ", &actual, &expected.parameters, ROUNDING);
        assert_eq!(actual[..6], [0.5; 6], "step {t}");
        assert_ne!(actual[7], 0.5, "step {t}");
    }
}

/// One gradient, then zeros until both moments are gone.
#[test]
fn a_gradient_that_ends_is_forgotten() {
    const LENGTH: usize = 19;
    let settings = Settings {
        beta1: 0.5,
        beta2: 0.6,
        ..SETTINGS
    };
    let start = Values::new(1).array(&[LENGTH]);
    let theta = var(&start, &[LENGTH]);
    let mut adam = Adam::new(vec![theta.clone()], settings);
    let mut expected = Expected::new(start);
    let mut last = Vec::new();
    for t in 1..=400 {
        let gradient = [if t == 1 { 1.0 } else { 0.0 }; LENGTH];
        let loss = scalar(&theta, &tensor(&gradient, &[LENGTH]));
        adam.step(&loss.backward().unwrap()).unwrap();
        expected.step(&settings, t, &gradient);
        let actual = floats(&theta);
        assert_close("θ", &actual, &expected.parameters, ROUNDING);
        if t > 390 {
            assert_eq!(actual, last, "step {t}");
        }
        last = actual;
    }
}

/// As in PyTorch: its parameters and its moments stay as they are.
#[test]
fn a_variable_without_a_gradient_is_left_alone() {
    let [one, other] = [var(&[1.0, 2.0], &[2]), var(&[3.0], &[1])];
    let mut adam = Adam::new(vec![one.clone(), other.clone()], SETTINGS);
    let store = one.sum_all().unwrap().backward().unwrap();
    adam.step(&store).unwrap();
    assert_eq!(floats(&other), [3.0]);
    assert_close("θ", &floats(&one), &[0.875, 1.875], ROUNDING);
}

/// The gradient of a transposed use arrives with other strides.
#[test]
fn a_gradient_of_any_strides() {
    let start = Values::new(2).array(&[3, 5]);
    let gradient = Values::new(3).array(&[5, 3]);
    let theta = var(&start, &[3, 5]);
    let mut adam = Adam::new(vec![theta.clone()], SETTINGS);
    let loss = scalar(&theta.t().unwrap(), &tensor(&gradient, &[5, 3]));
    adam.step(&loss.backward().unwrap()).unwrap();
    let mut expected = Expected::new(start);
    let transposed: Vec<f64> = (0..15).map(|i| gradient[i % 5 * 3 + i / 5]).collect();
    expected.step(&SETTINGS, 1, &transposed);
    assert_close("θ", &floats(&theta), &expected.parameters, ROUNDING);
}
