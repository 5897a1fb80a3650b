//! Every operation agrees with candle's own, in value and gradient, in f64.
//!
//! Two things of candle 0.11.1 are left out: the gradient of its average pooling for odd sizes (it
//! is stretched over the row that lies in no window) and of its ReLU at exactly 0 (it is 1).
//! `by_hand.rs` pins both as PyTorch has them.

use candle_core::{Device, Tensor, Var};
use candle_nn::Optimizer;
use lenet_engine::Activation;
use lenet_engine::optimizer::Adam;
use lenet_engine::reference::{activation, adam, avg_pool2d, conv2d, cross_entropy, linear};
use proptest::prelude::*;

use crate::common::{Tolerance, Values, assert_close, conv2d_shapes};

/// For two sums of `terms` products of at most 1, in different orders: each addition rounds a
/// partial sum of about √terms by half an ε, and √terms of these roundings survive each other. The
/// factor 8 is margin. The smallest mistake is one term, at least 1/8 (a pooling's 1/2 * 1/4).
fn sum_of(terms: usize) -> Tolerance {
    Tolerance {
        rtol: 4.0 * f64::EPSILON,
        atol: 8.0 * f64::EPSILON * terms as f64,
    }
}

const CONV1: conv2d::Shape = conv2d::Shape {
    batch: 2,
    in_channels: 1,
    height: 28,
    width: 28,
    out_channels: 6,
    kernel_height: 5,
    kernel_width: 5,
    padding: 2,
};

/// LeNet-5's layers, and the sizes at which a transposition would not show in the shapes.
#[test]
fn conv2d_of_lenet_5_and_of_cubes() {
    let conv2 = conv2d::Shape {
        in_channels: 6,
        height: 14,
        width: 14,
        out_channels: 16,
        padding: 0,
        ..CONV1
    };
    let cube = conv2d::Shape {
        batch: 5,
        in_channels: 5,
        height: 5,
        width: 5,
        out_channels: 5,
        ..CONV1
    };
    for shape in [CONV1, conv2, cube] {
        check_conv2d(&shape, 42);
    }
}

#[test]
fn linear_of_lenet_5() {
    for [in_features, out_features] in [[400, 120], [120, 84], [84, 10], [84, 84]] {
        let shape = linear::Shape {
            batch: 3,
            in_features,
            out_features,
        };
        check_linear(&shape, 42);
    }
}

#[test]
fn ten_steps_of_adam() {
    for epsilon in [1e-8, 0.1] {
        for weight_decay in [0.0, 0.1] {
            check_adam(epsilon, weight_decay);
        }
    }
}

proptest! {
    // Failures are reproduced from the printed shape and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conv2d_of_random_shapes(shape in conv2d_shapes(1..4, 1..9), seed: u64) {
        check_conv2d(&shape, seed);
    }

    #[test]
    fn avg_pool2d_of_random_shapes(
        batch in 1..4_usize, channels in 1..4_usize, height in 2..9_usize, width in 2..9_usize, seed: u64,
    ) {
        let shape = avg_pool2d::Shape { batch, channels, height, width };
        check_avg_pool2d(&shape, seed);
    }

    #[test]
    fn linear_of_random_shapes(
        batch in 1..6_usize, in_features in 1..20_usize, out_features in 1..20_usize, seed: u64,
    ) {
        let shape = linear::Shape { batch, in_features, out_features };
        check_linear(&shape, seed);
    }

    #[test]
    fn activations_of_random_lengths(length in 1..100_usize, seed: u64) {
        for activation in [Activation::Relu, Activation::Tanh] {
            check_activation(activation, length, seed);
        }
    }

    /// candle's loss has no label smoothing: central differences and `by_hand.rs` cover it.
    #[test]
    fn cross_entropy_of_random_shapes(batch in 1..20_usize, classes in 1..12_usize, seed: u64) {
        let shape = cross_entropy::Shape { batch, classes };
        check_cross_entropy(&shape, seed);
    }
}

