//! The maps that a reader is shown are those that the network computes with.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{Device, Tensor};
use lenet_engine::Activation as Function;
use lenet_engine::reference::{activation, avg_pool2d, conv2d};
use lenet_model::{Activation, Architecture, Init, LeNet5, Padding};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

/// Composed by hand from the naive references, in f64.
#[test]
fn feature_maps_are_those_of_the_references() {
    for (padding, activation_of_model, function, sides) in [
        (Padding::Same, Activation::Relu, Function::Relu, [28, 14]),
        (Padding::Valid, Activation::Tanh, Function::Tanh, [28, 12]),
    ] {
        let architecture = Architecture {
            classes: 10,
            padding,
            activation: activation_of_model,
        };
        let model = LeNet5::new(&architecture, Init::PyTorch, 3, &Device::Cpu).unwrap();
        let batch = 2;
        let pixels: Vec<f64> = (0..batch * 784)
            .map(|i| f64::from(i as u32 * 7_919 % 1_000) / 1_000.)
            .collect();
        let mut x = pixels.clone();
        let mut by_hand = Vec::new();
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
            let parameter = |kind: &str| {
                let name = format!("{name}.{kind}");
                numbers(model.parameters().get(&name).unwrap())
            };
            let convolved = conv2d::forward(&shape, &x, &parameter("weight"), &parameter("bias"));
            let maps = activation::forward(function, &convolved);
            let dims = shape.output();
            let [_, channels, height, width] = dims;
            let pool = avg_pool2d::Shape {
                batch,
                channels,
                height,
                width,
            };
            x = avg_pool2d::forward(&pool, &maps);
            by_hand.push((dims, maps));
        }

        let pixels: Vec<f32> = pixels.iter().map(|&pixel| pixel as f32).collect();
        let images = Tensor::from_vec(pixels, (batch, 1, 28, 28), &Device::Cpu).unwrap();
        let maps = model.feature_maps(&images).unwrap();
        for (maps, (dims, expected)) in std::iter::zip(&maps, &by_hand) {
            assert_eq!(maps.dims(), dims);
            for (got, expected) in std::iter::zip(numbers(maps), expected) {
                // 150 products of at most 0.2 in f32 round by less than 1e-6; a map without its
                // bias, or after pooling, differs by more than 1e-3.
                assert!((got - expected).abs() < 1e-5, "{got}, not {expected}");
            }
        }
    }
}
