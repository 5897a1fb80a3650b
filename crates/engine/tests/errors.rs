//! Every refusal names the operation, what it expected and what it got.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use lenet_engine::Result;
use lenet_engine::reference::activation::{self, Activation};
use lenet_engine::reference::{adam, avg_pool2d, conv2d, cross_entropy, linear, sgd};

const CONV2D: conv2d::Shape = conv2d::Shape {
    batch: 1,
    in_channels: 2,
    height: 4,
    width: 3,
    out_channels: 2,
    kernel_height: 3,
    kernel_width: 2,
    padding: 0,
};
const POOL: avg_pool2d::Shape = avg_pool2d::Shape {
    batch: 1,
    channels: 2,
    height: 4,
    width: 3,
};
const LINEAR: linear::Shape = linear::Shape {
    batch: 1,
    in_features: 3,
    out_features: 2,
};
const LOSS: cross_entropy::Shape = cross_entropy::Shape {
    batch: 2,
    classes: 3,
};

#[test]
fn conv2d_refuses_arrays_that_contradict_the_shape() {
    let [input, weight, bias, d_output] =
        [vec![0.0; 24], vec![0.0; 24], vec![0.0; 2], vec![0.0; 8]];
    let forward = |x: &[f64], w: &[f64], b: &[f64]| conv2d::forward(&CONV2D, x, w, b);
    let backward = |x: &[f64], w: &[f64], d: &[f64]| conv2d::backward(&CONV2D, x, w, d);
    assert!(forward(&input, &weight, &bias).is_ok());
    assert!(backward(&input, &weight, &d_output).is_ok());

    let of_input = "conv2d: input should hold 24 elements ([1, 2, 4, 3]), got 23";
    assert_refused(forward(&input[1..], &weight, &bias), of_input);
    assert_refused(backward(&input[1..], &weight, &d_output), of_input);
    let of_weight = "conv2d: weight should hold 24 elements ([2, 2, 3, 2]), got 0";
    assert_refused(forward(&input, &[], &bias), of_weight);
    assert_refused(backward(&input, &[], &d_output), of_weight);
    let of_bias = "conv2d: bias should hold 2 elements ([2]), got 24";
    assert_refused(forward(&input, &weight, &weight), of_bias);
    let of_d_output = "conv2d: d_output should hold 8 elements ([1, 2, 2, 2]), got 2";
    assert_refused(backward(&input, &weight, &bias), of_d_output);
}

#[test]
fn conv2d_refuses_kernels_that_do_not_fit() {
    let high = conv2d::Shape {
        height: 1,
        padding: 0,
        ..CONV2D
    };
    let wide = conv2d::Shape {
        kernel_width: 6,
        padding: 1,
        ..CONV2D
    };
    let empty = conv2d::Shape {
        kernel_height: 0,
        ..CONV2D
    };
    for (shape, sizes) in [
        (high, "1x3, got 3x2"),
        (wide, "6x5, got 3x6"),
        (empty, "4x3, got 0x2"),
    ] {
        let message =
            format!("conv2d: the window should be between 1x1 and the padded input's {sizes}");
        assert_refused(shape.output(), &message);
        assert_refused(conv2d::forward::<f32>(&shape, &[], &[], &[]), &message);
        assert_refused(conv2d::backward::<f32>(&shape, &[], &[], &[]), &message);
    }
}

#[test]
fn avg_pool2d_refuses_arrays_that_contradict_the_shape_and_inputs_below_the_window() {
    assert_refused(
        avg_pool2d::forward(&POOL, &[0_f32; 4]),
        "avg_pool2d: input should hold 24 elements ([1, 2, 4, 3]), got 4",
    );
    assert_refused(
        avg_pool2d::backward(&POOL, &[0_f32; 24]),
        "avg_pool2d: d_output should hold 4 elements ([1, 2, 2, 1]), got 24",
    );
    for (shape, size) in [
        (avg_pool2d::Shape { height: 1, ..POOL }, "1x3"),
        (avg_pool2d::Shape { width: 0, ..POOL }, "4x0"),
    ] {
        let message = format!(
            "avg_pool2d: the window should be between 1x1 and the padded input's {size}, got 2x2"
        );
        assert_refused(avg_pool2d::forward::<f32>(&shape, &[]), &message);
        assert_refused(avg_pool2d::backward::<f32>(&shape, &[]), &message);
    }
}

#[test]
fn linear_refuses_arrays_that_contradict_the_shape() {
    let [x, w, y] = [[0_f32; 3].as_slice(), &[0.0; 6], &[0.0; 2]];
    assert!(linear::forward(&LINEAR, x, w, y).is_ok());
    assert!(linear::backward(&LINEAR, x, w, y).is_ok());
    let of_input = "linear: input should hold 3 elements ([1, 3]), got 6";
    assert_refused(linear::forward(&LINEAR, w, w, y), of_input);
    assert_refused(linear::backward(&LINEAR, w, w, y), of_input);
    let of_weight = "linear: weight should hold 6 elements ([2, 3]), got 3";
    assert_refused(linear::forward(&LINEAR, x, x, y), of_weight);
    assert_refused(linear::backward(&LINEAR, x, x, y), of_weight);
    let of_bias = "linear: bias should hold 2 elements ([2]), got 3";
    assert_refused(linear::forward(&LINEAR, x, w, x), of_bias);
    let of_d_output = "linear: d_output should hold 2 elements ([1, 2]), got 3";
    assert_refused(linear::backward(&LINEAR, x, w, x), of_d_output);
}

