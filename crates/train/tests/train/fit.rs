//! The loop: what it learns, what it reports, and how it stops. FAULTS A10, A22.

use lenet_data::Dataset;
use lenet_files::Kind;
use lenet_run::Event;
use lenet_train::{Backend, Config, Ending, Progress, evaluate};

use crate::{mnist, network, network_of, small, train, train_on, trained, values};

#[test]
fn learns_a_small_set_by_heart() {
    let (images, _, config) = small();
    let config = Config {
        epochs: 60,
        ..config
    };
    let model = network(&config);
    let sets = (&images, &images.take(0));
    train(&model, sets, &config, &mut Progress::default(), None).unwrap();
    let accuracy = |images: &Dataset| {
        let metrics = evaluate(&model, &Backend::default(), images, config.normalization());
        metrics.unwrap().accuracy().unwrap()
    };
    assert!(accuracy(&images) > 0.97, "{}", accuracy(&images));
    // It generalises to images that it has not seen, far better than a guess.
    let unseen = mnist().test.take(1_000);
    assert!(accuracy(&unseen) > 0.6, "{}", accuracy(&unseen));
}

#[test]
fn events_come_in_order_and_count_every_image() {
    let (_, progress, recorder) = trained(&small().2);
    let kinds: Vec<&str> = recorder
        .events
        .iter()
        .map(|event| match event {
            Event::Started(_) => "started",
            Event::Untrained(_) => "untrained",
            Event::Step(_) => "step",
            Event::Epoch(_) => "epoch",
            _ => "other",
        })
        .collect();
    let epoch = ["step", "step", "step", "step", "epoch"];
    let expected = [&["started", "untrained"], &epoch[..], &epoch, &epoch].concat();
    assert_eq!(kinds, expected);
    assert_eq!(progress.steps_done, 12);

    let Event::Untrained(untrained) = &recorder.events[1] else {
        panic!("{:?}", recorder.events[1])
    };
    assert!((untrained.expected - 10_f64.ln()).abs() < 1e-12);
    assert!(!untrained.is_suspicious(), "{untrained:?}");
    // The first step's loss is that of the untrained network on the same batch.
    let first = recorder.steps().next().unwrap();
    assert_eq!(first.loss, untrained.loss);
    assert_eq!((first.epoch, first.step, first.steps_per_epoch), (1, 1, 4));
    // The epoch's loss is the mean over images: three steps of 64 and one of 8.
    let losses = recorder.losses();
    let mean = (64. * (losses[0] + losses[1] + losses[2]) + 8. * losses[3]) / 200.;
    assert!((progress.history[0].train.loss - mean).abs() < 1e-12);
}

/// The parameters at the end are those of the best epoch, not those of the last.
#[test]
fn the_best_epoch_is_kept() {
    let config = Config {
        epochs: 6,
        learning_rate: 0.02,
        ..small().2
    };
    let (model, progress, _) = trained(&config);
    let best = progress.best.unwrap();
    let accuracies = progress.history.iter();
    let accuracies: Vec<f64> = accuracies
        .map(|row| row.validation.unwrap().accuracy)
        .collect();
    let highest = accuracies.iter().copied().fold(0., f64::max);
    assert_eq!(best.validation.unwrap().accuracy, highest, "{accuracies:?}");
    let held_out = small().1;
    let backend = Backend::default();
    let again = evaluate(&model, &backend, &held_out, config.normalization()).unwrap();
    assert_eq!(again.loss(), Some(best.validation.unwrap().loss));
    let last_marked = progress.history.iter().rfind(|row| row.is_best).unwrap();
    assert_eq!(last_marked.epoch, best.epoch);
}

/// Patience of one epoch: two without better validation end the training, and the best is kept.
#[test]
fn patience_ends_a_training() {
    let config = Config {
        epochs: 100,
        learning_rate: 0.01,
        patience: Some(1),
        ..small().2
    };
    let (model, mut progress, _) = trained(&config);
    assert_eq!(
        progress.epochs_done,
        progress.best.as_ref().unwrap().epoch + 2
    );
    assert!(progress.epochs_done < 100);
    // Resumed, it is finished.
    let steps = progress.steps_done;
    let (images, held_out, _) = small();
    let sets = (&images, &held_out);
    let (ending, _) = train(&model, sets, &config, &mut progress, None).unwrap();
    assert_eq!((ending, progress.steps_done), (Ending::Finished, steps));
}

#[test]
fn equal_seeds_give_equal_parameters_and_others_do_not() {
    let trained = |seed| {
        let config = Config {
            seed,
            epochs: 1,
            ..small().2
        };
        values(trained(&config).0.parameters())
    };
    assert_eq!(trained(5), trained(5));
    assert_ne!(trained(5), trained(6));
}

