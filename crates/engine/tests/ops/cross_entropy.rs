//! Softmax and cross-entropy against the reference.

use candle_core::{Device, Tensor};
use lenet_engine::ops;
use lenet_engine::reference::cross_entropy;
use proptest::prelude::*;

use crate::common::{Tolerance, Values, assert_close};
use crate::{floats, var};

/// Logits lie up to 16 apart, so that a term of the loss is at most 16 + ln 12 < 20: a few roundings
/// of that, 20 ε = 2.4e-6. The smallest mistake, a share ε/K of smoothing missing in one of 140
/// images, is 0.05/12 * 0.5/140 = 1.5e-5.
const LOSS: Tolerance = Tolerance {
    rtol: 4e-7,
    atol: 5e-6,
};

/// Relative to 1/N, the greatest that a derivative may be. exp is off by 1e-7, a quotient of sums of
/// it by thrice as much. The smallest mistake, a share of smoothing, is 0.05/12 = 4e-3.
const SLOPE: f64 = 1e-6;

proptest! {
    // Failures are reproduced from the printed sizes and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cross_entropy_of_random_shapes(
        classes in 1..=12_usize,
        batch in prop_oneof![Just(1_usize), Just(2), Just(15), Just(16), Just(17), Just(33), 1..=140_usize],
        smoothing in prop_oneof![Just(0.0), Just(1.0), 0.05..0.95], seed: u64,
    ) {
        let mut values = Values::new(seed);
        let logits: Vec<f64> = values.array(&[batch, classes]).iter().map(|x| 8.0 * x).collect();
        let labels = values.labels(batch, classes);
        check(&logits, &labels, smoothing);
    }
}

/// Where they are far apart a probability is 0 or 1 exactly, and neither loss nor gradient overflows. Equal logits
/// give ln K.
#[test]
fn cross_entropy_of_extreme_logits() {
    for smoothing in [0.0, 0.1] {
        check(
            &[1000.0, -1000.0, 0.0, -1e38, 1e38, 0.0],
            &[1, 2],
            smoothing,
        );
        check(&[3.0; 20], &[0, 9], smoothing);
        check(&[88.0, 0.0, 87.0, 0.0, 89.0, 0.0], &[1, 0, 1], smoothing);
    }
    // Without smoothing minus infinity is a certainty, not an error.
    check(&[f64::NEG_INFINITY, 0.0, 1.0], &[1], 0.0);
}

/// Not-a-number is not lost: a network that diverged shows it.
#[test]
fn cross_entropy_of_no_number() {
    for position in 0..3 {
        let mut logits = vec![0.0, 1.0, 2.0];
        logits[position] = f64::NAN;
        let z = var(&logits, &[1, 3]);
        let labels = Tensor::new(&[0_u32], &Device::Cpu).unwrap();
        let loss = ops::cross_entropy(&z, &labels, 0.0).unwrap();
        assert!(floats(&loss)[0].is_nan(), "at {position}");
        let d = floats(loss.backward().unwrap().get(&z).unwrap());
        assert!(d.iter().all(|d| d.is_nan()), "at {position}: {d:?}");
    }
}

/// The derivative of 3 times the loss is 3 times that of the loss.
#[test]
fn cross_entropy_hands_on_what_arrives() {
    let z = var(&[0.5, -1.0, 2.0, 0.0], &[2, 2]);
    let labels = Tensor::new(&[1_u32, 0], &Device::Cpu).unwrap();
    let loss = ops::cross_entropy(&z, &labels, 0.25).unwrap();
    let [once, thrice] = [1.0, 3.0].map(|factor| {
        let store = loss.affine(factor, 0.0).unwrap().backward().unwrap();
        floats(store.get(&z).unwrap())
    });
    for (once, thrice) in std::iter::zip(once, thrice) {
        assert_eq!((3.0 * once) as f32, thrice as f32);
    }
}

fn check(logits: &[f64], labels: &[u32], smoothing: f64) {
    let batch = labels.len();
    let classes = logits.len() / batch;
    let what = format!("{batch} images, {classes} classes, smoothing {smoothing}");
    let shape = cross_entropy::Shape { batch, classes };
    let loss = cross_entropy::forward(&shape, logits, labels, smoothing).unwrap();
    let d_logits = cross_entropy::backward(&shape, logits, labels, smoothing).unwrap();

    let z = var(logits, &[batch, classes]);
    let targets = Tensor::new(labels, &Device::Cpu).unwrap();
    let actual = ops::cross_entropy(&z, &targets, smoothing).unwrap();
    assert!(actual.dims().is_empty(), "{what}");
    assert_close(&format!("loss, {what}"), &floats(&actual), &[loss], LOSS);
    let slope = Tolerance {
        rtol: 0.0,
        atol: SLOPE / batch as f64,
    };
    let store = actual.backward().unwrap();
    let actual = floats(store.get(&z).unwrap());
    assert_close(&format!("d_logits, {what}"), &actual, &d_logits, slope);
}
