//! The loop: what it learns, what it tells, and how it stops. FAULTS A10, A22, A24.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{mnist, network, small, train, values};
use lenet_data::Dataset;
use lenet_train::{Backend, Config, Ending, Error, Event, Progress, evaluate};

#[test]
fn learns_a_small_set_by_heart() {
    let (images, _, config) = small();
    let config = Config {
        epochs: 60,
        ..config
    };
    let model = network(&config);
    let nothing = images.split(0, 1).1;
    train(
        &model,
        (&images, &nothing),
        &config,
        &mut Progress::default(),
        None,
    )
    .unwrap();
    let learnt = evaluate(&model, &Backend::default(), &images, config.normalization()).unwrap();
    assert!(learnt.accuracy().unwrap() > 0.97, "{learnt:?}");
    // And what it learnt holds for images that it has not seen, far above a guess.
    let tested = evaluate(
        &model,
        &Backend::default(),
        &mnist().test.take(1_000),
        config.normalization(),
    )
    .unwrap();
    assert!(tested.accuracy().unwrap() > 0.6, "{:?}", tested.accuracy());
}

#[test]
fn events_come_in_order_and_count_every_image() {
    let (images, held_out, config) = small();
    let model = network(&config);
    let mut progress = Progress::default();
    let (ending, events) =
        train(&model, (&images, &held_out), &config, &mut progress, None).unwrap();
    assert_eq!(ending, Ending::Finished);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            Event::Started(_) => "started",
            Event::Untrained(_) => "untrained",
            Event::Step(_) => "step",
            Event::Epoch(_) => "epoch",
            _ => "stopped",
        })
        .collect();
    let epoch = ["step", "step", "step", "step", "epoch"];
    assert_eq!(
        kinds,
        [&["started", "untrained"], &epoch[..], &epoch, &epoch].concat()
    );

    let Event::Untrained(untrained) = &events[1] else {
        panic!("{:?}", events[1])
    };
    assert!((untrained.expected - 10_f64.ln()).abs() < 1e-12);
    assert!(!untrained.is_suspicious(), "{untrained:?}");
    // The first step's loss is that of the untrained network on the same batch.
    let Event::Step(first) = &events[2] else {
        panic!("{:?}", events[2])
    };
    assert_eq!(first.loss, untrained.loss);
    assert_eq!((first.epoch, first.step, first.steps_per_epoch), (1, 1, 4));

    // The epoch's loss is the mean of an image: three steps of 64 and one of 8.
    let losses: Vec<f64> = events[2..6]
        .iter()
        .map(|event| match event {
            Event::Step(step) => step.loss,
            other => panic!("{other:?}"),
        })
        .collect();
    let mean = (64. * (losses[0] + losses[1] + losses[2]) + 8. * losses[3]) / 200.;
    assert!((progress.history[0].train.loss - mean).abs() < 1e-12);
    assert_eq!(progress.steps_done, 12);
}

/// The parameters at the end are those of the best epoch, not those of the last.
#[test]
fn the_best_epoch_is_kept() {
    let (images, held_out, config) = small();
    let config = Config {
        epochs: 6,
        learning_rate: 0.02,
        ..config
    };
    let model = network(&config);
    let mut progress = Progress::default();
    train(&model, (&images, &held_out), &config, &mut progress, None).unwrap();
    let best = progress.best.as_ref().unwrap();
    let accuracies: Vec<f64> = progress
        .history
        .iter()
        .map(|row| row.validation.unwrap().accuracy)
        .collect();
    let highest = accuracies.iter().copied().fold(0., f64::max);
    assert_eq!(best.validation.unwrap().accuracy, highest, "{accuracies:?}");
    let again = evaluate(
        &model,
        &Backend::default(),
        &held_out,
        config.normalization(),
    )
    .unwrap();
    assert_eq!(again.accuracy(), Some(highest));
    assert_eq!(again.loss(), Some(best.validation.unwrap().loss));
    let marked: Vec<u32> = progress
        .history
        .iter()
        .filter(|row| row.is_best)
        .map(|row| row.epoch)
        .collect();
    assert_eq!(marked.last(), Some(&best.epoch));
}

