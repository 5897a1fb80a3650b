//! Steps of the engine's optimisers with all that they can do: weight decay, momentum, clipping.

use lenet_engine::Isa;
use lenet_engine::engine::Optimizer;
use lenet_engine::reference::activation::Activation::Tanh;
use lenet_engine::reference::{adam, sgd};

use crate::common::{Tolerance, assert_close};
use crate::network::Network;
use crate::{Batch, bits, engine, flat};

/// Parameters are at most 2 and ten steps round them by some 1e-6. Weight decay moves a parameter of
/// 0.1 by 5e-4 a step, and what momentum, Nesterov and clipping leave out or add is more.
const ROUNDING: Tolerance = Tolerance {
    rtol: 0.0,
    atol: 5e-6,
};

const RATE: f64 = 0.05;

fn optimizers() -> Vec<Optimizer> {
    let sgd = sgd::Settings {
        learning_rate: RATE,
        ..sgd::Settings::default()
    };
    let momentum = sgd::Settings {
        momentum: 0.9,
        weight_decay: 0.1,
        ..sgd
    };
    vec![
        Optimizer::Adam(adam::Settings {
            learning_rate: RATE,
            weight_decay: 0.1,
            ..adam::Settings::default()
        }),
        Optimizer::Sgd(sgd),
        Optimizer::Sgd(momentum),
        Optimizer::Sgd(sgd::Settings {
            nesterov: true,
            ..momentum
        }),
    ]
}

/// The reference's step of one parameter; biases do not decay.
fn step(
    optimizer: Optimizer,
    t: u64,
    is_weight: bool,
    gradient: &[f64],
    parameters: &mut [f64],
    [first, second]: [&mut [f64]; 2],
) {
    match optimizer {
        Optimizer::Adam(mut settings) => {
            if !is_weight {
                settings.weight_decay = 0.0;
            }
            let state = adam::State {
                parameters,
                first_moment: first,
                second_moment: second,
            };
            adam::step(&settings, t, gradient, state).unwrap();
        }
        Optimizer::Sgd(mut settings) => {
            if !is_weight {
                settings.weight_decay = 0.0;
            }
            sgd::step(&settings, gradient, parameters, first).unwrap();
        }
    }
}

/// Each step is compared on the engine's own gradients, with any number of threads: they divide the
/// lines anywhere, in the middle of a weight too.
#[test]
fn ten_clipped_steps() {
    let network = Network::lenet_5(true, Tanh, 3);
    for isa in Isa::available() {
        for optimizer in optimizers() {
            for threads in [1, 3] {
                let mut engine = engine(&network, 20, threads, isa);
                let mut parameters = network.parameters.clone();
                let zeros = |values: &Vec<f64>| vec![0.0; values.len()];
                let mut first: Vec<Vec<f64>> = parameters.iter().map(zeros).collect();
                let mut second = first.clone();
                for t in 1..=10 {
                    let batch = Batch::new(&network, 20, t);
                    engine
                        .gradients(&batch.images(), &batch.labels, 0.0)
                        .unwrap();
                    let gradients: Vec<Vec<f64>> = engine
                        .last_gradients()
                        .map(|gradient| gradient.iter().map(|&g| g.into()).collect())
                        .collect();
                    let norm = gradients.concat().iter().map(|g| g * g).sum::<f64>().sqrt();
                    let found = engine.gradient_norm();
                    assert!((found - norm).abs() < 1e-12 * norm, "{found} {norm}");
                    let scale = (0.5 / norm) as f32;
                    engine.update(&optimizer, scale);
                    for (index, gradient) in gradients.iter().enumerate() {
                        let scaled: Vec<f64> =
                            gradient.iter().map(|g| g * f64::from(scale)).collect();
                        step(
                            optimizer,
                            t,
                            index % 2 == 0,
                            &scaled,
                            &mut parameters[index],
                            [&mut first[index], &mut second[index]],
                        );
                    }
                    let what = format!("{isa}, {optimizer:?}, {threads} threads, step {t}");
                    let expected = parameters.concat();
                    assert_close(&what, &flat(engine.parameters()), &expected, ROUNDING);
                }
            }
        }
    }
}

/// A scale of 1 and no decay are not there: the bits are those of a step without them.
#[test]
fn nothing_to_clip_changes_no_bit() {
    let network = Network::lenet_5(true, Tanh, 4);
    for isa in Isa::available() {
        let settings = adam::Settings::default();
        let parameters = [false, true].map(|plain| {
            let mut engine = engine(&network, 20, 2, isa);
            for t in 1..=3 {
                let batch = Batch::new(&network, 20, t);
                engine
                    .gradients(&batch.images(), &batch.labels, 0.0)
                    .unwrap();
                match plain {
                    true => engine.adam(&settings),
                    false => engine.update(&Optimizer::Adam(settings), 1.0),
                }
            }
            bits(&flat(engine.parameters()))
        });
        assert_eq!(parameters[0], parameters[1], "{isa}");
    }
}
