//! Every backward that candle does not cover is the derivative of its forward: central differences
//! in f64.

use lenet_engine::reference::{avg_pool2d, conv2d, cross_entropy};
use proptest::prelude::*;

use crate::common::{Tolerance, Values, assert_close, central_differences, conv2d_shapes, dot};

/// For operations that are linear in each operand. There a central difference is exact for a step
/// of any size, and with step 1 only rounding is left: the scalar has at most 65,000 terms of
/// magnitude 1, which is about 65,000 * 1e-16 = 1e-11. The smallest mistake is one term of a
/// gradient, which is at least 1/8 (a pooling's 1/2 * 1/4).
const LINEAR_STEP: f64 = 1.0;
const LINEAR: Tolerance = Tolerance {
    rtol: 0.0,
    atol: 1e-9,
};

/// For the loss: the error of a central difference is step²/6 times the third derivative, which is
/// at most 1: 2e-9; rounding adds 1e-15 / step. The smallest mistake, a lost share
/// ε/K/N of label smoothing, is 0.05/6/5 = 2e-3.
const CURVED_STEP: f64 = 1e-4;
const CURVED: Tolerance = Tolerance {
    rtol: 0.0,
    atol: 1e-8,
};

proptest! {
    // Failures are reproduced from the printed shape and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conv2d_of_random_shapes(shape in conv2d_shapes(0..3, 1..7), seed: u64) {
        check_conv2d(&shape, seed);
    }

    #[test]
    fn avg_pool2d_of_random_shapes(
        batch in 0..3_usize, channels in 1..4_usize, height in 2..8_usize, width in 2..8_usize, seed: u64,
    ) {
        check_avg_pool2d(&avg_pool2d::Shape { batch, channels, height, width }, seed);
    }

    #[test]
    fn cross_entropy_of_random_shapes(
        batch in 1..6_usize, classes in 1..7_usize,
        label_smoothing in prop_oneof![Just(0.0), Just(1.0), 0.05..0.95], seed: u64,
    ) {
        check_cross_entropy(&cross_entropy::Shape { batch, classes }, label_smoothing, seed);
    }
}

/// The shapes at which convolutions went wrong elsewhere, whatever proptest draws.
#[test]
fn conv2d_of_corner_shapes() {
    let shape = |[n, c, h, w]: [usize; 4], [k, r, s]: [usize; 3], padding| conv2d::Shape {
        batch: n,
        in_channels: c,
        height: h,
        width: w,
        out_channels: k,
        kernel_height: r,
        kernel_width: s,
        padding,
    };
    let corners = [
        ("all sizes 1", shape([1, 1, 1, 1], [1, 1, 1], 0)),
        (
            "C == H == W == K == R == S",
            shape([3, 3, 3, 3], [3, 3, 3], 1),
        ),
        (
            "a kernel larger than the image",
            shape([1, 2, 2, 1], [2, 5, 4], 2),
        ),
        (
            "a kernel as large as the image",
            shape([2, 1, 4, 3], [2, 4, 3], 0),
        ),
        ("an image that is narrow", shape([1, 1, 7, 1], [2, 2, 1], 0)),
        ("padding that only pads", shape([1, 1, 2, 3], [1, 1, 1], 3)),
        ("no image", shape([0, 2, 4, 4], [3, 3, 3], 1)),
    ];
    for (name, shape) in corners {
        println!("{name}");
        check_conv2d(&shape, 42);
    }
}

fn check_conv2d(shape: &conv2d::Shape, seed: u64) {
    let mut values = Values::new(seed);
    let input = values.array(&shape.input());
    let weight = values.array(&shape.weight());
    let bias = values.array(&shape.bias());
    let d_output = values.array(&shape.output());
    let scalar = |input: &[f64], weight: &[f64], bias: &[f64]| {
        dot(&d_output, &conv2d::forward(shape, input, weight, bias))
    };
    let gradients = conv2d::backward(shape, &input, &weight, &d_output);
    let d_input = central_differences(&input, LINEAR_STEP, |x| scalar(x, &weight, &bias));
    let d_weight = central_differences(&weight, LINEAR_STEP, |x| scalar(&input, x, &bias));
    let d_bias = central_differences(&bias, LINEAR_STEP, |x| scalar(&input, &weight, x));
    assert_close("d_input", &gradients.d_input, &d_input, LINEAR);
    assert_close("d_weight", &gradients.d_weight, &d_weight, LINEAR);
    assert_close("d_bias", &gradients.d_bias, &d_bias, LINEAR);
}

fn check_avg_pool2d(shape: &avg_pool2d::Shape, seed: u64) {
    let mut values = Values::new(seed);
    let input = values.array(&shape.input());
    let d_output = values.array(&shape.output());
    let d_input = avg_pool2d::backward(shape, &d_output);
    let expected = central_differences(&input, LINEAR_STEP, |x| {
        dot(&d_output, &avg_pool2d::forward(shape, x))
    });
    assert_close("d_input", &d_input, &expected, LINEAR);
}

fn check_cross_entropy(shape: &cross_entropy::Shape, label_smoothing: f64, seed: u64) {
    let mut values = Values::new(seed);
    let logits = values.array(&shape.logits());
    let labels = values.labels(shape.batch, shape.classes);
    let d_logits = cross_entropy::backward(shape, &logits, &labels, label_smoothing);
    let expected = central_differences(&logits, CURVED_STEP, |x| {
        cross_entropy::forward(shape, x, &labels, label_smoothing)
    });
    assert_close("d_logits", &d_logits, &expected, CURVED);
}