/// Whoever stops and goes on, at an epoch's end or within one, comes to the same bits.
#[test]
fn stopped_and_resumed_is_the_same_training() {
    let (images, held_out, config) = small();
    let whole = network(&config);
    let mut reference = Progress::default();
    train(&whole, (&images, &held_out), &config, &mut reference, None).unwrap();
    for stop_after in [1, 3, 4, 6, 8, 11, 12] {
        let model = network(&config);
        let mut progress = Progress::default();
        let (ending, _) = train(
            &model,
            (&images, &held_out),
            &config,
            &mut progress,
            Some(stop_after),
        )
        .unwrap();
        if stop_after < 12 {
            assert_eq!(ending, Ending::Stopped);
            assert_eq!(progress.steps_done, stop_after);
            let (ending, events) =
                train(&model, (&images, &held_out), &config, &mut progress, None).unwrap();
            assert_eq!(ending, Ending::Finished);
            assert!(
                !events
                    .iter()
                    .any(|event| matches!(event, Event::Untrained(_)))
            );
        }
        assert_eq!(
            values(model.parameters()),
            values(whole.parameters()),
            "{stop_after}"
        );
        let rows = |progress: &Progress| -> Vec<_> {
            let row =
                |row: &lenet_train::Epoch| (row.epoch, row.train, row.validation, row.is_best);
            progress.history.iter().map(row).collect()
        };
        assert_eq!(rows(&progress), rows(&reference), "{stop_after}");
    }
}

#[test]
fn equal_seeds_give_equal_parameters_and_others_do_not() {
    let (images, held_out, config) = small();
    let trained = |seed| {
        let config = Config {
            seed,
            epochs: 1,
            ..config.clone()
        };
        let model = network(&config);
        train(
            &model,
            (&images, &held_out),
            &config,
            &mut Progress::default(),
            None,
        )
        .unwrap();
        values(model.parameters())
    };
    assert_eq!(trained(5), trained(5));
    assert_ne!(trained(5), trained(6));
}

/// A10: the step that would spoil the parameters is not made.
#[test]
fn a10_divergence_stops_before_it_reaches_a_parameter() {
    let (images, held_out, config) = small();
    let config = Config {
        learning_rate: 1e30,
        ..config
    };
    let model = network(&config);
    let error = train(
        &model,
        (&images, &held_out),
        &config,
        &mut Progress::default(),
        None,
    )
    .unwrap_err();
    let Error::Diverged { epoch, step, .. } = error else {
        panic!("{error}")
    };
    assert!(epoch == 1 && step >= 2, "{error}");
    assert!(
        values(model.parameters())
            .iter()
            .all(|value| value.is_finite())
    );
    let message = error.to_string();
    for part in [
        "diverged at epoch 1, step",
        "learning rate 1e30",
        "a smaller learning rate",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

/// A22: sets smaller than a batch, of one image, of one class, and with nothing held out.
#[test]
fn a22_small_sets_train() {
    let (images, _, config) = small();
    let config = Config {
        epochs: 2,
        ..config
    };
    for count in [1, 63, 64, 65] {
        let (set, nothing) = images.take(count).split(0, 1);
        let model = network(&config);
        let mut progress = Progress::default();
        train(&model, (&set, &nothing), &config, &mut progress, None).unwrap();
        assert_eq!(progress.steps_done, 2 * count.div_ceil(64) as u64);
        assert_eq!(progress.best.unwrap().epoch, 2);
        assert!(progress.history.iter().all(|row| row.validation.is_none()));
    }
    let one_class = Dataset::new(vec![9; 784 * 3], vec![0; 3], ["only"]).unwrap();
    let model = lenet_model::LeNet5::new(
        &config.architecture(1),
        config.init,
        1,
        &candle_core::Device::Cpu,
    );
    let (set, nothing) = one_class.split(0, 1);
    let mut progress = Progress::default();
    train(
        &model.unwrap(),
        (&set, &nothing),
        &config,
        &mut progress,
        None,
    )
    .unwrap();
    assert_eq!(progress.history[1].train.accuracy, 1.);
    assert_eq!(progress.history[1].train.loss, 0.);
}
