//! LeNet-5's layers; and the references, composed to the layers that the engine computes in one pass.

use lenet_engine::reference::{Gradients, activation, avg_pool2d, conv2d, linear};
use lenet_engine::{Activation, ConvLayer, Float, Layers, LinearLayer};

/// LeNet-5 for this padding of the first convolution and this activation.
pub fn lenet_5(padding: usize, activation: Activation) -> Layers {
    let conv1 = ConvLayer {
        in_channels: 1,
        height: 28,
        width: 28,
        out_channels: 6,
        padding,
        activation,
    };
    let [in_channels, height, width] = conv1.output();
    let conv2 = ConvLayer {
        in_channels,
        height,
        width,
        out_channels: 16,
        padding: 0,
        activation,
    };
    let features = conv2.output().iter().product();
    let linears = linears(&[features, 120, 84, 10], activation);
    Layers::new(vec![conv1, conv2], linears).unwrap()
}

/// Linear layers from features to features; the last has no activation.
pub fn linears(features: &[usize], activation: Activation) -> Vec<LinearLayer> {
    let pairs = features.windows(2).enumerate();
    let linear = |(index, pair): (usize, &[usize])| LinearLayer {
        in_features: pair[0],
        out_features: pair[1],
        activation: (index + 2 < features.len()).then_some(activation),
    };
    pairs.map(linear).collect()
}

/// What a convolution computes, and what its backward pass needs.
pub struct Conv<T> {
    /// Before the activation.
    pub map: Vec<T>,
    activated: Vec<T>,
    pub output: Vec<T>,
}

/// Convolution, activation, pooling.
pub fn conv_forward<T: Float>(
    layer: &ConvLayer,
    batch: usize,
    [input, weight, bias]: [&[T]; 3],
) -> Conv<T> {
    let map = conv2d::forward(&layer.reference(batch), input, weight, bias);
    let activated = activation::forward(layer.activation, &map);
    let output = avg_pool2d::forward(&layer.pooling(batch), &activated);
    Conv {
        map,
        activated,
        output,
    }
}

pub fn conv_backward<T: Float>(
    layer: &ConvLayer,
    batch: usize,
    forward: &Conv<T>,
    [input, weight, d_output]: [&[T]; 3],
) -> Gradients<T> {
    let d_activated = avg_pool2d::backward(&layer.pooling(batch), d_output);
    let d_map = activation::backward(layer.activation, &forward.activated, &d_activated);
    conv2d::backward(&layer.reference(batch), input, weight, &d_map)
}

/// What a linear layer computes.
pub struct Linear<T> {
    /// Before the activation.
    pub sums: Vec<T>,
    pub output: Vec<T>,
}

/// Product, activation.
pub fn linear_forward<T: Float>(
    layer: &LinearLayer,
    batch: usize,
    [input, weight, bias]: [&[T]; 3],
) -> Linear<T> {
    let sums = linear::forward(&layer.reference(batch), input, weight, bias);
    let output = activation::forward(layer.activation, &sums);
    Linear { sums, output }
}

pub fn linear_backward<T: Float>(
    layer: &LinearLayer,
    batch: usize,
    forward: &Linear<T>,
    [input, weight, d_output]: [&[T]; 3],
) -> Gradients<T> {
    let d_sums = activation::backward(layer.activation, &forward.output, d_output);
    linear::backward(&layer.reference(batch), input, weight, &d_sums)
}
