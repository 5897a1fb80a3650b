//! Held to the engine's naive references: the output of every layer and every gradient.

use candle_core::{DType, Device, Tensor};
use lenet_engine::reference::{activation, avg_pool2d, conv2d, cross_entropy, linear};
use lenet_model::{Activation, Architecture, Init, LeNet5, Padding};

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

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn every_layer_and_gradient_is_that_of_the_references() {
    for (padding, activation) in [
        (Padding::Same, Activation::Relu),
        (Padding::Valid, Activation::Tanh),
    ] {
        let model = network(padding, activation);
        let layers = model.architecture().layers().unwrap();
        let (convs, linears) = (layers.convs(), layers.linears());
        let values: Vec<Vec<f64>> = model
            .parameters()
            .iter()
            .map(|(_, var)| numbers(var))
            .collect();
        let (parameters, _) = values.as_chunks::<2>();
        let batch = 3;
        let pixels: Vec<f64> = (0..batch * 784)
            .map(|i| f64::from(i as u32 * 7_919 % 1_000) / 1_000.)
            .collect();
        let labels = vec![6_u32, 0, 3];
        let images = Tensor::new(pixels.as_slice(), &Device::Cpu).unwrap();
        let images = images.reshape((batch, 1, 28, 28)).unwrap();
        let outputs = model.outputs(&images).unwrap();
        let maps = model.feature_maps(&images).unwrap();

        // Forward, layer by layer: its input, and its output after the activation.
        let mut x = pixels;
        let mut passed = Vec::new();
        let mut sums = Vec::new();
        for (conv, [weight, bias]) in std::iter::zip(convs, parameters) {
            let sum = conv2d::forward(&conv.reference(batch), &x, weight, bias);
            let output = activation::forward(conv.activation, &sum);
            let pooled = avg_pool2d::forward(&conv.pooling(batch), &output);
            near("map", &numbers(&maps[sums.len()]), &output);
            sums.push(sum);
            passed.push((std::mem::replace(&mut x, pooled), output));
        }
        for (layer, [weight, bias]) in std::iter::zip(linears, &parameters[2..]) {
            let sum = linear::forward(&layer.reference(batch), &x, weight, bias);
            let output = activation::forward(layer.activation, &sum);
            sums.push(sum);
            passed.push((std::mem::replace(&mut x, output.clone()), output));
        }
        let found = [
            &outputs.conv1,
            &outputs.conv2,
            &outputs.fc1,
            &outputs.fc2,
            &outputs.logits,
        ];
        for (layer, (found, expected)) in std::iter::zip(found, &sums).enumerate() {
            near(&format!("layer {layer}"), &numbers(found), expected);
        }

        // The loss and its gradient, and back, layer by layer.
        let shape = cross_entropy::Shape { batch, classes: 7 };
        let expected = cross_entropy::forward(&shape, &x, &labels, 0.);
        let targets = Tensor::new(labels.as_slice(), &Device::Cpu).unwrap();
        let loss = candle_nn::loss::cross_entropy(&outputs.logits, &targets).unwrap();
        near("loss", &numbers(&loss), &[expected]);
        let gradients = loss.backward().unwrap();
        let vars = model.parameters().layers();
        let check = |layer: usize, d_weight: &[f64], d_bias: &[f64]| {
            let (weight, bias) = &vars[layer];
            for (var, expected) in [(weight, d_weight), (bias, d_bias)] {
                let found = numbers(gradients.get(var).unwrap());
                near(&format!("gradient of layer {layer}"), &found, expected);
            }
        };
        let mut d = cross_entropy::backward(&shape, &x, &labels, 0.);
        for (index, layer) in linears.iter().enumerate().rev() {
            let (input, output) = &passed[2 + index];
            d = activation::backward(layer.activation, output, &d);
            let [weight, _] = &parameters[2 + index];
            let found = linear::backward(&layer.reference(batch), input, weight, &d);
            check(2 + index, &found.d_weight, &found.d_bias);
            d = found.d_input;
        }
        for (index, conv) in convs.iter().enumerate().rev() {
            let (input, output) = &passed[index];
            d = avg_pool2d::backward(&conv.pooling(batch), &d);
            d = activation::backward(conv.activation, output, &d);
            let [weight, _] = &parameters[index];
            let found = conv2d::backward(&conv.reference(batch), input, weight, &d);
            check(index, &found.d_weight, &found.d_bias);
            d = found.d_input;
        }
    }
}

/// In f64 another order of additions makes less than 1e-13 of the largest value; the smallest
/// mistake, one term of the longest sum left out, makes more than 1e-5.
fn near(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = |max: f64, value: &f64| max.max(value.abs());
    let scale = expected.iter().fold(0., largest);
    for (found, expected) in std::iter::zip(found, expected) {
        let apart = (found - expected).abs();
        assert!(apart <= 1e-12 * scale, "{what}: {found} {expected}");
    }
}
