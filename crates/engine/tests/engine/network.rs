//! A whole network by the references.

use std::fmt;

use lenet_engine::Activation::{self, Relu, Tanh};
use lenet_engine::reference::cross_entropy;
use lenet_engine::{ConvLayer, Layers, LinearLayer};

use proptest::prelude::*;

use crate::common::{Values, cast};
use crate::layers::{
    conv_backward, conv_forward, lenet_5, linear_backward, linear_forward, linears,
};

/// Layers and parameters.
#[derive(Clone)]
pub struct Network {
    pub seed: u64,
    pub convs: Vec<ConvLayer>,
    pub linears: Vec<LinearLayer>,
    pub parameters: Vec<Vec<f64>>,
}

/// What the references find for a batch.
pub struct Expected {
    pub logits: Vec<f64>,
    pub losses: Vec<f64>,
    pub loss: f64,
    /// In the order of the parameters.
    pub gradients: Vec<Vec<f64>>,
    /// The least magnitude, other than 0, that goes through a ReLU: where it is no more than
    /// rounding, f32 may take the other side.
    pub nearest: f64,
}

impl fmt::Debug for Network {
    /// What makes the network, for the parameters fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_of = (&self.convs, &self.linears, self.seed);
        write!(f, "{made_of:?}")
    }
}

impl Network {
    /// With weights whose sums are about as large as their terms, so that activations neither
    /// vanish nor saturate: ±1 and ±1/2 times a power of two. Numbers grow so slowly that f32 adds
    /// those of some layers without rounding, and that few come near 0 without being 0.
    pub fn new(convs: Vec<ConvLayer>, linears: Vec<LinearLayer>, seed: u64) -> Self {
        let mut values = Values::new(seed);
        let mut parameters = Vec::new();
        let fan_ins = convs.iter().map(|conv| conv.weight()[1..].iter().product());
        let fan_ins = fan_ins.chain(linears.iter().map(|linear| linear.in_features));
        let layers = Layers::new(convs.clone(), linears.clone()).unwrap();
        for (sizes, fan_in) in std::iter::zip(layers.parameters().chunks(2), fan_ins) {
            let scale = (-0.5 * (fan_in as f64).log2()).round().exp2();
            let weight = values.eighths(&[sizes[0]]);
            parameters.push(
                weight
                    .iter()
                    .map(|w| (2.0 * w).round() / 2.0 * scale)
                    .collect(),
            );
            parameters.push(
                values
                    .eighths(&[sizes[1]])
                    .iter()
                    .map(|b| b / 4.0)
                    .collect(),
            );
        }
        Self {
            seed,
            convs,
            linears,
            parameters,
        }
    }

    /// LeNet-5, with padding in its first layer or without.
    pub fn lenet_5(same: bool, activation: Activation, seed: u64) -> Self {
        let layers = lenet_5(if same { 2 } else { 0 }, activation);
        Self::new(layers.convs().to_vec(), layers.linears().to_vec(), seed)
    }

    /// The parameters in f32.
    pub fn values(&self) -> Vec<Vec<f32>> {
        self.parameters.iter().map(|values| cast(values)).collect()
    }

    pub fn layers(&self) -> Layers {
        Layers::new(self.convs.clone(), self.linears.clone()).unwrap()
    }

    /// Forward and back.
    pub fn run(&self, images: &[f64], labels: &[u32], smoothing: f64) -> Expected {
        let batch = labels.len();
        let mut parameters = self.parameters.chunks(2);
        let mut nearest = f64::INFINITY;
        let mut look = |activation, sums: &[f64]| {
            if activation == Some(Relu) {
                let magnitudes = sums.iter().map(|sum| sum.abs()).filter(|sum| *sum > 0.0);
                nearest = magnitudes.fold(nearest, f64::min);
            }
        };
        let mut inputs = vec![images.to_vec()];
        let mut convs = Vec::new();
        for (conv, own) in self.convs.iter().zip(&mut parameters) {
            let result = conv_forward(conv, batch, [&inputs[inputs.len() - 1], &own[0], &own[1]]);
            look(Some(conv.activation), &result.map);
            inputs.push(result.output.clone());
            convs.push(result);
        }
        let mut linears = Vec::new();
        for (linear, own) in self.linears.iter().zip(&mut parameters) {
            let result =
                linear_forward(linear, batch, [&inputs[inputs.len() - 1], &own[0], &own[1]]);
            look(linear.activation, &result.sums);
            inputs.push(result.output.clone());
            linears.push(result);
        }
        let logits = inputs.pop().unwrap();
        let classes = logits.len() / batch;
        let shape = cross_entropy::Shape { batch, classes };
        let loss = cross_entropy::forward(&shape, &logits, labels, smoothing);
        let one = cross_entropy::Shape { batch: 1, classes };
        let losses = std::iter::zip(logits.chunks(classes), labels);
        let losses = losses
            .map(|(row, label)| cross_entropy::forward(&one, row, &[*label], smoothing))
            .collect();

        let mut d = cross_entropy::backward(&shape, &logits, labels, smoothing);
        let mut gradients = Vec::new();
        let weights: Vec<_> = self.parameters.iter().step_by(2).collect();
        for (index, layer) in self.linears.iter().enumerate().rev() {
            let weight = weights[self.convs.len() + index];
            let input = inputs.pop().unwrap();
            let own = linear_backward(layer, batch, &linears[index], [&input, weight, &d]);
            gradients.extend([own.d_bias, own.d_weight]);
            d = own.d_input;
        }
        for (index, layer) in self.convs.iter().enumerate().rev() {
            let input = inputs.pop().unwrap();
            let own = conv_backward(layer, batch, &convs[index], [&input, weights[index], &d]);
            gradients.extend([own.d_bias, own.d_weight]);
            d = own.d_input;
        }
        gradients.reverse();
        Expected {
            logits,
            losses,
            loss,
            gradients,
            nearest,
        }
    }
}

/// One or two convolutions and one to three linear layers, of all widths that there are.
pub fn networks() -> impl Strategy<Value = Network> {
    let activation = || prop::sample::select(vec![Relu, Tanh]);
    let one = (
        3..=6_usize,
        prop::sample::select(vec![28, 24, 14, 12]),
        0..=3_usize,
    );
    let one = one.prop_map(|(half, width, padding)| (2 * half, width, padding, false));
    // The second has inputs 14 or 12 wide.
    let two = vec![(28, 28, 2, true), (16, 28, 0, true), (12, 24, 2, true)];
    let image = prop_oneof![one, prop::sample::select(two)];
    let channels = (1..=3_usize, 1..=7_usize, 1..=20_usize);
    let hidden = prop::collection::vec(1..=20_usize, 0..=2);
    (
        image,
        channels,
        activation(),
        activation(),
        hidden,
        1..=12_usize,
        any::<u64>(),
    )
        .prop_map(
            |((height, width, padding, two), channels, first, second, hidden, classes, seed)| {
                let mut convs = vec![ConvLayer {
                    in_channels: channels.0,
                    height,
                    width,
                    out_channels: channels.1,
                    padding,
                    activation: first,
                }];
                let mut made = convs[0].output();
                if two {
                    let [in_channels, height, width] = made;
                    convs.push(ConvLayer {
                        in_channels,
                        height,
                        width,
                        out_channels: channels.2,
                        padding: 0,
                        activation: second,
                    });
                    made = convs[1].output();
                }
                let first = [made.iter().product()];
                let features: Vec<_> = first.into_iter().chain(hidden).chain([classes]).collect();
                Network::new(convs, linears(&features, second), seed)
            },
        )
}
