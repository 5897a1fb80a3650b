//! What a page shows of a network, against a plain computation from the logits of `forward`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use candle_core::Device;
use common::{mnist, network, small, train};
use lenet_data::{Dataset, batches};
use lenet_model::{Architecture, LeNet5};
use lenet_run::Inspection;
use lenet_train::{Backend, Config, Metrics, Progress, evaluate};

/// On the engine.
fn inspect(
    model: &LeNet5,
    images: &Dataset,
    config: &Config,
) -> lenet_train::Result<(Metrics, Inspection)> {
    lenet_train::inspect(model, &Backend::default(), images, config.normalization())
}

/// A network that knows some digits and not others, with the images to ask it.
fn learnt() -> (LeNet5, Dataset, Config) {
    let (images, held_out, config) = small();
    let config = Config {
        epochs: 12,
        ..config
    };
    let model = network(&config);
    let sets = (&images, &held_out);
    train(&model, sets, &config, &mut Progress::default(), None).unwrap();
    (model, mnist().test.take(700), config)
}

/// The probabilities of each image, from logits of the model's own `forward`.
fn probabilities(model: &LeNet5, images: &Dataset, config: &Config) -> Vec<Vec<f64>> {
    let order = 0..images.len() as u32;
    let all = batches(images, order, images.len(), config.normalization());
    let images = all.into_iter().next().unwrap().unwrap().images;
    let rows = model.forward(&images).unwrap().to_vec2::<f32>().unwrap();
    rows.into_iter()
        .map(|row| {
            let powers: Vec<f64> = row.iter().map(|&logit| f64::from(logit).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.iter().map(|power| power / sum).collect()
        })
        .collect()
}

fn close(a: f64, b: f64) -> bool {
    // The engine and the operations add up in f32 in different orders: logits of about 10 differ by
    // less than 1e-5. A bin more or less of 700 images moves every figure here by more than 1e-4.
    (a - b).abs() < 5e-5
}

#[test]
fn calibration_is_that_of_a_naive_computation() {
    let (model, images, config) = learnt();
    let (_, inspection) = inspect(&model, &images, &config).unwrap();
    let probabilities = probabilities(&model, &images, &config);
    let answers: Vec<(f64, bool)> = std::iter::zip(&probabilities, images.iter())
        .map(|(row, (_, label))| {
            let confidence = row.iter().copied().fold(0., f64::max);
            (confidence, row[usize::from(label)] == confidence)
        })
        .collect();
    assert_eq!(inspection.calibration.bins.len(), 15);
    let mut error = 0.;
    let mut filled = 0;
    for (number, bin) in inspection.calibration.bins.iter().enumerate() {
        let (low, high) = (number as f64 / 15., (number + 1) as f64 / 15.);
        let inside: Vec<_> = answers
            .iter()
            .filter(|(confidence, _)| (low < *confidence) && (*confidence <= high))
            .collect();
        assert_eq!(bin.count, inside.len() as u64, "bin {number}");
        if inside.is_empty() {
            assert_eq!((bin.confidence, bin.accuracy), (None, None));
            continue;
        }
        filled += 1;
        let count = inside.len() as f64;
        let confidence = inside.iter().map(|(confidence, _)| confidence).sum::<f64>() / count;
        let accuracy = inside.iter().filter(|(_, right)| *right).count() as f64 / count;
        assert!(close(bin.confidence.unwrap(), confidence), "bin {number}");
        assert!(close(bin.accuracy.unwrap(), accuracy), "bin {number}");
        error += count / images.len() as f64 * (accuracy - confidence).abs();
    }
    assert!(filled > 5, "only {filled} bins have images");
    let got = inspection.calibration.expected_calibration_error.unwrap();
    assert!(error > 0.005 && close(got, error), "{got}, not {error}");
}

#[test]
fn the_worst_mistakes_are_sorted_and_show_their_images() {
    let (model, images, config) = learnt();
    let (metrics, inspection) = inspect(&model, &images, &config).unwrap();
    let probabilities = probabilities(&model, &images, &config);
    // Every mistake with its loss, worst first.
    let mut expected: Vec<(usize, f64)> = probabilities
        .iter()
        .zip(images.iter())
        .map(|(row, (_, label))| (row, usize::from(label)))
        .enumerate()
        .filter(|(_, (row, label))| row.iter().any(|other| *other > row[*label]))
        .map(|(index, (row, label))| (index, -row[label].ln()))
        .collect();
    assert_eq!(expected.len() as u64, metrics.errors());
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    assert!(expected.len() > 24);
    assert_eq!(inspection.mistakes.len(), 24);
    for (mistake, (index, loss)) in std::iter::zip(&inspection.mistakes, expected) {
        assert!((mistake.loss - loss).abs() < 1e-3, "{mistake:?}");
        assert_eq!(mistake.index, index);
        let (pixels, label) = images.get(mistake.index).unwrap();
        assert_eq!(mistake.label, u32::from(label));
        assert_ne!(mistake.predicted, mistake.label);
        let row = &probabilities[mistake.index];
        assert!(close(mistake.label_probability, row[usize::from(label)]));
        let predicted = mistake.predicted as usize;
        assert!(close(mistake.predicted_probability, row[predicted]));
        assert!(row.iter().all(|other| *other <= row[predicted]));
        assert_eq!(mistake.pixels.0, pixels);
    }
}

#[test]
fn filters_and_maps_are_the_models_own_and_metrics_those_of_evaluate() {
    let (model, images, config) = learnt();
    let normalization = config.normalization();
    let (metrics, inspection) = inspect(&model, &images, &config).unwrap();
    assert_eq!(
        metrics,
        evaluate(&model, &Backend::default(), &images, normalization).unwrap()
    );

    let filters = &inspection.filters;
    assert_eq!((filters.height, filters.width), (5, 5));
    let weight = model.parameters().get("conv1.weight").unwrap();
    let weight = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(filters.maps.concat(), weight);
    assert_eq!(filters.maps.len(), 6);

    let sample = inspection.sample.unwrap();
    let (pixels, label) = images.get(0).unwrap();
    assert_eq!((sample.index, sample.label), (0, u32::from(label)));
    assert_eq!(sample.pixels.0, pixels);
    let probabilities = probabilities(&model, &images.take(1), &config);
    for (got, expected) in std::iter::zip(&sample.probabilities, &probabilities[0]) {
        assert!(close(*got, *expected));
    }
    let batch = batches(&images, [0], 1, normalization).next();
    let maps = model.feature_maps(&batch.unwrap().unwrap().images).unwrap();
    assert_eq!(sample.feature_maps.len(), 2);
    for (got, expected) in std::iter::zip(&sample.feature_maps, maps) {
        let (_, count, height, width) = expected.dims4().unwrap();
        assert_eq!(
            (got.maps.len(), got.height, got.width),
            (count, height, width)
        );
        let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(got.maps.concat(), expected);
    }
}

#[test]
fn both_engines_see_the_same() {
    let (model, images, config) = learnt();
    let images = images.take(300);
    let see = |backend: Backend| -> Inspection {
        let normalization = config.normalization();
        lenet_train::inspect(&model, &backend, &images, normalization)
            .unwrap()
            .1
    };
    let (fused, candle) = (see(Backend::default()), see(Backend::Candle));
    let indices = |seen: &Inspection| -> Vec<usize> {
        seen.mistakes.iter().map(|mistake| mistake.index).collect()
    };
    assert_eq!(indices(&fused), indices(&candle));
    let error = |seen: &Inspection| seen.calibration.expected_calibration_error.unwrap();
    assert!(close(error(&fused), error(&candle)));
}

/// Other classes than ten, few images, and weights that are no numbers.
#[test]
fn sets_of_all_kinds_are_inspected() {
    let architecture = Architecture {
        classes: 26,
        ..Architecture::default()
    };
    let config = Config::default();
    let model = LeNet5::new(&architecture, config.init, 1, &Device::Cpu).unwrap();
    let names = (0..26).map(|class| format!("c{class}"));
    let images = Dataset::new(vec![9; 3 * 784], vec![25, 0, 7], names).unwrap();
    let (metrics, inspection) = inspect(&model, &images, &config).unwrap();
    assert_eq!(inspection.mistakes.len() as u64, metrics.errors());
    assert_eq!(inspection.sample.unwrap().probabilities.len(), 26);

    let bias = model.parameters().get("fc3.bias").unwrap();
    bias.set(&bias.affine(0., f64::NAN).unwrap()).unwrap();
    let (metrics, inspection) = inspect(&model, &images, &config).unwrap();
    assert_eq!((metrics.count(), inspection.mistakes.len()), (3, 0));
    assert_eq!(inspection.calibration.expected_calibration_error, None);
    assert!(serde_json::to_string(&inspection).unwrap().contains("null"));
}
