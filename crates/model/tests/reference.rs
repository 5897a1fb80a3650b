//! Held to the naive references, operation by operation, in value and gradient.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{DType, Device, Tensor};
use candle_nn::loss::cross_entropy;
use lenet_engine::Activation as Function;
use lenet_engine::reference::{activation, avg_pool2d, conv2d, linear};
use lenet_model::{Activation, Architecture, Init, LeNet5, Padding};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// A network in f64, so that a difference is a mistake and not a rounding.
fn network(padding: Padding, activation: Activation) -> LeNet5 {
    let architecture = Architecture {
        classes: 7,
        padding,
        activation,
    };
    let drawn = LeNet5::new(&architecture, Init::PyTorch, 3, &Device::Cpu).unwrap();
    let widen = |name: &str| drawn.parameters().get(name)?.to_dtype(DType::F64).ok();
    LeNet5::from_tensors(&architecture, widen).unwrap()
}

/// The convolutions and pools of an image, and what is needed to go back through them.
struct Stage {
    shape: conv2d::Shape,
    pool: avg_pool2d::Shape,
    input: Vec<f64>,
    activated: Vec<f64>,
}

#[test]
fn forward_and_backward_are_those_of_the_references() {
    for (padding, activation, function, sides) in [
        (Padding::Same, Activation::Relu, Function::Relu, [28, 14]),
        (Padding::Valid, Activation::Tanh, Function::Tanh, [28, 12]),
    ] {
        let model = network(padding, activation);
        let parameter = |name: &str| numbers(model.parameters().get(name).unwrap());
        let batch = 3;
        let pixels: Vec<f64> = (0..batch * 784)
            .map(|i| f64::from(i as u32 * 7_919 % 1_000) / 1_000.)
            .collect();
        let labels = vec![6_u32, 0, 3];

        // Forward, layer by layer.
        let mut x = pixels.clone();
        let mut stages = Vec::new();
        for (name, in_channels, out_channels, side, padding) in [
            ("conv1", 1, 6, sides[0], padding.pixels()),
            ("conv2", 6, 16, sides[1], 0),
        ] {
            let shape = conv2d::Shape {
                batch,
                in_channels,
                height: side,
                width: side,
                out_channels,
                kernel_height: 5,
                kernel_width: 5,
                padding,
            };
            let [_, channels, height, width] = shape.output();
            let pool = avg_pool2d::Shape {
                batch,
                channels,
                height,
                width,
            };
            let weight = parameter(&format!("{name}.weight"));
            let bias = parameter(&format!("{name}.bias"));
            let convolved = conv2d::forward(&shape, &x, &weight, &bias);
            let activated = activation::forward(function, &convolved);
            let pooled = avg_pool2d::forward(&pool, &activated);
            stages.push(Stage {
                shape,
                pool,
                input: x,
                activated,
            });
            x = pooled;
        }
        let mut linears = Vec::new();
        for (name, out_features) in [("fc1", 120), ("fc2", 84), ("fc3", 7)] {
            let in_features = x.len() / batch;
            let shape = linear::Shape {
                batch,
                in_features,
                out_features,
            };
            let weight = parameter(&format!("{name}.weight"));
            let y = linear::forward(&shape, &x, &weight, &parameter(&format!("{name}.bias")));
            let function = if name == "fc3" {
                Function::Identity
            } else {
                function
            };
            let y = activation::forward(function, &y);
            linears.push((name, shape, function, x, y.clone()));
            x = y;
        }
        let images = Tensor::from_vec(pixels, (batch, 1, 28, 28), &Device::Cpu).unwrap();
        let logits = model.forward(&images).unwrap();
        near("logits", &numbers(&logits), &x);

        // The loss and its gradient.
        use lenet_engine::reference::cross_entropy as reference;
        let shape = reference::Shape { batch, classes: 7 };
        let loss = reference::forward(&shape, &x, &labels, 0.);
        let targets = Tensor::new(labels.as_slice(), &Device::Cpu).unwrap();
        let own = cross_entropy(&logits, &targets).unwrap();
        near("loss", &[own.to_scalar::<f64>().unwrap()], &[loss]);
        let gradients = own.backward().unwrap();
        let gradient = |name: &str| {
            numbers(
                gradients
                    .get(model.parameters().get(name).unwrap())
                    .unwrap(),
            )
        };

        // Backward, layer by layer.
        let mut d = reference::backward(&shape, &x, &labels, 0.);
        for (name, shape, function, input, output) in linears.iter().rev() {
            d = activation::backward(*function, output, &d);
            let found = linear::backward(shape, input, &parameter(&format!("{name}.weight")), &d);
            near(name, &gradient(&format!("{name}.weight")), &found.d_weight);
            near(name, &gradient(&format!("{name}.bias")), &found.d_bias);
            d = found.d_input;
        }
        for (name, stage) in [("conv2", &stages[1]), ("conv1", &stages[0])] {
            d = avg_pool2d::backward(&stage.pool, &d);
            d = activation::backward(function, &stage.activated, &d);
            let weight = parameter(&format!("{name}.weight"));
            let found = conv2d::backward(&stage.shape, &stage.input, &weight, &d);
            near(name, &gradient(&format!("{name}.weight")), &found.d_weight);
            near(name, &gradient(&format!("{name}.bias")), &found.d_bias);
            d = found.d_input;
        }
    }
}

/// In f64 another order of additions makes less than 1e-13 of the largest value; the smallest
/// mistake, one term of the longest sum left out, makes more than 1e-5.
fn near(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected
        .iter()
        .fold(0_f64, |max, value| max.max(value.abs()));
    for (index, (found, expected)) in std::iter::zip(found, expected).enumerate() {
        assert!(
            (found - expected).abs() <= 1e-12 * scale,
            "{name}[{index}]: {found} {expected}"
        );
    }
}