fn check_conv2d(shape: &conv2d::Shape, seed: u64) {
    let out = shape.output();
    let mut values = Values::new(seed);
    let input = values.array(&shape.input());
    let weight = values.array(&shape.weight());
    let bias = values.array(&shape.bias());
    let d_output = values.array(&out);

    let [x, w, b] = [
        var(&input, &shape.input()),
        var(&weight, &shape.weight()),
        var(&bias, &shape.bias()),
    ];
    let y = x.conv2d(&w, shape.padding, 1, 1, 1).unwrap();
    let y = y.broadcast_add(&b.reshape((1, (), 1, 1)).unwrap()).unwrap();
    let [d_x, d_w, d_b] = gradients(&y, &d_output, [&x, &w, &b]);

    let output = conv2d::forward(shape, &input, &weight, &bias);
    let gradients = conv2d::backward(shape, &input, &weight, &d_output);
    let kernel = shape.kernel_height * shape.kernel_width;
    let positions = shape.batch * out[2] * out[3];
    assert_close(
        "y",
        &output,
        &floats(&y),
        sum_of(kernel * shape.in_channels + 1),
    );
    assert_close(
        "d_x",
        &gradients.d_input,
        &d_x,
        sum_of(kernel * shape.out_channels),
    );
    assert_close("d_w", &gradients.d_weight, &d_w, sum_of(positions));
    assert_close("d_b", &gradients.d_bias, &d_b, sum_of(positions));
}

fn check_avg_pool2d(shape: &avg_pool2d::Shape, seed: u64) {
    let mut values = Values::new(seed);
    let input = values.array(&shape.input());
    let d_output = values.array(&shape.output());
    let x = var(&input, &shape.input());
    let y = x.avg_pool2d(2).unwrap();
    let output = avg_pool2d::forward(shape, &input);
    assert_close("y", &output, &floats(&y), sum_of(4));
    if shape.height.is_multiple_of(2) && shape.width.is_multiple_of(2) {
        let [d_x] = gradients(&y, &d_output, [&x]);
        let d_input = avg_pool2d::backward(shape, &d_output);
        assert_close("d_x", &d_input, &d_x, sum_of(1));
    }
}

fn check_linear(shape: &linear::Shape, seed: u64) {
    let mut values = Values::new(seed);
    let input = values.array(&shape.input());
    let weight = values.array(&shape.weight());
    let bias = values.array(&shape.bias());
    let d_output = values.array(&shape.output());

    let [x, w, b] = [
        var(&input, &shape.input()),
        var(&weight, &shape.weight()),
        var(&bias, &shape.bias()),
    ];
    let layer = candle_nn::Linear::new(w.as_tensor().clone(), Some(b.as_tensor().clone()));
    let y = candle_nn::Module::forward(&layer, &x).unwrap();
    let [d_x, d_w, d_b] = gradients(&y, &d_output, [&x, &w, &b]);

    let output = linear::forward(shape, &input, &weight, &bias);
    let gradients = linear::backward(shape, &input, &weight, &d_output);
    assert_close("y", &output, &floats(&y), sum_of(shape.in_features + 1));
    assert_close("d_x", &gradients.d_input, &d_x, sum_of(shape.out_features));
    assert_close("d_w", &gradients.d_weight, &d_w, sum_of(shape.batch));
    assert_close("d_b", &gradients.d_bias, &d_b, sum_of(shape.batch));
}

fn check_activation(activation: Activation, length: usize, seed: u64) {
    let mut values = Values::new(seed);
    let input = values.array(&[length]);
    let d_output = values.array(&[length]);
    let x = var(&input, &[length]);
    let y = match activation {
        Activation::Relu => x.relu().unwrap(),
        Activation::Tanh => x.tanh().unwrap(),
    };
    let [d_x] = gradients(&y, &d_output, [&x]);
    let output = activation::forward(activation, &input);
    let d_input = activation::backward(activation, &output, &d_output);
    assert_close(
        &format!("{activation:?} y"),
        &output,
        &floats(&y),
        sum_of(1),
    );
    assert_close(&format!("{activation:?} d_x"), &d_input, &d_x, sum_of(1));
}

