//! What a page shows of a network, against a plain computation from the logits of `forward`.

use candle_core::Tensor;
use lenet_data::{Dataset, batches};
use lenet_model::LeNet5;
use lenet_run::Inspection;
use lenet_train::{Backend, Config, Metrics, evaluate, inspect};

use crate::{mnist, network_of, small, trained};

/// A network that knows some digits and not others, with images to ask it about.
fn learnt() -> (LeNet5, Dataset, Config) {
    let config = Config {
        epochs: 12,
        ..small().2
    };
    (trained(&config).0, mnist().test.take(700), config)
}

fn on_engine(model: &LeNet5, images: &Dataset, config: &Config) -> (Metrics, Inspection) {
    let tested = inspect(model, &Backend::default(), images, config.normalization()).unwrap();
    (tested.metrics, tested.inspection)
}

fn tensor(images: &Dataset, config: &Config) -> Tensor {
    let order = 0..images.len() as u32;
    let mut all = batches(images, order, images.len(), config.normalization());
    all.next().unwrap().unwrap().images
}

/// The probabilities of each image, from logits of the model's own `forward`.
fn probabilities(model: &LeNet5, images: &Dataset, config: &Config) -> Vec<Vec<f64>> {
    let logits = model.forward(&tensor(images, config)).unwrap();
    let rows = logits.to_vec2::<f32>().unwrap();
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
    let (_, inspection) = on_engine(&model, &images, &config);
    let probabilities = probabilities(&model, &images, &config);
    let answers: Vec<(f64, bool)> = std::iter::zip(&probabilities, images.iter())
        .map(|(row, (_, label))| {
            let confidence = row.iter().copied().fold(0., f64::max);
            (confidence, row[usize::from(label)] == confidence)
        })
        .collect();
    assert_eq!(inspection.calibration.bins.len(), 15);
    let (mut error, mut filled) = (0., 0);
    for (number, bin) in inspection.calibration.bins.iter().enumerate() {
        let (low, high) = (number as f64 / 15., (number + 1) as f64 / 15.);
        let inside: Vec<_> = answers
            .iter()
            .filter(|(confidence, _)| low < *confidence && *confidence <= high)
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
    let found = inspection.calibration.expected_calibration_error.unwrap();
    assert!(error > 0.005 && close(found, error), "{found}, not {error}");
}

#[test]
fn the_worst_mistakes_are_sorted_and_show_their_images() {
    let (model, images, config) = learnt();
    let (metrics, inspection) = on_engine(&model, &images, &config);
    let probabilities = probabilities(&model, &images, &config);
    // Every mistake with its loss, worst first.
    let mut expected: Vec<(usize, f64)> = std::iter::zip(&probabilities, images.iter())
        .enumerate()
        .map(|(index, (row, (_, label)))| (index, row, usize::from(label)))
        .filter(|(_, row, label)| row.iter().any(|other| *other > row[*label]))
        .map(|(index, row, label)| (index, -row[label].ln()))
        .collect();
    assert_eq!(expected.len() as u64, metrics.errors());
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    assert!(expected.len() > 24 && inspection.mistakes.len() == 24);
    for (mistake, (index, loss)) in std::iter::zip(&inspection.mistakes, expected) {
        assert!((mistake.loss - loss).abs() < 1e-3, "{mistake:?}");
        assert_eq!(mistake.index, index);
        let (pixels, label) = images.get(index).unwrap();
        assert_eq!(mistake.label, u32::from(label));
        assert_ne!(mistake.predicted, mistake.label);
        let row = &probabilities[index];
        assert!(close(mistake.label_probability, row[usize::from(label)]));
        let predicted = mistake.predicted as usize;
        assert!(close(mistake.predicted_probability, row[predicted]));
        assert!(row.iter().all(|other| *other <= row[predicted]));
        assert_eq!(mistake.pixels.0, pixels);
    }
    // candle's operations see the same.
    let normalization = config.normalization();
    let candle = inspect(&model, &Backend::Candle, &images, normalization).unwrap();
    let candle = candle.inspection;
    for (mistake, expected) in std::iter::zip(&candle.mistakes, &inspection.mistakes) {
        assert_eq!(mistake.index, expected.index);
    }
}

#[test]
fn filters_and_maps_are_the_models_own_and_metrics_those_of_evaluate() {
    let (model, images, config) = learnt();
    let (metrics, inspection) = on_engine(&model, &images, &config);
    let backend = Backend::default();
    let evaluated = evaluate(&model, &backend, &images, config.normalization());
    assert_eq!(metrics, evaluated.unwrap());

    let filters = &inspection.filters;
    assert_eq!(
        (filters.height, filters.width, filters.maps.len()),
        (5, 5, 6)
    );
    let weight = model.parameters().get("conv1.weight").unwrap();
    let weight = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(filters.maps.concat(), weight);

    let sample = inspection.sample.unwrap();
    let (pixels, label) = images.get(0).unwrap();
    assert_eq!((sample.index, sample.label), (0, u32::from(label)));
    assert_eq!(sample.pixels.0, pixels);
    let first = images.take(1);
    let expected = &probabilities(&model, &first, &config)[0];
    assert!(std::iter::zip(&sample.probabilities, expected).all(|(a, b)| close(*a, *b)));
    let maps = model.feature_maps(&tensor(&first, &config)).unwrap();
    assert_eq!(sample.feature_maps.len(), 2);
    for (found, expected) in std::iter::zip(&sample.feature_maps, maps) {
        let (_, count, height, width) = expected.dims4().unwrap();
        let size = (found.maps.len(), found.height, found.width);
        assert_eq!(size, (count, height, width));
        let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found.maps.concat(), expected);
    }
}

/// Other classes than ten, few images, and weights that are NaN.
#[test]
fn sets_of_all_kinds_are_inspected() {
    let config = Config::default();
    let model = network_of(&config, 26);
    let names = (0..26).map(|class| format!("c{class}"));
    let images = Dataset::new(vec![9; 3 * 784], vec![25, 0, 7], names).unwrap();
    let (metrics, inspection) = on_engine(&model, &images, &config);
    assert_eq!(inspection.mistakes.len() as u64, metrics.errors());
    assert_eq!(inspection.sample.unwrap().probabilities.len(), 26);

    let bias = model.parameters().get("fc3.bias").unwrap();
    bias.set(&bias.affine(0., f64::NAN).unwrap()).unwrap();
    let (metrics, inspection) = on_engine(&model, &images, &config);
    assert_eq!((metrics.count(), inspection.mistakes.len()), (3, 0));
    assert_eq!(inspection.calibration.expected_calibration_error, None);
    assert!(serde_json::to_string(&inspection).unwrap().contains("null"));
}
