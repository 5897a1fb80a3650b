//! Logits, losses and gradients against the references.

use lenet_engine::Activation::{Relu, Tanh};
use lenet_engine::Isa;
use lenet_engine::Pixels;
use lenet_engine::engine::Engine;
use lenet_engine::single::Single;
use proptest::prelude::*;

use crate::common::{Tolerance, assert_close};
use crate::layers::{linear_forward, linears};
use crate::network::{Expected, Network, networks};
use crate::{Batch, engine, slices};

/// Numbers are near 1 by the choice of weights; six layers with sums of up to 400 terms, and tanh in
/// four of them, are each off by 1e-6 at most. The smallest mistake is one of 400 terms: 1e-2.
const LOGITS: Tolerance = Tolerance {
    rtol: 1e-5,
    atol: 1e-5,
};

/// Relative to the greatest of a parameter's gradients: roundings of a number of parts in 1e6 on
/// the way back, and some more where a sum over all positions cancels. The smallest mistake, one of
/// up to 70 images (or one column or row of 28) left out, is 1e-2.
const GRADIENT: f64 = 3e-5;

/// Where all terms of all gradients of a parameter cancel, their roundings are left.
const CANCELLED: f64 = 1e-7;

/// A number nearer to 0 than this may have the other sign in f32, and ReLU another slope.
const NEAR: f64 = 1e-5;

#[test]
fn lenet_5() {
    for (same, activation, images, smoothing) in [
        (true, Relu, 33, 0.0),
        (false, Relu, 16, 0.1),
        (true, Tanh, 17, 0.1),
        (false, Tanh, 70, 0.0),
    ] {
        let network = Network::lenet_5(same, activation, 45);
        let batch = Batch::new(&network, images, 43);
        let expected = network.run(&batch.pixels(), &batch.labels, smoothing);
        assert!(expected.nearest > NEAR, "choose another seed");
        for isa in Isa::available() {
            let what = format!("{isa}, same {same}, {activation:?}");
            let mut engine = engine(&network, images, 2, isa);
            check(&what, &mut engine, &batch, smoothing, &expected);
        }
    }
}

/// A larger batch after a smaller one and the reverse: what a pass leaves in the lanes and blocks
/// after its last image does not reach the next.
#[test]
fn batches_of_changing_sizes() {
    for (network, seed) in [
        (Network::lenet_5(false, Tanh, 1), 2),
        (Network::lenet_5(true, Relu, 2), 3),
    ] {
        let isas = Isa::available().into_iter();
        let mut engines: Vec<_> = isas
            .map(|isa| (isa, engine(&network, 70, 2, isa)))
            .collect();
        for images in [70, 1, 15, 16, 17, 2, 49, 70] {
            let batch = Batch::new(&network, images, seed + images as u64);
            let expected = network.run(&batch.pixels(), &batch.labels, 0.1);
            assert!(expected.nearest > NEAR, "choose another seed");
            for (isa, engine) in &mut engines {
                let what = format!("{isa}, {images} images");
                check(&what, engine, &batch, 0.1, &expected);
                // A forward pass alone computes the same logits.
                let logits: Vec<f32> = engine.logits().flatten().collect();
                engine.forward(&batch.images(), images).unwrap();
                let again: Vec<f32> = engine.logits().flatten().collect();
                assert_eq!(again, logits, "{what}");
            }
        }
    }
}

proptest! {
    // Failures are reproduced from the printed network and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks(
        network in networks(), images in 1..=70_usize, threads in 1..=3_usize,
        smoothing in prop_oneof![Just(0.0), 0.05..0.5], seed: u64,
    ) {
        let batch = Batch::new(&network, images, seed);
        let expected = network.run(&batch.pixels(), &batch.labels, smoothing);
        prop_assume!(expected.nearest > NEAR);
        for isa in Isa::available() {
            let mut engine = engine(&network, images + 3, threads, isa);
            check(isa.name(), &mut engine, &batch, smoothing, &expected);
        }
    }
}

pub fn check(what: &str, engine: &mut Engine, batch: &Batch, smoothing: f64, expected: &Expected) {
    let found = engine
        .gradients(&batch.images(), &batch.labels, smoothing)
        .unwrap();
    assert!(found.finite, "{what}");
    assert_close(
        &format!("loss, {what}"),
        &[found.loss],
        &[expected.loss],
        LOGITS,
    );
    assert_close(
        &format!("losses, {what}"),
        engine.losses(),
        &expected.losses,
        LOGITS,
    );
    let actual: Vec<f32> = engine.logits().flatten().collect();
    assert_close(
        &format!("logits, {what}"),
        &actual,
        &expected.logits,
        LOGITS,
    );
    assert_eq!(
        engine.predicted(),
        predicted(&actual, batch.labels.len()),
        "{what}"
    );
    let names = ["weight", "bias"].into_iter().cycle().enumerate();
    let gradients = std::iter::zip(engine.last_gradients(), &expected.gradients);
    assert_eq!(engine.last_gradients().count(), expected.gradients.len());
    for ((index, name), (actual, expected)) in std::iter::zip(names, gradients) {
        let greatest = expected.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        let tolerance = Tolerance {
            rtol: 0.0,
            atol: GRADIENT * greatest + CANCELLED,
        };
        let what = format!("{name} of layer {}, {what}", index / 2);
        assert_close(&what, actual, expected, tolerance);
    }
}

/// What goes into the last layer, in batches and for one image, held to the logits: they are its
/// product with the last weight.
#[test]
fn features() {
    for network in [Network::lenet_5(true, Relu, 1), one_linear_layer()] {
        let last = network.linears[network.linears.len() - 1];
        let [weight, bias] = &network.parameters[network.parameters.len() - 2..] else {
            panic!("two parameters a layer")
        };
        let batch = Batch::new(&network, 19, 3);
        let logits_of = |features: &[f32]| {
            let input: Vec<f64> = features.iter().map(|&x| f64::from(x)).collect();
            linear_forward(&last, 1, [&input, weight, bias]).output
        };
        for isa in Isa::available() {
            let mut engine = engine(&network, 33, 2, isa);
            let features = engine.features(&batch.images(), 19).unwrap();
            let expected: Vec<f64> = features.flat_map(logits_of).collect();
            let found: Vec<f32> = engine.logits().flatten().collect();
            assert_close(isa.name(), &found, &expected, LOGITS);

            let mut single = Single::new(network.layers(), isa);
            single.set_parameters(&slices(&network.values())).unwrap();
            let pixels = Pixels::Floats(&batch.pixels[..batch.size]);
            let found = single.logits(pixels).to_vec();
            let features = single.features();
            assert_close(isa.name(), &found, &logits_of(&features), LOGITS);
        }
    }
}

/// Its features are the output of a convolution, which lies in another order for one image.
fn one_linear_layer() -> Network {
    let conv = Network::lenet_5(true, Tanh, 1).convs[0];
    let features = conv.output().iter().product();
    Network::new(vec![conv], linears(&[features, 7], Tanh), 2)
}

/// The first of the greatest of each row.
fn predicted(logits: &[f32], images: usize) -> Vec<u32> {
    let rows = logits.chunks(logits.len() / images);
    let first = |row: &[f32]| {
        let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter().position(|&logit| logit == greatest).unwrap() as u32
    };
    rows.map(first).collect()
}