/// Logits of up to 8 in magnitude, so that probabilities range from next to 0 to next to 1. Each
/// term of the loss is at most 16 + ln 12 < 20, and the derivatives are at most 1: a tolerance for
/// 20 terms of 1 serves a mean of the former and, as exponentials multiply the error of a logit by
/// at most 1, the latter. The smallest mistake, the factor 1/N, halves what it touches.
fn check_cross_entropy(shape: &cross_entropy::Shape, seed: u64) {
    let mut values = Values::new(seed);
    let logits: Vec<f64> = values
        .array(&shape.logits())
        .iter()
        .map(|x| 8.0 * x)
        .collect();
    let labels = values.labels(shape.batch, shape.classes);
    let z = var(&logits, &shape.logits());
    let targets = Tensor::new(labels.as_slice(), &Device::Cpu).unwrap();
    let candle_loss = candle_nn::loss::cross_entropy(&z, &targets).unwrap();
    let [d_z] = gradients(&candle_loss, &[1.0], [&z]);
    let loss = cross_entropy::forward(shape, &logits, &labels, 0.0);
    let d_logits = cross_entropy::backward(shape, &logits, &labels, 0.0);
    assert_close("loss", &[loss], &floats(&candle_loss), sum_of(20));
    assert_close("d_logits", &d_logits, &d_z, sum_of(20));
}

/// Both minimise `Σ (a θ)²/2` from the same start. Each step moves a parameter by about α = 0.125
/// and is worth a few roundings; a wrong ε or correction moves by some 10 % of α.
fn check_adam(epsilon: f64, weight_decay: f64) {
    const COUNT: usize = 50;
    let mut values = Values::new(42);
    let start = values.array(&[COUNT]);
    let a = values.array(&[COUNT]);
    let curvature: Vec<f64> = a.iter().map(|&a| a * a).collect();

    let theta = var(&start, &[COUNT]);
    let curvatures = Tensor::new(curvature.as_slice(), &Device::Cpu).unwrap();
    let params = candle_nn::ParamsAdamW {
        lr: 0.125,
        beta1: 0.9,
        beta2: 0.999,
        eps: epsilon,
        weight_decay,
    };
    let mut candle_adam = candle_nn::AdamW::new(vec![theta.clone()], params).unwrap();

    let settings = Adam {
        learning_rate: 0.125,
        epsilon,
        weight_decay,
        ..Adam::default()
    };
    let mut parameters = start;
    let [mut first_moment, mut second_moment] = [vec![0.0; COUNT], vec![0.0; COUNT]];
    for t in 1..=10 {
        let loss = ((theta.sqr().unwrap() * &curvatures).unwrap() * 0.5).unwrap();
        let loss = loss.sum_all().unwrap();
        candle_adam.backward_step(&loss).unwrap();

        let gradient: Vec<f64> = parameters
            .iter()
            .zip(&curvature)
            .map(|(&x, &c)| x * c)
            .collect();
        let state = adam::State {
            parameters: &mut parameters,
            first_moment: &mut first_moment,
            second_moment: &mut second_moment,
        };
        adam::step(&settings, t, &gradient, state);
        assert_close(
            &format!("θ of step {t}"),
            &parameters,
            &floats(&theta),
            sum_of(20),
        );
    }
}

/// The gradients of `Σ d_output y` by `vars`.
fn gradients<const COUNT: usize>(
    y: &Tensor,
    d_output: &[f64],
    vars: [&Var; COUNT],
) -> [Vec<f64>; COUNT] {
    let d_output = Tensor::from_vec(d_output.to_vec(), y.shape(), &Device::Cpu).unwrap();
    let store = (y * d_output)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    vars.map(|var| floats(store.get(var).unwrap()))
}

fn var(values: &[f64], shape: &[usize]) -> Var {
    let tensor = Tensor::from_vec(values.to_vec(), shape, &Device::Cpu).unwrap();
    Var::from_tensor(&tensor).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}