#[test]
fn activation_refuses_a_gradient_of_another_length() {
    assert_refused(
        activation::backward(Activation::Tanh, &[0_f32; 3], &[0.0; 2]),
        "activation: d_output should hold 3 elements ([3]), got 2",
    );
}

#[test]
fn cross_entropy_refuses_what_has_no_loss() {
    let logits = [0_f32; 6];
    let cases: [(_, &[f32], &[u32], _, _); 7] = [
        (
            LOSS,
            &logits,
            &[0, 3],
            0.0,
            "label 1 should be below 3, got 3",
        ),
        (
            LOSS,
            &logits,
            &[u32::MAX, 0],
            0.0,
            "label 0 should be below 3, got 4294967295",
        ),
        (
            LOSS,
            &logits,
            &[0],
            0.0,
            "labels should hold 2 elements ([2]), got 1",
        ),
        (
            LOSS,
            &logits[1..],
            &[0, 1],
            0.0,
            "logits should hold 6 elements ([2, 3]), got 5",
        ),
        (
            LOSS,
            &logits,
            &[0, 1],
            1.5,
            "label_smoothing should be between 0 and 1, got 1.5",
        ),
        (
            LOSS,
            &logits,
            &[0, 1],
            f64::NAN,
            "label_smoothing should be between 0 and 1, got NaN",
        ),
        (
            cross_entropy::Shape { batch: 0, ..LOSS },
            &[],
            &[],
            0.0,
            "the batch should hold at least one image, got none",
        ),
    ];
    for (shape, logits, labels, label_smoothing, message) in cases {
        let message = format!("cross_entropy: {message}");
        assert_refused(
            cross_entropy::forward(&shape, logits, labels, label_smoothing),
            &message,
        );
        assert_refused(
            cross_entropy::backward(&shape, logits, labels, label_smoothing),
            &message,
        );
    }
    let no_class = cross_entropy::Shape { classes: 0, ..LOSS };
    assert_refused(
        cross_entropy::forward::<f32>(&no_class, &[], &[0, 0], 0.0),
        "cross_entropy: label 0 should be below 0, got 0",
    );
}

#[test]
fn adam_refuses_and_changes_nothing() {
    let settings = adam::Settings::default();
    let beta = |beta1, beta2| adam::Settings {
        beta1,
        beta2,
        ..settings
    };
    let [three, two] = [[1_f32; 3].as_slice(), &[1.0; 2]];
    let cases = [
        (
            settings,
            0,
            three,
            three,
            three,
            "t should be at least 1, got 0",
        ),
        (
            settings,
            1,
            two,
            three,
            three,
            "gradient should hold 3 elements ([3]), got 2",
        ),
        (
            settings,
            1,
            three,
            two,
            three,
            "first_moment should hold 3 elements ([3]), got 2",
        ),
        (
            settings,
            1,
            three,
            three,
            two,
            "second_moment should hold 3 elements ([3]), got 2",
        ),
        (
            beta(1.0, 0.9),
            1,
            three,
            three,
            three,
            "beta1 should be at least 0 and below 1, got 1",
        ),
        (
            beta(0.9, -0.5),
            1,
            three,
            three,
            three,
            "beta2 should be at least 0 and below 1, got -0.5",
        ),
    ];
    for (settings, t, gradient, m, v, message) in cases {
        let [mut parameters, mut first_moment, mut second_moment] =
            [three.to_vec(), m.to_vec(), v.to_vec()];
        let state = adam::State {
            parameters: &mut parameters,
            first_moment: &mut first_moment,
            second_moment: &mut second_moment,
        };
        assert_refused(
            adam::step(&settings, t, gradient, state),
            &format!("adam: {message}"),
        );
        assert_eq!([parameters, first_moment, second_moment], [three, m, v]);
    }
}

#[test]
fn sgd_refuses_and_changes_nothing() {
    let settings = sgd::Settings::default();
    let momentum = sgd::Settings {
        momentum: 1.0,
        ..settings
    };
    let [three, two] = [[1_f32; 3].as_slice(), &[1.0; 2]];
    let cases = [
        (
            settings,
            two,
            three,
            "gradient should hold 3 elements ([3]), got 2",
        ),
        (
            settings,
            three,
            two,
            "velocity should hold 3 elements ([3]), got 2",
        ),
        (
            momentum,
            three,
            three,
            "momentum should be at least 0 and below 1, got 1",
        ),
    ];
    for (settings, gradient, v, message) in cases {
        let [mut parameters, mut velocity] = [three.to_vec(), v.to_vec()];
        assert_refused(
            sgd::step(&settings, gradient, &mut parameters, &mut velocity),
            &format!("sgd: {message}"),
        );
        assert_eq!([parameters, velocity], [three, v]);
    }
}

/// A shape whose volume wraps around to the array's length must not pass.
#[test]
fn shapes_beyond_the_address_space_are_refused() {
    let shape = linear::Shape {
        batch: 1,
        in_features: 1 << (usize::BITS / 2),
        out_features: 1 << (usize::BITS / 2),
    };
    let result = linear::forward::<f32>(&shape, &[], &[], &[]);
    assert!(
        result
            .unwrap_err()
            .to_string()
            .starts_with("linear: input should hold")
    );
    let pool = avg_pool2d::Shape {
        batch: 1 << (usize::BITS / 2),
        channels: 1 << (usize::BITS / 2),
        ..POOL
    };
    assert!(avg_pool2d::forward::<f32>(&pool, &[]).is_err());
}

fn assert_refused<T: Debug>(result: Result<T>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}
