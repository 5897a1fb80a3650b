//! What recipes are made of: both engines do the same, a training that is stopped anywhere goes on
//! to the same bits, and each ingredient does what its name says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;

use common::{network, small, train, train_on, values};
use lenet_data::Augmentation;
use lenet_model::{Init, LeNet5};
use lenet_train::{
    Backend, Config, Draft, Ending, Event, Identity, Optimizer, OtherTraining, Progress, Schedule,
    checkpoint, fit,
};

/// All ingredients at once, on the small set: twelve steps.
fn rich() -> Config {
    Config {
        // Biases other than 0, for at exactly 0 candle's ReLU has another gradient.
        init: Init::PyTorch,
        learning_rate: 0.004,
        label_smoothing: 0.1,
        clip_norm: Some(0.7),
        average: 0.5,
        augment_until: 0.4,
        augment_end: 0.2,
        optimizer: Optimizer::AdamW {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.5,
        },
        schedule: Schedule::OneCycle {
            start: 0.1,
            warmup: 0.3,
            end: 0.05,
        },
        augmentation: Augmentation {
            rotation: 10.,
            shift: 2.,
            elastic: 2.,
            erase: 0.3,
            ..Augmentation::NONE
        },
        ..small().2
    }
}

fn with_sgd(nesterov: bool) -> Config {
    Config {
        learning_rate: 0.05,
        optimizer: Optimizer::Sgd {
            momentum: 0.8,
            nesterov,
            weight_decay: 0.05,
        },
        schedule: Schedule::Cosine {
            warmup: 0.2,
            end: 0.1,
        },
        ..rich()
    }
}

fn trained_on(backend: &Backend, config: &Config) -> (Vec<f64>, Vec<f32>) {
    let (images, held_out, _) = small();
    let model = network(config);
    let mut progress = Progress::default();
    let sets = (&images, &held_out);
    let (_, events) = train_on(backend, &model, sets, config, &mut progress, None).unwrap();
    let losses = events.iter().filter_map(|event| match event {
        Event::Step(step) => Some(step.loss),
        _ => None,
    });
    (losses.collect(), values(model.parameters()))
}

/// Roundings grow to about 1e-5 in twelve steps; a decay of biases, a smoothing or a clipping that
/// one engine lacks moves a loss by more than 1e-3 of itself.
#[test]
fn both_engines_do_the_same() {
    for config in [rich(), with_sgd(false), with_sgd(true)] {
        let (fused, parameters) = trained_on(&Backend::default(), &config);
        let (candle, expected) = trained_on(&Backend::Candle, &config);
        assert_eq!((fused.len(), candle.len()), (12, 12));
        for (step, (a, b)) in std::iter::zip(&fused, &candle).enumerate() {
            assert!((a - b).abs() < 2e-4 * b, "{config:?}, step {step}: {a} {b}");
        }
        let apart = std::iter::zip(&parameters, &expected).map(|(a, b)| (a - b).abs());
        let apart = apart.fold(0_f32, f32::max);
        // A step of Adam is 0.004, and one whose gradient is nothing but rounding may go either way.
        assert!(apart < 0.01, "{config:?}: {apart}");
    }
}

/// Stopped after any step and read back from a checkpoint's bytes, on either engine.
#[test]
fn stopped_and_resumed_is_the_same_training() {
    let (images, held_out, _) = small();
    let sets = (&images, &held_out);
    let plateau = Config {
        schedule: Schedule::Plateau {
            factor: 0.5,
            patience: 0,
            least: 0.01,
        },
        ..with_sgd(true)
    };
    for backend in [Backend::default(), Backend::Candle] {
        for config in [rich(), plateau.clone()] {
            let identity = Identity {
                config: config.clone(),
                train_images: images.len(),
                validation_images: held_out.len(),
                data_sha256: Default::default(),
                arithmetic: backend.to_string(),
            };
            let (_, reference) = trained_on(&backend, &config);
            // candle's operations take seconds for what the fused engine does at once.
            let stops: &[u64] = match backend {
                Backend::Fused(_) => &[1, 4, 6, 7, 8, 10, 11],
                Backend::Candle => &[7],
            };
            for &stop_after in stops {
                let model = network(&config);
                let mut progress = Progress::default();
                let stopped = train_on(
                    &backend,
                    &model,
                    sets,
                    &config,
                    &mut progress,
                    Some(stop_after),
                );
                assert_eq!(stopped.unwrap().0, Ending::Stopped);
                let bytes = checkpoint::encode(&model, &progress, &identity).unwrap();

                // Nothing of it is left but the bytes.
                let seed = 99;
                let other = Config {
                    seed,
                    ..config.clone()
                };
                let model = network(&other);
                let read = checkpoint::decode(&bytes, &model, &identity, OtherTraining::Refuse);
                let mut progress = read.unwrap();
                train_on(&backend, &model, sets, &config, &mut progress, None).unwrap();
                assert!(
                    values(model.parameters()) == reference,
                    "{backend}, {:?}, {stop_after}",
                    config.optimizer
                );
            }
        }
    }
}

