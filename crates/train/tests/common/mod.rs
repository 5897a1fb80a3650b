//! A small training on real images, and what the tests look at.
#![allow(dead_code, reason = "each test file uses a part")]

use std::ops::ControlFlow;
use std::sync::OnceLock;

use candle_core::Device;
use lenet_data::{Dataset, Splits, embedded};
use lenet_model::{LeNet5, Parameters};
use lenet_train::{Backend, Config, Ending, Event, Progress, Result, fit};

pub fn mnist() -> &'static Splits {
    static MNIST: OnceLock<Splits> = OnceLock::new();
    MNIST.get_or_init(|| embedded::mnist().unwrap())
}

/// 200 images to train on and 50 held out, in steps of 64 images: an epoch has four steps, the last
/// of eight images.
pub fn small() -> (Dataset, Dataset, Config) {
    let config = Config {
        epochs: 3,
        batch_size: 64,
        seed: 5,
        ..Config::default()
    };
    let (train, validation) = mnist().train.take(250).split(50, config.seed);
    (train, validation, config)
}

pub fn network(config: &Config) -> LeNet5 {
    LeNet5::new(
        &config.architecture(10),
        config.init,
        config.seed,
        &Device::Cpu,
    )
    .unwrap()
}

pub fn values(parameters: &Parameters) -> Vec<f32> {
    let values = |var: &candle_core::Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    parameters.iter().flat_map(|(_, var)| values(var)).collect()
}

/// Trains on the engine and collects the events; stops after a number of steps, if one is given.
pub fn train(
    model: &LeNet5,
    sets: (&Dataset, &Dataset),
    config: &Config,
    progress: &mut Progress,
    stop_after: Option<u64>,
) -> Result<(Ending, Vec<Event>)> {
    train_on(
        &Backend::default(),
        model,
        sets,
        config,
        progress,
        stop_after,
    )
}

/// As [`train`], on a backend.
pub fn train_on(
    backend: &Backend,
    model: &LeNet5,
    sets: (&Dataset, &Dataset),
    config: &Config,
    progress: &mut Progress,
    stop_after: Option<u64>,
) -> Result<(Ending, Vec<Event>)> {
    let mut events = Vec::new();
    let mut observer = |event: &Event| {
        events.push(event.clone());
        match event {
            Event::Step(step) if Some(step.global_step) == stop_after => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let mut save = |_: &LeNet5, _: &Progress| Ok(());
    let ending = fit(
        model,
        backend,
        sets.0,
        sets.1,
        config,
        progress,
        &mut save,
        &mut [&mut observer],
    )?;
    Ok((ending, events))
}
