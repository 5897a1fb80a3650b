//! What recipes are made of: both engines do the same, and a training that is stopped anywhere
//! continues to the same bits.

use lenet_data::{Augmentation, Dataset};
use lenet_model::Init;
use lenet_train::{
    Backend, Config, Draft, Ending, Optimizer, OtherTraining, Progress, Schedule, checkpoint,
};

use crate::{identity, network, small, train_on, trained, trained_on, values};

/// As many steps as on the small set, of images that are fewer, because candle's operations take
/// seconds: 24 are a block of the engine and a part of one.
fn smaller() -> (Dataset, Dataset, Config) {
    let (images, held_out, config) = small();
    let batch_size = 24;
    let config = Config {
        batch_size,
        ..config
    };
    (images.take(75), held_out.take(20), config)
}

/// All ingredients at once: twelve steps.
fn rich() -> Config {
    Config {
        // Biases other than 0, because at exactly 0 candle's ReLU has another gradient.
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
        ..smaller().2
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

/// Roundings grow to about 1e-5 in twelve steps; a decay of biases, a smoothing or a clipping that
/// one engine lacks moves a loss by more than 1e-3 of itself.
#[test]
fn both_engines_do_the_same() {
    let (images, held_out, _) = smaller();
    let sets = (&images, &held_out);
    for config in [rich(), with_sgd(false), with_sgd(true)] {
        let (fused, _, fused_record) = trained_on(&Backend::default(), sets, &config);
        let (candle, _, candle_record) = trained_on(&Backend::Candle, sets, &config);
        let (fused_losses, candle_losses) = (fused_record.losses(), candle_record.losses());
        assert_eq!((fused_losses.len(), candle_losses.len()), (12, 12));
        for (step, (a, b)) in std::iter::zip(fused_losses, candle_losses).enumerate() {
            assert!((a - b).abs() < 2e-4 * b, "{config:?}, step {step}: {a} {b}");
        }
        let pairs = std::iter::zip(values(fused.parameters()), values(candle.parameters()));
        let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0_f32, f32::max);
        // A step of Adam is 0.004, and one whose gradient is nothing but rounding may go either way.
        assert!(apart < 0.01, "{config:?}: {apart}");
    }
}

/// Stopped after a step, within an epoch and at its end, and read back from a checkpoint's bytes, on
/// either engine.
#[test]
fn stopped_and_resumed_is_the_same_training() {
    let (images, held_out, classic) = smaller();
    let sets = (&images, &held_out);
    let plateau = Config {
        schedule: Schedule::Plateau {
            factor: 0.5,
            patience: 0,
            least: 0.01,
        },
        ..with_sgd(true)
    };
    let fused = Backend::default();
    for (backend, config, stops) in [
        (&fused, &classic, &[1, 3, 4, 8, 11][..]),
        (&fused, &rich(), &[1, 4, 6, 7, 8, 10, 11]),
        (&fused, &plateau, &[1, 4, 6, 7, 8, 10, 11]),
        (&Backend::Candle, &rich(), &[7]),
        (&Backend::Candle, &plateau, &[7]),
    ] {
        let identity = identity(config);
        let (reference, whole, _) = trained_on(backend, sets, config);
        for &stop in stops {
            let model = network(config);
            let mut progress = Progress::default();
            let stopped = train_on(backend, &model, sets, config, &mut progress, Some(stop));
            assert_eq!(stopped.unwrap().0, Ending::Stopped);
            assert_eq!(progress.steps_done, stop);
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
            let resumed = train_on(backend, &model, sets, config, &mut progress, None);
            assert_eq!(resumed.unwrap().0, Ending::Finished);
            let case = format!("{backend}, {:?}, {stop}", config.optimizer);
            let same = values(model.parameters()) == values(reference.parameters());
            assert!(same, "{case}");
            for (row, expected) in std::iter::zip(&progress.history, &whole.history) {
                assert_eq!(row.train, expected.train, "{case}");
                assert_eq!(row.validation, expected.validation, "{case}");
                assert_eq!(row.is_best, expected.is_best, "{case}");
            }
            assert_eq!(progress.history.len(), 3);
            assert!(!progress.not_identical);
        }
    }
}

/// The steps' learning rates are those of the schedule, on real events.
#[test]
fn steps_report_their_learning_rate() {
    let config = Config {
        learning_rate: 1e-3,
        batch_size: 20,
        ..Draft::recipe("fast").unwrap().finish().unwrap()
    };
    let (_, _, recorder) = trained(&config);
    let rates: Vec<f64> = recorder.steps().map(|step| step.learning_rate).collect();
    // Ten steps: up for one and a half, then down.
    assert_eq!(rates.len(), 10);
    let last = 1e-3 * (1. - 0.99 * (0.9 - 0.15) / 0.85);
    for (step, expected) in [(0, 4e-5), (1, 6.8e-4), (9, last)] {
        assert!((rates[step] - expected).abs() < 1e-12, "{rates:?}");
    }
    assert!(rates[2..].windows(2).all(|pair| pair[0] > pair[1]));
}
