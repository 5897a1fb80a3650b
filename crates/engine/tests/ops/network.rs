//! The gradient of a whole chain, against central differences and against the references' own.

use candle_core::{Device, Tensor};
use lenet_engine::ops::{self, ConvOptions};
use lenet_engine::reference::activation::Activation::{Identity, Relu, Tanh};
use lenet_engine::reference::cross_entropy;
use lenet_engine::{ConvLayer, LinearLayer};

use crate::common::layers::{conv_forward, linear_forward};
use crate::common::{Tolerance, Values, assert_close, central_differences};
use crate::{floats, tensor, var};

const BATCH: usize = 18;
const SMOOTHING: f64 = 0.1;

const CONV: ConvLayer = ConvLayer {
    in_channels: 2,
    height: 5,
    width: 6,
    out_channels: 3,
    kernel: 3,
    padding: 1,
    activation: Tanh,
    pool: true,
};
const LINEAR: LinearLayer = LinearLayer {
    in_features: 18,
    out_features: 4,
    activation: Identity,
};

/// The differences are those of the references in f64, where a step of 1e-4 is off by some 1e-8; the
/// gradient is the operations' in f32. A derivative is a mean over 18 images of sums of at most 12
/// windows, each within 1e-6. The smallest mistake is one image left out, 1/18 of a derivative, and
/// of those the median is 0.01.
const TOLERANCE: Tolerance = Tolerance {
    rtol: 1e-5,
    atol: 1e-6,
};

#[test]
fn the_gradient_is_that_of_central_differences() {
    let mut values = Values::new(42);
    let input = values.array(&[BATCH, 2, 5, 6]);
    let labels = values.labels(BATCH, 4);
    // So small that no tanh is far from its slope of 1.
    let mut small =
        |shape: &[usize]| -> Vec<f64> { values.array(shape).iter().map(|w| w / 4.0).collect() };
    let shapes: [&[usize]; 4] = [&[3, 2, 3, 3], &[3], &[4, 18], &[4]];
    let parameters = shapes.map(&mut small);

    let vars = [0, 1, 2, 3].map(|i| var(&parameters[i], shapes[i]));
    let x = var(&input, &[BATCH, 2, 5, 6]);
    let options = ConvOptions {
        padding: CONV.padding,
        activation: CONV.activation,
        pool: CONV.pool,
    };
    let maps = ops::conv2d(&x, &vars[0], &vars[1], options).unwrap();
    let features = maps.flatten_from(1).unwrap();
    let logits = ops::linear(&features, &vars[2], &vars[3], LINEAR.activation).unwrap();
    let targets = Tensor::new(labels.as_slice(), &Device::Cpu).unwrap();
    let loss = ops::cross_entropy(&logits, &targets, SMOOTHING).unwrap();
    let store = loss.backward().unwrap();

    let scalar = |input: &[f64], parameters: [&[f64]; 4]| {
        let [w, b, weight, bias] = parameters;
        let conv = conv_forward(&CONV, BATCH, [input, w, b]);
        let linear = linear_forward(&LINEAR, BATCH, [&conv.output, weight, bias]);
        let shape = cross_entropy::Shape {
            batch: BATCH,
            classes: 4,
        };
        cross_entropy::forward(&shape, &linear.output, &labels, SMOOTHING).unwrap()
    };
    let all = [0, 1, 2, 3].map(|i| parameters[i].as_slice());
    assert_close("loss", &floats(&loss), &[scalar(&input, all)], TOLERANCE);
    for i in 0..4 {
        let expected = central_differences(&parameters[i], 1e-4, |moved| {
            let mut all = all;
            all[i] = moved;
            scalar(&input, all)
        });
        let actual = floats(store.get(&vars[i]).unwrap());
        assert_close(&format!("parameter {i}"), &actual, &expected, TOLERANCE);
    }
    let expected = central_differences(&input, 1e-4, |moved| scalar(moved, all));
    assert_close(
        "input",
        &floats(store.get(&x).unwrap()),
        &expected,
        TOLERANCE,
    );
}

/// What is no number stays none behind every activation, so that a network that diverged shows it.
#[test]
fn no_number_becomes_one() {
    for activation in [Relu, Tanh, Identity] {
        for pool in [true, false] {
            let x = tensor(
                &[&[f64::NAN][..], &[1.0; 17 * 8 - 1]].concat(),
                &[17, 2, 2, 2],
            );
            let [w, b] = [tensor(&[1.0; 6], &[3, 2, 1, 1]), tensor(&[0.0; 3], &[3])];
            let options = ConvOptions {
                padding: 0,
                activation,
                pool,
            };
            let maps = ops::conv2d(&x, &w, &b, options).unwrap();
            let features = floats(&maps);
            let size = features.len() / 17;
            let none: Vec<usize> = (0..17 * size).filter(|&i| features[i].is_nan()).collect();
            // One position of each of the first image's three channels.
            assert_eq!(none, [0, size / 3, size / 3 * 2], "{activation:?}");
            let flat = maps.flatten_from(1).unwrap();
            let w = tensor(&vec![1.0; 5 * size], &[5, size]);
            let sums =
                floats(&ops::linear(&flat, &w, &tensor(&[0.0; 5], &[5]), activation).unwrap());
            let none: Vec<usize> = (0..17 * 5).filter(|&i| sums[i].is_nan()).collect();
            assert_eq!(none, [0, 1, 2, 3, 4], "{activation:?}");
        }
    }
}

/// An operation of candle between two of ours, a weight that is used twice, and a second backward
/// pass through the same graph.
#[test]
fn gradients_add_up_and_come_again() {
    let mut values = Values::new(7);
    let x = tensor(&values.eighths(&[3, 4]), &[3, 4]);
    let w = var(&values.eighths(&[4, 4]), &[4, 4]);
    let b = var(&values.eighths(&[4]), &[4]);
    let once = ops::linear(&x, &w, &b, Identity).unwrap();
    let twice = ops::linear(&once.affine(0.5, 0.0).unwrap(), &w, &b, Identity).unwrap();
    let loss = twice.sum_all().unwrap();
    let [first, second] = [(); 2].map(|()| {
        let store = loss.backward().unwrap();
        [&w, &b].map(|var| floats(store.get(var).unwrap()))
    });
    assert_eq!(first, second);

    // The same with candle's own operations: sums of eighths, without rounding.
    let product = |x: &Tensor| {
        let product = x.matmul(&w.t().unwrap()).unwrap();
        product.broadcast_add(&b).unwrap()
    };
    let twice = product(&product(&x).affine(0.5, 0.0).unwrap());
    let store = twice.sum_all().unwrap().backward().unwrap();
    assert_eq!(first, [&w, &b].map(|var| floats(store.get(var).unwrap())));
}
