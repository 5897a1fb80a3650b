//! Tiny examples with their arithmetic: what candle and the references could misread together.

use lenet_engine::Activation;
use lenet_engine::optimizer::{Adam, Sgd};
use lenet_engine::reference::{activation, adam, avg_pool2d, conv2d, cross_entropy, linear, sgd};

use crate::common::{Tolerance, assert_close};

/// A few roundings of numbers near 1.
const ROUNDING: Tolerance = Tolerance {
    rtol: 1e-14,
    atol: 1e-15,
};

const ONE_IMAGE: conv2d::Shape = conv2d::Shape {
    batch: 1,
    in_channels: 1,
    height: 2,
    width: 3,
    out_channels: 1,
    kernel_height: 2,
    kernel_width: 2,
    padding: 0,
};

/// ```text
/// x = 1 2 3   w =   1   10   y = 1 + 20 + 400 + 5000,  2 + 30 + 500 + 6000, each + 0.5
///     4 5 6       100 1000
/// ```
/// A flipped kernel would give 1000 + 200 + 40 + 5 = 1245 first.
#[test]
fn conv2d_does_not_flip_the_kernel() {
    let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let weight = [1.0, 10.0, 100.0, 1000.0];
    let output = conv2d::forward(&ONE_IMAGE, &input, &weight, &[0.5]);
    assert_eq!(output, [5421.5, 6532.5]);
}

/// With x and w as above and d_y = 1 2:
/// ```text
/// d_x =   1  10 + 2     20   d_w = 1*1 + 2*2  1*2 + 2*3   d_b = 1 + 2
///       100  1000 + 200 2000       1*4 + 2*5  1*5 + 2*6
/// ```
#[test]
fn conv2d_backward() {
    let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let weight = [1.0, 10.0, 100.0, 1000.0];
    let gradients = conv2d::backward(&ONE_IMAGE, &input, &weight, &[1.0, 2.0]);
    assert_eq!(gradients.d_input, [1.0, 12.0, 20.0, 100.0, 1200.0, 2000.0]);
    assert_eq!(gradients.d_weight, [5.0, 8.0, 14.0, 17.0]);
    assert_eq!(gradients.d_bias, [3.0]);
}

/// One row `x = 2 3` between rows of zeros, and a column of zeros at either end. Of the kernel's
/// three rows only the middle one, `10 100`, meets the row:
/// `y = 0*10 + 2*100, 2*10 + 3*100, 3*10 + 0*100`.
#[test]
fn conv2d_pads_all_four_sides_with_zeros() {
    let shape = conv2d::Shape {
        height: 1,
        width: 2,
        kernel_height: 3,
        padding: 1,
        ..ONE_IMAGE
    };
    let weight = [7.0, 7.0, 10.0, 100.0, 7.0, 7.0];
    let output = conv2d::forward(&shape, &[2.0, 3.0], &weight, &[0.0]);
    assert_eq!(shape.output(), [1, 1, 1, 3]);
    assert_eq!(output, [200.0, 320.0, 30.0]);
}

/// Of 3 rows and 5 columns the last row and column lie in no window:
/// ```text
/// 0  1 |  2  3 |  4     (0+1+5+6)/4 = 3   (2+3+7+8)/4 = 5
/// 5  6 |  7  8 |  9
/// --------------
/// 10 11  12 13   14
/// ```
#[test]
fn avg_pool2d_leaves_out_the_last_row_and_column_of_odd_sizes() {
    let shape = avg_pool2d::Shape {
        batch: 1,
        channels: 1,
        height: 3,
        width: 5,
    };
    let input: Vec<f64> = (0..15).map(f64::from).collect();
    assert_eq!(avg_pool2d::forward(&shape, &input), [3.0, 5.0]);
    #[rustfmt::skip]
    let expected = [
        1.0, 1.0, 2.0, 2.0, 0.0,
        1.0, 1.0, 2.0, 2.0, 0.0,
        0.0, 0.0, 0.0, 0.0, 0.0,
    ];
    assert_eq!(avg_pool2d::backward(&shape, &[4.0, 8.0]), expected);
}

