//! A network on one image against the references.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lenet_engine::Activation::{Relu, Tanh};
use lenet_engine::single::Single;
use lenet_engine::{Isa, Pixels};
use proptest::prelude::*;

use crate::common::{Tolerance, Values, assert_close};
use crate::network::{Network, networks};
use crate::{Batch, slices};

/// As for batches, but bytes stand for numbers that are not multiples of 1/8, whose sums round: 1e-5
/// was the most in 2,000 networks. The smallest mistake, a lost term in one of 20 features, is 1e-3.
const TOLERANCE: Tolerance = Tolerance {
    rtol: 1e-4,
    atol: 1e-4,
};

fn single(network: &Network, isa: Isa) -> Single {
    let mut single = Single::new(network.layers(), isa);
    single.set_parameters(&slices(&network.values())).unwrap();
    single
}

/// Two images, floats and bytes, one after the other: the second must not see what the first left.
fn check(network: &Network, seed: u64) {
    let batch = Batch::new(network, 1, seed);
    let mut values = Values::new(seed);
    let bytes = values.labels(batch.size, 256);
    let bytes: Vec<u8> = bytes.into_iter().map(|byte| byte as u8).collect();
    let mut table = [0.0; 256];
    for (number, drawn) in table.iter_mut().zip(values.array(&[256])) {
        *number = drawn as f32;
    }
    let looked_up = bytes
        .iter()
        .map(|&byte| f64::from(table[usize::from(byte)]));
    let expected =
        [batch.pixels(), looked_up.collect()].map(|pixels| network.run(&pixels, &[0], 0.0).logits);
    for isa in Isa::available() {
        let mut single = single(network, isa);
        let images = [Pixels::Floats(&batch.pixels), Pixels::Bytes(&bytes, &table)];
        for (pixels, expected) in images.into_iter().zip(&expected) {
            assert_close(isa.name(), single.logits(pixels), expected, TOLERANCE);
        }
    }
}

#[test]
fn lenet_5() {
    for activation in [Relu, Tanh] {
        for same in [false, true] {
            check(&Network::lenet_5(same, activation, 1), 1);
        }
    }
}

proptest! {
    // Failures are reproduced from the printed network and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks(network in networks(), seed: u64) {
        check(&network, seed);
    }
}

/// What is not finite shows in every logit, and is gone with the next image.
#[test]
fn a_pixel_that_is_not_finite() {
    let network = Network::lenet_5(true, Relu, 1);
    for isa in Isa::available() {
        let mut single = single(&network, isa);
        let mut pixels = vec![0.5; 784];
        let before = single.logits(Pixels::Floats(&pixels)).to_vec();
        for infinite in [f32::NAN, f32::INFINITY] {
            // In the corner, beside the padding.
            pixels[27] = infinite;
            let logits = single.logits(Pixels::Floats(&pixels));
            assert!(logits.iter().all(|logit| !logit.is_finite()), "{isa}");
            pixels[27] = 0.5;
            assert_eq!(single.logits(Pixels::Floats(&pixels)), before, "{isa}");
        }
    }
}

#[test]
fn parameters_or_an_image_of_another_size_are_refused() {
    let network = Network::lenet_5(true, Relu, 1);
    let mut single = Single::new(network.layers(), Isa::fastest());
    let mut values = network.values();
    values[9].pop();
    assert!(single.set_parameters(&slices(&values)).is_err());
    assert_eq!(single.logits(Pixels::Floats(&[1.0; 784])), [0.0; 10]);
    let small = || single.logits(Pixels::Floats(&[0.0; 783])).len();
    assert!(catch_unwind(AssertUnwindSafe(small)).is_err());
}
