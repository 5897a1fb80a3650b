//! Steps of the engine's optimisers with all that they can do: weight decay, momentum, clipping.

use lenet_engine::Activation::{Relu, Tanh};
use lenet_engine::Isa;
use lenet_engine::optimizer::{Adam, Optimizer, Sgd};
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

/// Relative to the greatest moment: a few roundings of terms of a sum, where terms cancel. A step is
/// worth 0.1 of a gradient.
const MOMENT: f64 = 1e-6;

const RATE: f64 = 0.05;

fn optimizers() -> Vec<Optimizer> {
    let sgd = Sgd {
        learning_rate: RATE,
        ..Sgd::default()
    };
    let momentum = Sgd {
        momentum: 0.9,
        weight_decay: 0.1,
        ..sgd
    };
    vec![
        Optimizer::Adam(Adam {
            learning_rate: 0.01,
            ..Adam::default()
        }),
        Optimizer::Adam(Adam {
            learning_rate: RATE,
            weight_decay: 0.1,
            ..Adam::default()
        }),
        Optimizer::Sgd(sgd),
        Optimizer::Sgd(momentum),
        Optimizer::Sgd(Sgd {
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
            adam::step(&settings, t, gradient, state);
        }
        Optimizer::Sgd(mut settings) => {
            if !is_weight {
                settings.weight_decay = 0.0;
            }
            sgd::step(&settings, gradient, parameters, first);
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
                    let (step, moments, _) = engine.moments();
                    assert_eq!(step, t);
                    let (moments, expected) = (flat(moments), first.concat());
                    let greatest = expected.iter().fold(0.0_f64, |most, m| most.max(m.abs()));
                    let tolerance = Tolerance {
                        rtol: 0.0,
                        atol: MOMENT * greatest,
                    };
                    assert_close(&format!("moments, {what}"), &moments, &expected, tolerance);
                }
            }
        }
    }
}

/// An engine with another's parameters and moments makes the same steps.
#[test]
fn moments_and_parameters_are_the_whole_state() {
    let optimizer = Optimizer::Adam(Adam::default());
    let network = Network::lenet_5(false, Tanh, 4);
    for isa in Isa::available() {
        let mut one = engine(&network, 20, 2, isa);
        let step = |engine: &mut lenet_engine::engine::Engine, t| {
            let batch = Batch::new(&network, 20, t);
            engine
                .gradients(&batch.images(), &batch.labels, 0.1)
                .unwrap();
            engine.update(&optimizer, 1.0);
        };
        (1..=3).for_each(|t| step(&mut one, t));
        let mut other = engine(&network, 20, 2, isa);
        // What it has done before must not show.
        step(&mut other, 9);
        let (steps, first, second) = one.moments();
        let [first, second]: [Vec<&[f32]>; 2] = [first.collect(), second.collect()];
        other.set_moments(steps, &first, &second).unwrap();
        let parameters: Vec<&[f32]> = one.parameters().collect();
        other.set_parameters(&parameters).unwrap();
        for t in 4..=6 {
            step(&mut one, t);
            step(&mut other, t);
            let [mine, others] = [&one, &other].map(|engine| bits(&flat(engine.parameters())));
            assert_eq!(mine, others, "{isa}, step {t}");
        }
    }
}

/// Moments that only decay end at 0 and not at a denormal number, which takes a hundred times as
/// long in every step from then on.
#[test]
fn moments_decay_to_nothing() {
    let optimizer = Optimizer::Adam(Adam {
        learning_rate: 1e-30,
        ..Adam::default()
    });
    let network = Network::lenet_5(true, Relu, 5);
    for isa in Isa::available() {
        // An engine whose gradients were never computed has gradients of 0.
        let mut engine = engine(&network, 1, 2, isa);
        let sizes = network.layers().parameters();
        let of =
            |value: f32| -> Vec<Vec<f32>> { sizes.iter().map(|&size| vec![value; size]).collect() };
        let [first, second] = [of(-1.0), of(1e-35)];
        let first: Vec<&[f32]> = first.iter().map(Vec::as_slice).collect();
        let second: Vec<&[f32]> = second.iter().map(Vec::as_slice).collect();
        engine.set_moments(1, &first, &second).unwrap();
        for _ in 0..3000 {
            engine.update(&optimizer, 1.0);
            let (_, mut first, mut second) = engine.moments();
            // The last parameter, a bias of ten, stands for all.
            for moment in [first.nth(9), second.nth(9)] {
                let normal = |m: &f32| *m == 0.0 || m.is_normal();
                assert!(moment.unwrap().iter().all(normal), "{isa}: {moment:?}");
            }
        }
        let (_, first, second) = engine.moments();
        assert!(flat(first).iter().all(|&m| m == 0.0), "{isa}");
        assert!(flat(second).iter().all(|&v| v == 0.0), "{isa}");
        assert!(
            flat(engine.parameters()).iter().all(|p| p.is_finite()),
            "{isa}"
        );
    }
}