/// `x = 1 2 3`, the weight's rows `1 10 100` and `2 0 -1`, `b = 0.5 -0.5`:
/// `y = 1 + 20 + 300 + 0.5, 2 + 0 - 3 - 0.5`. With `d_y = 2 3`:
/// `d_x = 2*1 + 3*2, 2*10 + 3*0, 2*100 - 3*1`, `d_w = 2x, 3x`, `d_b = d_y`.
#[test]
fn linear_holds_one_row_an_output() {
    let shape = linear::Shape {
        batch: 1,
        in_features: 3,
        out_features: 2,
    };
    let input = [1.0, 2.0, 3.0];
    let weight = [1.0, 10.0, 100.0, 2.0, 0.0, -1.0];
    let output = linear::forward(&shape, &input, &weight, &[0.5, -0.5]);
    assert_eq!(output, [321.5, -1.5]);
    let gradients = linear::backward(&shape, &input, &weight, &[2.0, 3.0]);
    assert_eq!(gradients.d_input, [8.0, 20.0, 197.0]);
    assert_eq!(gradients.d_weight, [2.0, 4.0, 6.0, 3.0, 6.0, 9.0]);
    assert_eq!(gradients.d_bias, [2.0, 3.0]);
}

/// PyTorch's choice at 0; not-a-number passes both ways.
#[test]
fn relu_has_no_gradient_at_zero_and_hides_no_nan() {
    let output = activation::forward(Activation::Relu, &[-2.0, -0.0, 0.0, 3.0, f64::NAN]);
    assert_eq!(output[..4], [0.0, 0.0, 0.0, 3.0]);
    assert!(output[4].is_nan());
    let d_input = activation::backward(Activation::Relu, &output, &[1.0; 5]);
    assert_eq!(d_input, [0.0, 0.0, 0.0, 1.0, 1.0]);
}

/// `tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 0.6`, with the derivative `1 - 0.36`.
#[test]
fn tanh_at_ln_2() {
    let output = activation::forward(Activation::Tanh, &[2_f64.ln()]);
    assert_close("y", &output, &[0.6], ROUNDING);
    let d_input = activation::backward(Activation::Tanh, &output, &[2.0]);
    assert_close("d_x", &d_input, &[1.28], ROUNDING);
}

/// Logits 0 and ln 3 are the probabilities 1/4 and 3/4. The labels 0 and 1 cost ln 4 and ln 4/3;
/// the mean is taken over both, and so are the derivatives `(p - t) / 2`.
#[test]
fn cross_entropy_is_a_mean_over_the_batch() {
    let shape = cross_entropy::Shape {
        batch: 2,
        classes: 2,
    };
    let logits = [0.0, 3_f64.ln(), 0.0, 3_f64.ln()];
    let loss = cross_entropy::forward(&shape, &logits, &[0, 1], 0.0);
    let expected = (4_f64.ln() + (4_f64 / 3.0).ln()) / 2.0;
    assert_close("loss", &[loss], &[expected], ROUNDING);
    let d_logits = cross_entropy::backward(&shape, &logits, &[0, 1], 0.0);
    assert_close(
        "d_logits",
        &d_logits,
        &[-0.375, 0.375, 0.125, -0.125],
        ROUNDING,
    );
}

/// ε = 0.2 over 2 classes: targets 0.8 + 0.1 and 0.1. Who shares ε among the *other* classes alone
/// gets 0.8 and 0.2.
#[test]
fn label_smoothing_shares_with_the_label_too() {
    let shape = cross_entropy::Shape {
        batch: 1,
        classes: 2,
    };
    let logits = [0.0, 3_f64.ln()];
    let loss = cross_entropy::forward(&shape, &logits, &[0], 0.2);
    let expected = 0.9 * 4_f64.ln() + 0.1 * (4_f64 / 3.0).ln();
    assert_close("loss", &[loss], &[expected], ROUNDING);
    let d_logits = cross_entropy::backward(&shape, &logits, &[0], 0.2);
    assert_close("d_logits", &d_logits, &[0.25 - 0.9, 0.75 - 0.1], ROUNDING);
}

/// `exp 1000` is infinite even in f64; the loss of logits 1000 and 0 is 0 or 1000. A logit of minus
/// infinity rules a class out and costs nothing.
#[test]
fn cross_entropy_of_extreme_logits_is_finite() {
    let shape = cross_entropy::Shape {
        batch: 1,
        classes: 2,
    };
    for logits in [[1000_f32, 0.0], [0.0, -1000.0]] {
        assert_eq!(cross_entropy::forward(&shape, &logits, &[0], 0.0), 0.0);
        assert_eq!(cross_entropy::forward(&shape, &logits, &[1], 0.0), 1000.0);
        let d_logits = cross_entropy::backward(&shape, &logits, &[1], 0.0);
        assert_eq!(d_logits, [1.0, -1.0]);
    }
    let certain = [0.0, f32::NEG_INFINITY];
    assert_eq!(cross_entropy::forward(&shape, &certain, &[0], 0.0), 0.0);
    assert_eq!(
        cross_entropy::backward(&shape, &certain, &[0], 0.0),
        [0.0, 0.0]
    );
}

