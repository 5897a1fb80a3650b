//! Held to PyTorch: the losses of ten steps of each optimiser, with label smoothing, weight decay
//! that leaves biases out and clipped gradients, as `golden.py` of lenet-model computed them in f64.

use candle_core::DType;
use candle_nn::loss::cross_entropy;
use lenet_engine::engine;
use lenet_model::{Activation, Architecture, LeNet5, Padding};
use lenet_train::{Backend, Config, Optimizer, Progress, TensorOptimizer};

use crate::{golden, mnist, train_on};

const NETWORKS: [(&str, Padding, Activation); 2] = [
    ("same", Padding::Same, Activation::Relu),
    ("valid", Padding::Valid, Activation::Tanh),
];

fn configs() -> [(&'static str, Config); 3] {
    let config = Config {
        // The golden file's sixteen images are one batch, and an epoch a step.
        epochs: 10,
        batch_size: 16,
        ..Config::default()
    };
    let with = |optimizer, learning_rate| Config {
        optimizer,
        learning_rate,
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
    [
        ("adam", config.clone()),
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
    for (case, padding, activation) in NETWORKS {
        for (optimizer, config) in configs() {
            let config = Config {
                padding,
                activation,
                ..config
            };
            let expected = golden[&format!("{case}/{optimizer}_losses")].to_vec1::<f64>();
            let expected = expected.unwrap();
            for backend in [Backend::default(), Backend::Candle] {
                let parameter =
                    |name: &str| golden.get(&format!("{case}/parameters/{name}")).cloned();
                let model = LeNet5::from_tensors(&config.architecture(10), parameter).unwrap();
                let sets = (&images, &images.take(0));
                let progress = &mut Progress::default();
                let (_, recorder) =
                    train_on(&backend, &model, sets, &config, progress, None).unwrap();
                let losses = recorder.losses();
                assert_eq!((losses.len(), expected.len()), (10, 10));
                for (step, (found, expected)) in std::iter::zip(&losses, &expected).enumerate() {
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

/// In f64, where the smallest mistake that was tried, an epsilon of 1e-9, moves the losses by 2e-6,
/// and another order of additions by less than 1e-14.
#[test]
fn ten_steps_of_adam_in_f64_are_those_of_pytorch() {
    let golden = golden();
    for (case, padding, activation) in NETWORKS {
        let tensor = |name: &str| golden[&format!("{case}/{name}")].clone();
        let in_f64 = |name: &str| tensor(name).to_dtype(DType::F64).unwrap();
        let architecture = Architecture {
            padding,
            activation,
            classes: 10,
        };
        let parameter = |name: &str| Some(in_f64(&format!("parameters/{name}")));
        let model = LeNet5::from_tensors(&architecture, parameter).unwrap();
        let mut optimizer = TensorOptimizer::new(model.parameters().vars()).unwrap();
        let adam = engine::Optimizer::Adam(Default::default());
        let images = in_f64("images");
        for expected in tensor("adam_losses").to_vec1::<f64>().unwrap() {
            let loss = cross_entropy(&model.forward(&images).unwrap(), &tensor("labels")).unwrap();
            let found = loss.to_scalar::<f64>().unwrap();
            let apart = ((found - expected) / expected).abs();
            assert!(apart < 1e-11, "{case}: {found} {expected} {apart:e}");
            optimizer.step(&adam, &loss.backward().unwrap()).unwrap();
        }
        let state = optimizer.state();
        assert_eq!(state.step, 10);
        // A25: what outlives a step holds no graph, or memory would grow with every step.
        let moments = std::iter::zip(&state.first_moments, &state.second_moments);
        assert!(
            moments
                .into_iter()
                .all(|(m, v)| !m.track_op() && !v.track_op())
        );
    }
}
