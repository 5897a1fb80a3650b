//! Trainings from outside: a small one on real images, and what the tests look at.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damaged;
mod engines;
mod fit;
mod fuzz;
mod inspect;
mod optimizers;
mod ranks;
mod recipes;
mod run;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use lenet_data::{Dataset, Splits, embedded};
use lenet_files::Result;
use lenet_model::{LeNet5, Parameters};
use lenet_run::Event;
use lenet_train::{Backend, Config, Ending, Identity, Progress, Training, Watch, fit};

fn mnist() -> &'static Splits {
    static MNIST: OnceLock<Splits> = OnceLock::new();
    MNIST.get_or_init(|| embedded::mnist().unwrap())
}

/// 200 images to train on and 50 held out, in steps of 64 images: an epoch has four steps, the last
/// of eight images.
fn small() -> (Dataset, Dataset, Config) {
    let config = Config {
        epochs: 3,
        batch_size: 64,
        seed: 5,
        ..Config::default()
    };
    let (train, validation) = mnist().train.take(250).split(50, config.seed);
    (train, validation, config)
}

fn network(config: &Config) -> LeNet5 {
    network_of(config, 10)
}

fn network_of(config: &Config, classes: usize) -> LeNet5 {
    let architecture = config.architecture(classes);
    LeNet5::new(&architecture, config.init, config.seed, &Device::Cpu).unwrap()
}

fn values(parameters: &Parameters) -> Vec<f32> {
    parameters.values().unwrap().concat()
}

/// The numbers that PyTorch computed in f64; `golden.py` of lenet-model wrote them.
fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/golden/lenet5.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn identity(config: &Config) -> Identity {
    Identity {
        config: config.clone(),
        from_sha256: None,
        train_images: 200,
        validation_images: 50,
        data_sha256: [("images".to_owned(), "00".to_owned())].into(),
        arithmetic: "candle".to_owned(),
    }
}

/// Everything that a training reports and saves; stops it after a step, if one is given.
#[derive(Default)]
struct Recorder {
    stop_after: Option<u64>,
    events: Vec<Event>,
    /// Steps done and the parameters, of each save.
    saved: Vec<(u64, Vec<f32>)>,
}

impl Watch for Recorder {
    fn event(&mut self, event: &Event) -> ControlFlow<()> {
        self.events.push(event.clone());
        match event {
            Event::Step(step) if Some(step.global_step) == self.stop_after => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn save(&mut self, model: &LeNet5, progress: &Progress) -> Result<()> {
        let values = values(model.parameters());
        self.saved.push((progress.steps_done, values));
        Ok(())
    }
}

impl Recorder {
    fn steps(&self) -> impl Iterator<Item = &lenet_run::Step> {
        self.events.iter().filter_map(|event| match event {
            Event::Step(step) => Some(step),
            _ => None,
        })
    }

    fn losses(&self) -> Vec<f64> {
        self.steps().map(|step| step.loss).collect()
    }
}

/// Trains on the engine.
fn train(
    model: &LeNet5,
    sets: (&Dataset, &Dataset),
    config: &Config,
    progress: &mut Progress,
    stop_after: Option<u64>,
) -> Result<(Ending, Recorder)> {
    let backend = Backend::default();
    train_on(&backend, model, sets, config, progress, stop_after)
}

/// Like [`train`], on a backend.
fn train_on(
    backend: &Backend,
    model: &LeNet5,
    (train, validation): (&Dataset, &Dataset),
    config: &Config,
    progress: &mut Progress,
    stop_after: Option<u64>,
) -> Result<(Ending, Recorder)> {
    let training = Training {
        model,
        backend,
        config,
        train,
        validation,
    };
    let mut recorder = Recorder {
        stop_after,
        ..Recorder::default()
    };
    let ending = fit(&training, progress, &mut recorder)?;
    Ok((ending, recorder))
}

/// A whole training of the small set: its network, its progress and its record.
fn trained(config: &Config) -> (LeNet5, Progress, Recorder) {
    let (images, held_out, _) = small();
    trained_on(&Backend::default(), (&images, &held_out), config)
}

/// A whole training of these sets on a backend.
fn trained_on(
    backend: &Backend,
    sets: (&Dataset, &Dataset),
    config: &Config,
) -> (LeNet5, Progress, Recorder) {
    let model = network(config);
    let mut progress = Progress::default();
    let (ending, recorder) = train_on(backend, &model, sets, config, &mut progress, None).unwrap();
    assert_eq!(ending, Ending::Finished);
    (model, progress, recorder)
}