/// β₁ = 1/2, β₂ = 3/4, ε = 1, α = 0.9, so that roots and quotients come out.
///
/// Step 1, g = 2: m = 1, v = 4/4 = 1; m̂ = 1/(1/2) = 2, v̂ = 1/(1/4) = 4;
/// θ = 1 - 0.9 * 2/(2 + 1) = 0.4.
///
/// Step 2, g = -2: m = 1/2 - 1 = -1/2, v = 3/4 + 1 = 7/4; m̂ = -(1/2)/(3/4) = -2/3,
/// v̂ = (7/4)/(7/16) = 4; θ = 0.4 + 0.9 * (2/3)/(2 + 1) = 0.6.
///
/// With ε under the root step 1 ends at 1 - 1.8/√5 = 0.195, with ε before the correction at
/// 1 - 0.9 * 2/((1 + 1)/(1/2)) = 0.55, and without corrections at 1 - 0.9 * 1/(1 + 1) = 0.55.
#[test]
fn the_first_two_steps_of_adam() {
    let settings = Adam {
        learning_rate: 0.9,
        beta1: 0.5,
        beta2: 0.75,
        epsilon: 1.0,
        weight_decay: 0.0,
    };
    let [mut parameters, mut first_moment, mut second_moment] = [[1.0], [0.0], [0.0]];
    let expected = [(2.0, 0.4, 1.0, 1.0), (-2.0, 0.6, -0.5, 1.75)];
    for (t, (gradient, parameter, m, v)) in (1..).zip(expected) {
        let state = adam::State {
            parameters: &mut parameters,
            first_moment: &mut first_moment,
            second_moment: &mut second_moment,
        };
        adam::step(&settings, t, &[gradient], state);
        assert_close("θ", &parameters, &[parameter], ROUNDING);
        assert_close("m", &first_moment, &[m], ROUNDING);
        assert_close("v", &second_moment, &[v], ROUNDING);
    }
}

/// Whatever the gradient's size, the first step is α: m̂ = g and √v̂ = |g|, beside which ε = 1e-8 is
/// nothing. In f32, for there `1 - 0.999` is off by 3e-5 of itself if it is not taken in f64.
#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let [mut parameters, mut first_moment, mut second_moment] = [[0_f32; 3]; 3];
    let state = adam::State {
        parameters: &mut parameters,
        first_moment: &mut first_moment,
        second_moment: &mut second_moment,
    };
    adam::step(&Adam::default(), 1, &[1e3, -1.0, 0.125], state);
    // Half a dozen roundings of 6e-8, and ε against 0.125.
    let tolerance = Tolerance {
        rtol: 5e-7,
        atol: 0.0,
    };
    assert_close("θ", &parameters, &[-1e-3, 1e-3, -1e-3], tolerance);
    // v is (1-β₂) g²: the corrections cancel in θ, but not here.
    assert_close("v", &second_moment, &[1e3, 1e-3, 1.5625e-5], tolerance);
}

/// α = μ = 1/2, λ = 1/4, θ = 4, and gradients of 1:
/// ```text
/// g = 1 + 4/4 = 2          v = 2           θ = 4 - 2/2 = 3
/// g = 1 + 3/4 = 1.75       v = 1 + 1.75    θ = 3 - 2.75/2
/// ```
/// After Nesterov g + v/2 takes the place of v: θ = 4 - 3/2 = 2.5, then g = 1.625, v = 2.625 and
/// θ = 2.5 - (1.625 + 1.3125)/2.
#[test]
fn the_first_two_steps_of_sgd() {
    for (nesterov, expected) in [(false, [3.0, 1.625]), (true, [2.5, 1.03125])] {
        let settings = Sgd {
            learning_rate: 0.5,
            momentum: 0.5,
            nesterov,
            weight_decay: 0.25,
        };
        let (mut parameters, mut velocity) = ([4.0], [0.0]);
        for parameter in expected {
            sgd::step(&settings, &[1.0], &mut parameters, &mut velocity);
            assert_close("θ", &parameters, &[parameter], ROUNDING);
        }
    }
}

/// αλ = 1/8 of θ = 8 is lost beside the step of α.
#[test]
fn weight_decay_of_adam_is_apart_from_the_gradient() {
    let settings = Adam {
        learning_rate: 0.5,
        epsilon: 0.0,
        weight_decay: 0.25,
        ..Adam::default()
    };
    let [mut parameters, mut first_moment, mut second_moment] = [[8.0], [0.0], [0.0]];
    let state = adam::State {
        parameters: &mut parameters,
        first_moment: &mut first_moment,
        second_moment: &mut second_moment,
    };
    adam::step(&settings, 1, &[1e-3], state);
    assert_close("θ", &parameters, &[8.0 - 1.0 - 0.5], ROUNDING);
}
