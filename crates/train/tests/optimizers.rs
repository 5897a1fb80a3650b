//! Held to PyTorch: the losses of ten steps of each optimiser through [`fit`], with label smoothing,
//! weight decay that leaves biases out and clipped gradients, as `golden.py` of lenet-model computed
//! them in f64.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use common::{mnist, train_on};
use lenet_model::{Activation, LeNet5, Padding};
use lenet_train::{Backend, Config, Event, Optimizer, Progress};

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/golden/lenet5.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn configs() -> [(&'static str, Config); 3] {
    let config = Config {
        // The golden file's sixteen images are one batch, and an epoch a step.
        epochs: 10,
        batch_size: 16,
        ..Config::default()
    };
    let hard = Config {
        label_smoothing: 0.1,
        clip_norm: Some(1.),
        ..config.clone()
    };
    let adamw = Optimizer::AdamW {
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.1,
    };
    let sgd = Optimizer::Sgd {
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.05,
    };
    let with = |optimizer, learning_rate| Config {
        optimizer,
        learning_rate,
        ..hard.clone()
    };
    [
        ("adam", config),
        ("adamw", with(adamw, 0.01)),
        ("sgd", with(sgd, 0.05)),
    ]
}

/// Ten steps in f32 are off by less than 1e-5 of a loss. The smallest mistakes: biases that decay
/// move the last losses by 1e-4, a norm that is taken of each parameter alone by more.
#[test]
fn ten_steps_are_those_of_pytorch() {
    let golden = golden();
    let images = mnist().test.take(16);
    for (case, padding, activation) in [
        ("same", Padding::Same, Activation::Relu),
        ("valid", Padding::Valid, Activation::Tanh),
    ] {
        for (optimizer, config) in configs() {
            let config = Config {
                padding,
                activation,
                ..config
            };
            let expected = golden[&format!("{case}/{optimizer}_losses")].to_vec1::<f64>();
            for backend in [Backend::default(), Backend::Candle] {
                let parameter = |name: &str| {
                    let tensor = golden.get(&format!("{case}/parameters/{name}"));
                    tensor.cloned()
                };
                let model = LeNet5::from_tensors(&config.architecture(10), parameter).unwrap();
                let sets = (&images, &images.take(0));
                let progress = &mut Progress::default();
                let (_, events) =
                    train_on(&backend, &model, sets, &config, progress, None).unwrap();
                let losses = events.iter().filter_map(|event| match event {
                    Event::Step(step) => Some(step.loss),
                    _ => None,
                });
                let losses: Vec<f64> = losses.collect();
                let expected = expected.as_ref().unwrap();
                assert_eq!((losses.len(), expected.len()), (10, 10));
                for (step, (found, expected)) in std::iter::zip(&losses, expected).enumerate() {
                    let apart = ((found - expected) / expected).abs();
                    assert!(
                        apart < 2e-5,
                        "{case}, {optimizer}, {backend}, step {step}: {found} {expected} {apart:e}"
                    );
                }
            }
        }
    }
}