/// Checkpoints within an epoch come when they are asked for, and do not change the training.
#[test]
fn checkpoints_come_every_so_many_steps() {
    let (images, held_out, _) = small();
    let config = rich();
    let (_, reference) = trained_on(&Backend::default(), &config);
    let config = Config {
        checkpoint_every: Some(3),
        ..config
    };
    let model = network(&config);
    let mut progress = Progress::default();
    let saved = RefCell::new(Vec::new());
    let mut save = |model: &LeNet5, progress: &Progress| {
        saved
            .borrow_mut()
            .push((progress.steps_done, values(model.parameters())));
        Ok(())
    };
    fit(
        &model,
        &Backend::default(),
        &images,
        &held_out,
        &config,
        &mut progress,
        &mut save,
        &mut [],
    )
    .unwrap();
    let saved = saved.into_inner();
    let steps: Vec<u64> = saved.iter().map(|(step, _)| *step).collect();
    // Every three steps, and after each epoch of four; at 12 an epoch ends anyway.
    assert_eq!(steps, [3, 4, 6, 8, 9, 12]);
    assert!(values(model.parameters()) == reference);
    assert!(saved.windows(2).all(|pair| pair[0].1 != pair[1].1));
}

/// The average is what is validated and kept; what is trained is not touched by it.
#[test]
fn an_average_is_kept_and_training_goes_on_without_it() {
    let (images, held_out, _) = small();
    let config = Config {
        average: 0.25,
        ..rich()
    };
    let plain = Config {
        average: 0.,
        ..config.clone()
    };
    let after = |config: &Config| {
        let model = network(config);
        let mut last = Vec::new();
        let mut each = Vec::new();
        let mut save = |model: &LeNet5, progress: &Progress| {
            last = values(model.parameters());
            if progress.steps_done > 9 {
                each.push(last.clone());
            }
            Ok(())
        };
        let every = Config {
            checkpoint_every: Some(1),
            ..config.clone()
        };
        let nothing = held_out.take(0);
        let mut progress = Progress::default();
        fit(
            &model,
            &Backend::default(),
            &images,
            &nothing,
            &every,
            &mut progress,
            &mut save,
            &mut [],
        )
        .unwrap();
        (values(model.parameters()), last, each)
    };
    let (kept, last, each) = after(&config);
    let (own, plain_last, _) = after(&plain);
    assert!(last == plain_last && own == plain_last);
    // A quarter of twelve steps.
    assert_eq!(each.len(), 3);
    for (index, &found) in kept.iter().enumerate() {
        let mean = each
            .iter()
            .map(|values| f64::from(values[index]))
            .sum::<f64>()
            / 3.;
        assert!(
            (f64::from(found) - mean).abs() < 1e-6,
            "{index}: {found} {mean}"
        );
    }
    assert!(kept != last);
    assert_eq!(held_out.len(), 50);
}

/// Patience of one epoch: two without a better validation end the training, and the best is kept.
#[test]
fn patience_ends_a_training() {
    let (images, held_out, config) = small();
    let config = Config {
        epochs: 100,
        learning_rate: 0.01,
        patience: Some(1),
        ..config
    };
    let model = network(&config);
    let mut progress = Progress::default();
    let sets = (&images, &held_out);
    let (ending, events) = train(&model, sets, &config, &mut progress, None).unwrap();
    assert_eq!(ending, Ending::Finished);
    let best = progress.best.as_ref().unwrap().epoch;
    assert_eq!(progress.epochs_done, best + 2);
    assert!(progress.epochs_done < 100);
    let epochs = events
        .iter()
        .filter(|event| matches!(event, Event::Epoch(_)));
    assert_eq!(epochs.count(), progress.epochs_done as usize);
    // Whoever resumes it finds it finished.
    let steps = progress.steps_done;
    let (ending, _) = train(&model, sets, &config, &mut progress, None).unwrap();
    assert_eq!((ending, progress.steps_done), (Ending::Finished, steps));
}

/// With plain gradient descent a step is as long as the clipped gradient times the learning rate.
#[test]
fn clipping_limits_a_step() {
    let (images, held_out, config) = small();
    let step_length = |clip_norm| {
        let config = Config {
            epochs: 1,
            learning_rate: 1.,
            clip_norm,
            optimizer: Optimizer::Sgd {
                momentum: 0.,
                nesterov: false,
                weight_decay: 0.,
            },
            ..config.clone()
        };
        let model = network(&config);
        let before = values(model.parameters());
        let mut progress = Progress::default();
        let sets = (&images, &held_out);
        train(&model, sets, &config, &mut progress, Some(1)).unwrap();
        let after = values(model.parameters());
        let squares = std::iter::zip(before, after).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let free = step_length(None);
    assert!(free > 0.2, "{free}");
    assert!((step_length(Some(0.1)) - 0.1).abs() < 1e-5);
    assert!((step_length(Some(2. * free)) - free).abs() < 1e-9);
}

/// The first steps' learning rates are those of the schedule, on real events.
#[test]
fn steps_tell_their_learning_rate() {
    let (images, held_out, _) = small();
    let config = Config {
        learning_rate: 1e-3,
        batch_size: 20,
        ..Draft::recipe("fast").unwrap().finish().unwrap()
    };
    let model = network(&config);
    let sets = (&images, &held_out);
    let (_, events) = train(&model, sets, &config, &mut Progress::default(), None).unwrap();
    let rates: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step(step) => Some(step.learning_rate),
            _ => None,
        })
        .collect();
    // Ten steps: up for one and a half, then down.
    assert_eq!(rates.len(), 10);
    assert!((rates[0] - 4e-5).abs() < 1e-12, "{rates:?}");
    assert!((rates[1] - 6.8e-4).abs() < 1e-12, "{rates:?}");
    let last = 1e-3 * (1. - 0.99 * (0.9 - 0.15) / 0.85);
    assert!((rates[9] - last).abs() < 1e-12, "{rates:?}");
    assert!(rates[2..].windows(2).all(|pair| pair[0] > pair[1]));
}
