//! One image at a time, a trained network says of MNIST's images what it says of many at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{mnist, network, small, train};
use lenet_engine::engine::{FloatImages, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{Isa, Pixels};
use lenet_train::Progress;

/// Sums in another order: 8e-7 was the most. Two weights of the second convolution that change
/// places, one tap of 2,400 beside another, are seen.
const TOLERANCE: f32 = 1e-5;

#[test]
fn one_image_at_a_time_is_as_many_at_once() {
    let (images, held_out, config) = small();
    let model = network(&config);
    let sets = (&images, &held_out);
    train(&model, sets, &config, &mut Progress::default(), None).unwrap();

    let test = mnist().test.take(1_000);
    let table = config.normalization().table();
    let pixels = test.iter().flat_map(|(image, _)| image);
    let pixels: Vec<f32> = pixels.map(|&pixel| table[usize::from(pixel)]).collect();
    let floats = FloatImages {
        pixels: &pixels,
        size: 28 * 28,
    };
    let pool = Arc::clone(Pool::global());
    let mut engine = model
        .to_engine(Purpose::Inference, test.len(), Precision::F32, pool)
        .unwrap();
    engine.forward(&floats, test.len()).unwrap();
    let values = model.parameters().values().unwrap();
    let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    for isa in Isa::available() {
        let mut single = Single::new(model.architecture().layers().unwrap(), isa);
        single.set_parameters(&values).unwrap();
        for ((image, _), expected) in test.iter().zip(engine.logits()) {
            let expected: Vec<f32> = expected.collect();
            let logits = single.logits(Pixels::Bytes(image, &table));
            for (logit, expected) in logits.iter().zip(&expected) {
                let difference = (logit - expected).abs();
                assert!(difference <= TOLERANCE, "{isa}: {logits:?} {expected:?}");
            }
        }
    }
}
