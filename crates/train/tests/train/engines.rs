//! The fused engine against candle's own operations, and bf16 against f32.

use std::io::Write as _;
use std::sync::Arc;

use candle_core::Device;
use candle_nn::loss::cross_entropy;
use lenet_data::batches;
use lenet_engine::Pixels;
use lenet_engine::engine::{Images, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_model::{Activation, Architecture, Init, LeNet5, Padding};
use lenet_train::{Backend, Config, Progress, evaluate};

use crate::{mnist, network, train};

fn model(padding: Padding, activation: Activation) -> LeNet5 {
    let architecture = Architecture {
        padding,
        activation,
        ..Architecture::default()
    };
    LeNet5::new(&architecture, Init::PyTorch, 5, &Device::Cpu).unwrap()
}

struct First<'a>(&'a lenet_data::Dataset, [f32; 256]);

impl Images for First<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Bytes(self.0.get(image).unwrap().0, &self.1)
    }
}

/// The distance of two arrays in parts of the second's length.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = std::iter::zip(found, expected);
    let apart = length(&mut pairs.map(|(a, b)| f64::from(a - b)));
    apart / length(&mut expected.iter().map(|&v| f64::from(v)))
}

/// Loss and gradients of 37 images (two blocks and a part of one) on the engine and by candle's own
/// operations with `backward()`.
///
/// Another order of additions moves the gradients by about 1e-6 of their length; a tap, a lane or a
/// mask that is missing moves them by 1e-2 and more.
#[test]
fn the_engines_gradients_are_candles() {
    let mnist = &mnist().test;
    let count = 37;
    let config = Config::default();
    for (padding, activation) in [
        (Padding::Same, Activation::Relu),
        (Padding::Valid, Activation::Tanh),
    ] {
        let rows = 0..count as u32;
        let batch = batches(mnist, rows, count, config.normalization());
        let batch = { batch }.next().unwrap().unwrap();
        let model = model(padding, activation);
        let logits = model.forward(&batch.images).unwrap();
        let graph = cross_entropy(&logits, &batch.labels).unwrap();
        let gradients = graph.backward().unwrap();
        let loss = f64::from(graph.to_scalar::<f32>().unwrap());

        let mut engine = model
            .to_engine(
                Purpose::Training,
                count,
                Precision::F32,
                Arc::clone(Pool::global()),
            )
            .unwrap();
        let images = First(mnist, config.normalization().table());
        let labels = batch.labels.to_vec1::<u32>().unwrap();
        let own = engine.gradients(&images, &labels, 0.).unwrap();
        assert!(own.finite);

        let (found, smallest) = (own.loss, 2e-6 * loss);
        assert!((found - loss).abs() < smallest, "{found} {loss}");
        for ((name, var), own) in std::iter::zip(model.parameters().iter(), engine.last_gradients())
        {
            let expected = gradients.get(var).unwrap().flatten_all().unwrap();
            let distance = distance(own, &expected.to_vec1::<f32>().unwrap());
            assert!(distance < 2e-5, "{name}: {distance}");
        }
    }
}

/// Whether tests of bf16 can run; says so where not.
fn has_bf16() -> bool {
    let has = Precision::Bf16.is_available();
    if !has {
        // Past the test runner, which keeps what a passing test prints.
        let _ = writeln!(
            std::io::stdout(),
            "skipped: tests of bf16: they need a processor with Intel AMX, and Linux"
        );
    }
    has
}

/// Gradients in bf16 against f32, for batches with an odd number of blocks and part of one. bf16
/// rounds to one part in 256, and sums of roundings grow slower than the sums: 0.7 % of a gradient's
/// length was measured. tanh has no kink that a rounding could carry a number across. A missing tap,
/// tile or block moves a gradient by more than a tenth.
#[test]
fn bf16_gradients_are_near() {
    if !has_bf16() {
        return;
    }
    let mnist = &mnist().test;
    for padding in [Padding::Same, Padding::Valid] {
        let model = model(padding, Activation::Tanh);
        let engine = |precision| {
            model.to_engine(
                Purpose::Training,
                200,
                precision,
                Arc::clone(Pool::global()),
            )
        };
        let mut exact = engine(Precision::F32).unwrap();
        let mut rounded = engine(Precision::Bf16).unwrap();
        let images = First(mnist, Config::default().normalization().table());
        // A smaller batch after a larger one meets what that left in its buffers.
        for count in [200, 1, 16, 17, 40, 128] {
            let labels: Vec<u32> = (0..count)
                .map(|image| u32::from(mnist.get(image).unwrap().1))
                .collect();
            let expected = exact.gradients(&images, &labels, 0.05).unwrap();
            let found = rounded.gradients(&images, &labels, 0.05).unwrap();
            let apart = (found.loss - expected.loss).abs();
            assert!(apart < 2e-3 * expected.loss, "{count}: {apart}");
            for (index, (found, expected)) in
                std::iter::zip(rounded.last_gradients(), exact.last_gradients()).enumerate()
            {
                let distance = distance(found, expected);
                assert!(
                    distance < 0.03,
                    "{count} images, parameter {index}: {distance}"
                );
            }
        }
    }
}

#[test]
fn bf16_trains_as_well() {
    if !has_bf16() {
        return;
    }
    let test = mnist().test.take(2_000);
    let [(exact, exact_accuracy), (rounded, accuracy)] =
        [Precision::F32, Precision::Bf16].map(|precision| {
            let config = Config {
                epochs: 1,
                precision,
                ..Config::default()
            };
            let model = network(&config);
            let sets = (&mnist().train.take(4_000), &mnist().train.take(0));
            let (_, recorder) =
                train(&model, sets, &config, &mut Progress::default(), None).unwrap();
            let backend = Backend::default();
            let tested = evaluate(&model, &backend, &test, config.normalization()).unwrap();
            (recorder.losses(), tested.accuracy().unwrap())
        });
    // Equal numbers would mean that nothing was rounded.
    assert_ne!(exact, rounded);
    let last = exact[exact.len() - 1];
    assert!((last - rounded[rounded.len() - 1]).abs() < 0.05 * last);
    let apart = (accuracy - exact_accuracy).abs();
    assert!(apart < 0.03, "{accuracy} {exact_accuracy}");
}

#[test]
fn candle_has_no_bf16() {
    let error = Backend::Candle.check(Precision::Bf16).unwrap_err();
    assert!(error.to_string().contains("fused engine"), "{error}");
}
