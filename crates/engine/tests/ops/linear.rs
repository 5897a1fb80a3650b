//! The fully connected layer against the reference and its activation.

use lenet_engine::LinearLayer;
use lenet_engine::ops;
use lenet_engine::reference::activation::Activation::{self, Identity, Relu, Tanh};
use proptest::prelude::*;

use crate::common::layers::{linear_backward, linear_forward};
use crate::common::{EQUAL, Values, assert_close};
use crate::{floats, scalar, scale, slopes, tensor, var};

const ACTIVATIONS: [Activation; 3] = [Relu, Tanh, Identity];

/// 400 features come from 5x5 maps, 256 from the 4x4 of a network without padding. 85 images are six
/// blocks: a thread alone takes four and two at once, and two threads three each.
#[test]
fn linear_of_lenet_5() {
    for [inputs, outputs] in [[400, 120], [256, 120], [120, 84], [84, 10], [84, 84]] {
        for activation in ACTIVATIONS {
            for batch in [1, 33, 85] {
                check([inputs, outputs], activation, batch, 1);
            }
        }
    }
}

/// As in PyTorch: no image in, none out, and gradients of 0.
#[test]
fn linear_of_no_image() {
    for activation in ACTIVATIONS {
        check([5, 3], activation, 0, 2);
    }
}

proptest! {
    // Failures are reproduced from the printed sizes and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Up to 13 rows fill each tile of the product; 1 to 70 columns each way of the weight's.
    #[test]
    fn linear_of_random_shapes(
        in_features in 1..=70_usize, out_features in 1..=27_usize,
        activation in prop::sample::select(ACTIVATIONS.to_vec()),
        batch in prop_oneof![Just(1_usize), Just(2), Just(15), Just(16), Just(17), Just(33), 1..=140_usize],
        seed: u64,
    ) {
        check([in_features, out_features], activation, batch, seed);
    }
}

fn check([in_features, out_features]: [usize; 2], activation: Activation, batch: usize, seed: u64) {
    let layer = LinearLayer {
        in_features,
        out_features,
        activation,
    };
    let what = format!("{layer:?}, {batch} images, seed {seed}");
    let mut values = Values::new(seed);
    let input = values.eighths(&[batch, in_features]);
    let mut weight = values.eighths(&layer.weight());
    let bias = values.eighths(&[out_features]);
    let d_output = values.eighths(&[batch, out_features]);
    if activation == Tanh {
        weight.iter_mut().for_each(|w| *w *= scale(in_features));
    }
    let expected = linear_forward(&layer, batch, [&input, &weight, &bias]);
    let gradients = linear_backward(&layer, batch, &expected, [&input, &weight, &d_output]);

    let x = var(&input, &[batch, in_features]);
    let w = var(&weight, &layer.weight());
    let b = var(&bias, &[out_features]);
    let d = tensor(&d_output, &[batch, out_features]);
    let tolerance = |terms| match activation {
        Tanh => slopes(terms),
        Relu | Identity => EQUAL,
    };
    for wanted in [true, false] {
        let x = if wanted {
            x.as_tensor().clone()
        } else {
            x.detach()
        };
        let y = ops::linear(&x, &w, &b, activation).unwrap();
        assert_eq!(y.dims(), [batch, out_features], "{what}");
        assert_close(
            &format!("y, {what}"),
            &floats(&y),
            &expected.output,
            tolerance(1),
        );
        let store = scalar(&y, &d).backward().unwrap();
        let checks = [
            ("d_w", w.as_tensor(), &gradients.d_weight, batch),
            ("d_b", b.as_tensor(), &gradients.d_bias, batch),
            ("d_x", &x, &gradients.d_input, out_features),
        ];
        for (name, of, expected, terms) in &checks[..if wanted { 3 } else { 2 }] {
            let actual = floats(store.get(of).unwrap());
            assert_close(
                &format!("{name}, {what}"),
                &actual,
                expected,
                tolerance(*terms),
            );
        }
        if !wanted {
            assert!(store.get(&x).is_none(), "{what}");
        }
    }
}