/// Checkpoints within an epoch come when they are asked for, and do not change the training.
#[test]
fn checkpoints_come_every_few_steps() {
    let (_, _, config) = small();
    let every = Config {
        checkpoint_every: Some(3),
        ..config.clone()
    };
    let (model, _, recorder) = trained(&every);
    let steps: Vec<u64> = recorder.saved.iter().map(|(step, _)| *step).collect();
    // Every three steps, and after each epoch of four; at 12 an epoch ends anyway.
    assert_eq!(steps, [3, 4, 6, 8, 9, 12]);
    assert!(recorder.saved.windows(2).all(|pair| pair[0].1 != pair[1].1));
    let reference = trained(&config).0;
    assert!(values(model.parameters()) == values(reference.parameters()));
}

/// The average is what is validated and kept; the training continues without it.
#[test]
fn an_average_is_kept_beside_the_training() {
    let (images, held_out, config) = small();
    let after = |average| {
        let config = Config {
            average,
            checkpoint_every: Some(1),
            ..config.clone()
        };
        let model = network(&config);
        let sets = (&images, &held_out.take(0));
        let (_, recorder) = train(&model, sets, &config, &mut Progress::default(), None).unwrap();
        // A quarter of twelve steps.
        (values(model.parameters()), recorder.saved[9..].to_vec())
    };
    let (kept, saved) = after(0.25);
    let (last, plain) = after(0.);
    assert!(saved == plain && last == saved[2].1 && kept != last);
    for (index, &found) in kept.iter().enumerate() {
        let sum: f64 = saved
            .iter()
            .map(|(_, values)| f64::from(values[index]))
            .sum();
        assert!(
            (f64::from(found) - sum / 3.).abs() < 1e-6,
            "{index}: {found}"
        );
    }
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
    let mut progress = Progress::default();
    let sets = (&images, &held_out);
    let Err(error) = train(&model, sets, &config, &mut progress, None) else {
        panic!("a learning rate of 1e30 does not diverge");
    };
    assert_eq!(error.kind(), Kind::Diverged);
    assert!(progress.steps_done >= 1);
    assert!(values(model.parameters()).into_iter().all(f32::is_finite));
    let message = error.to_string();
    let start = "the training diverged at epoch 1, step ";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("learning rate 1e30"), "{message}");
}

/// Finite, but far above guessing: within an epoch after a while, and at the end of a training that is
/// shorter; no such epoch is the best.
#[test]
fn a10_a_loss_far_above_guessing_is_divergence() {
    let (images, held_out, config) = small();
    for (epochs, expected) in [(3, "in the last epoch"), (80, "in the last 100 steps")] {
        let learning_rate = 50.;
        let config = Config {
            epochs,
            learning_rate,
            ..config.clone()
        };
        let mut progress = Progress::default();
        let sets = (&images, &held_out);
        let error = train(&network(&config), sets, &config, &mut progress, None);
        let error = error.err().unwrap();
        assert_eq!(error.kind(), Kind::Diverged);
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("learning rate 50.0"), "{message}");
        assert!(progress.steps_done < 320);
        assert!(progress.history.iter().all(|row| !row.is_best));
    }
}

/// On both engines, whatever the optimiser would do to them.
#[test]
fn frozen_convolutions_stay() {
    let (images, held_out, config) = small();
    let config = Config {
        epochs: 1,
        from: Some("elsewhere".to_owned()),
        freeze: true,
        clip_norm: Some(0.1),
        ..config
    };
    let mut trained = Vec::new();
    for backend in [Backend::default(), Backend::Candle] {
        let model = network(&config);
        let before = model.parameters().values().unwrap();
        let (progress, sets) = (&mut Progress::default(), (&images, &held_out));
        train_on(&backend, &model, sets, &config, progress, None).unwrap();
        let after = model.parameters().values().unwrap();
        assert!(before[..4] == after[..4] && before[4] != after[4]);
        trained.push(after[4..].concat());
    }
    let [fused, candle] = trained.try_into().unwrap();
    let near = std::iter::zip(fused, candle).all(|(a, b): (f32, f32)| (a - b).abs() < 1e-4);
    assert!(near, "the engines clip to other norms");
}

/// A22: sets smaller than a batch, of one image, of one class, and with nothing held out.
#[test]
fn a22_small_sets_train() {
    let (images, _, config) = small();
    let config = Config {
        epochs: 2,
        ..config
    };
    let one_class = Dataset::new(vec![9; 784 * 3], vec![0; 3], ["only"]).unwrap();
    for set in [images.take(1), images.take(63), images.take(65), one_class] {
        let model = network_of(&config, set.classes());
        let mut progress = Progress::default();
        train(&model, (&set, &set.take(0)), &config, &mut progress, None).unwrap();
        assert_eq!(progress.steps_done, 2 * set.len().div_ceil(64) as u64);
        assert_eq!(progress.best.unwrap().epoch, 2);
        assert!(progress.history.iter().all(|row| row.validation.is_none()));
        if set.classes() == 1 {
            assert_eq!(progress.history[1].train.loss, 0.);
        }
    }
}
