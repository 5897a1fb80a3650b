//! Steps of the engine's Adam against the reference.

use lenet_engine::Isa;
use lenet_engine::reference::activation::Activation::{Relu, Tanh};
use lenet_engine::reference::adam::{self, Settings};

use crate::common::{Tolerance, assert_close};
use crate::network::Network;
use crate::values::check;
use crate::{Batch, bits, engine, flat};

/// Parameters are at most 2 and a step moves them by about α = 0.01: a step rounds by 1e-7. The
/// smallest mistake, a correction by one step too few or many, moves by 1 % of α, 1e-4.
const ROUNDING: Tolerance = Tolerance {
    rtol: 0.0,
    atol: 2e-6,
};

/// Relative to the greatest moment: a few roundings of terms of a sum, where terms cancel. A step is
/// worth 0.1 and 1e-3 of a gradient.
const MOMENT: f64 = 1e-6;

const SETTINGS: Settings = Settings {
    learning_rate: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.0,
};

/// Each step is compared on the engine's own gradients, for Adam makes steps of α of gradients that
/// are nothing but rounding.
#[test]
fn ten_steps_of_lenet_5() {
    for isa in Isa::available() {
        for activation in [Relu, Tanh] {
            let network = Network::lenet_5(true, activation, 3);
            let mut engine = engine(&network, 20, 3, isa);
            let mut parameters: Vec<f64> = network.parameters.concat();
            let mut moments = [vec![0.0; parameters.len()], vec![0.0; parameters.len()]];
            for t in 1..=10 {
                let batch = Batch::new(&network, 20, t);
                engine
                    .gradients(&batch.images(), &batch.labels, 0.0)
                    .unwrap();
                let gradient = flat(engine.last_gradients());
                engine.adam(&SETTINGS);
                let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
                let [first_moment, second_moment] = &mut moments;
                let state = adam::State {
                    parameters: &mut parameters,
                    first_moment,
                    second_moment,
                };
                adam::step(&SETTINGS, t, &gradient, state).unwrap();
                let what = format!("{isa}, {activation:?}, step {t}");
                assert_close(&what, &flat(engine.parameters()), &parameters, ROUNDING);
                let (step, first, second) = engine.moments();
                assert_eq!(step, t);
                let found = [flat(first), flat(second)];
                for (actual, expected) in std::iter::zip(&found, &moments) {
                    let greatest = expected.iter().fold(0.0_f64, |most, m| most.max(m.abs()));
                    let tolerance = Tolerance {
                        rtol: 0.0,
                        atol: MOMENT * greatest,
                    };
                    assert_close(&format!("moments, {what}"), actual, expected, tolerance);
                }
            }
            // The next gradients are those of the new parameters, in whatever order kernels keep them.
            if activation == Tanh {
                let changed = Network {
                    parameters: engine
                        .parameters()
                        .map(|p| p.iter().map(|&x| x.into()).collect())
                        .collect(),
                    ..network
                };
                let batch = Batch::new(&changed, 20, 11);
                let expected = changed.run(&batch.pixels(), &batch.labels, 0.0);
                check(isa.name(), &mut engine, &batch, 0.0, &expected);
            }
        }
    }
}

/// An engine that is given parameters and moments of another goes on as that one does.
#[test]
fn moments_and_parameters_are_the_whole_state() {
    let network = Network::lenet_5(false, Tanh, 4);
    for isa in Isa::available() {
        let mut one = engine(&network, 20, 2, isa);
        let step = |engine: &mut lenet_engine::engine::Engine, t| {
            let batch = Batch::new(&network, 20, t);
            engine
                .gradients(&batch.images(), &batch.labels, 0.1)
                .unwrap();
            engine.adam(&SETTINGS);
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

/// Moments that only decay end at 0 and not at a denormal number, which costs a hundred times as much
/// in every step from then on.
#[test]
fn moments_decay_to_nothing() {
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
            engine.adam(&Settings {
                learning_rate: 1e-30,
                ..SETTINGS
            });
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
