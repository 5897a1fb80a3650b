//! What the engine refuses, with what it expected and what it got.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lenet_engine::engine::{Engine, FloatImages, Layers, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::reference::activation::Activation::{Identity, Relu};
use lenet_engine::reference::adam::Settings;
use lenet_engine::{ConvLayer, Isa, LinearLayer, Result};

use crate::network::Network;
use crate::{Batch, bits, engine, flat};

fn assert_refused<T: Debug>(result: Result<T>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

#[test]
fn layers_must_fit_to_each_other() {
    let Network { convs, linears, .. } = Network::lenet_5(true, Relu, 1);
    assert!(Layers::new(convs.clone(), linears.clone()).is_ok());
    let refused = |convs: &[ConvLayer], linears: &[LinearLayer], message| {
        assert_refused(Layers::new(convs.to_vec(), linears.to_vec()), message);
    };
    let narrow = ConvLayer {
        width: 13,
        ..convs[1]
    };
    let message = "convolution layer 1: takes [6, 14, 13], but is given [6, 14, 14]";
    refused(&[convs[0], narrow], &linears, message);
    refused(
        &convs[..1],
        &linears,
        "linear layer 0: takes [400], but is given [1176]",
    );
    let message = "linear layer 1: takes [84], but is given [120]";
    refused(&convs, &[linears[0], linears[2]], message);
    refused(
        &[],
        &linears,
        "convolution layer 0: takes [0], but is given [1]",
    );
    assert!(Layers::new(convs.clone(), Vec::new()).is_err());
    let ends = LinearLayer {
        activation: Relu,
        ..linears[2]
    };
    assert!(Layers::new(convs.clone(), vec![linears[0], linears[1], ends]).is_err());
    let large = ConvLayer {
        kernel: 33,
        ..convs[0]
    };
    let message =
        "conv2d: the window should be between 1x1 and the padded input's 32x32, got 33x33";
    refused(&[large, convs[1]], &linears, message);
}

#[test]
fn parameters_and_moments_of_another_size_change_nothing() {
    let network = Network::lenet_5(true, Relu, 2);
    let mut engine = engine(&network, 1, 1, Isa::fastest());
    let before = bits(&flat(engine.parameters()));
    let mut values: Vec<Vec<f32>> = network
        .layers()
        .parameters()
        .iter()
        .map(|&size| vec![1.0; size])
        .collect();
    values[9].pop();
    let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let message =
        |operand| format!("engine: {operand} should hold 61706 elements ([61706]), got 61705");
    assert_refused(engine.set_parameters(&slices), &message("parameters"));
    assert_refused(
        engine.set_moments(1, &slices, &slices),
        &message("first moments"),
    );
    assert!(engine.set_parameters(&slices[..9]).is_err());
    assert_eq!(bits(&flat(engine.parameters())), before);
    let (step, first, _) = engine.moments();
    assert_eq!(step, 0);
    assert!(flat(first).iter().all(|&m| m == 0.0));

    // Where the second moments are wrong the first ones stay as they are, too.
    values[9].push(1.0);
    let right: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let wrong = &right[..9];
    assert!(engine.set_moments(1, &right, wrong).is_err());
    let (step, first, _) = engine.moments();
    assert_eq!(step, 0);
    assert!(flat(first).iter().all(|&m| m == 0.0));
}

#[test]
fn batches_that_have_no_gradient() {
    let network = Network::lenet_5(true, Relu, 3);
    let mut engine = engine(&network, 20, 2, Isa::fastest());
    let batch = Batch::new(&network, 21, 1);
    let images = batch.images();
    let refused = |engine: &mut Engine, labels: &[u32], smoothing, message: &str| {
        assert_refused(engine.gradients(&images, labels, smoothing), message);
    };
    let message = "gradients: the batch should hold at least one image, got none";
    refused(&mut engine, &[], 0.0, message);
    let message = "forward: at most 20 images at once, got 21";
    refused(&mut engine, &batch.labels, 0.0, message);
    assert_refused(engine.forward(&images, 21), message);
    let many = vec![0; 40];
    refused(
        &mut engine,
        &many,
        0.0,
        "forward: at most 20 images at once, got 40",
    );
    let message = "gradients: label 2 should be below 10, got 10";
    refused(&mut engine, &[9, 0, 10], 0.0, message);
    for smoothing in [-0.5, 1.5] {
        let message =
            format!("gradients: label_smoothing should be between 0 and 1, got {smoothing}");
        refused(&mut engine, &[0], smoothing, &message);
    }
    // It still works.
    assert!(
        engine
            .gradients(&images, &batch.labels[..20], 1.0)
            .unwrap()
            .finite
    );
}

/// No image, no result, no panic.
#[test]
fn a_forward_pass_of_nothing() {
    let network = Network::lenet_5(true, Relu, 4);
    let mut engine = engine(&network, 20, 2, Isa::fastest());
    let batch = Batch::new(&network, 3, 1);
    engine.forward(&batch.images(), 3).unwrap();
    assert_eq!((engine.predicted().len(), engine.logits().count()), (3, 3));
    engine.forward(&batch.images(), 0).unwrap();
    assert_eq!((engine.predicted().len(), engine.logits().count()), (0, 0));
}

#[test]
fn a_gradient_that_is_no_number_is_told() {
    let network = Network::lenet_5(true, Relu, 5);
    for isa in Isa::available() {
        let mut engine = engine(&network, 20, 2, isa);
        let mut batch = Batch::new(&network, 20, 1);
        for sick in [f32::NAN, f32::INFINITY] {
            let healthy = std::mem::replace(&mut batch.pixels[18 * 784 + 400], sick);
            let found = engine
                .gradients(&batch.images(), &batch.labels, 0.0)
                .unwrap();
            assert!(!found.finite, "{isa}, {sick}");
            batch.pixels[18 * 784 + 400] = healthy;
            // Neither does it stay in the lane that has no image in the next batch.
            for images in [17, 20] {
                let labels = &batch.labels[..images];
                let found = engine.gradients(&batch.images(), labels, 0.0).unwrap();
                let what = format!("{isa}, {images} images after {sick}");
                assert!(found.finite && found.loss.is_finite(), "{what}");
                let mut fresh = crate::engine(&network, 20, 2, isa);
                fresh.gradients(&batch.images(), labels, 0.0).unwrap();
                let [used, fresh] = [&engine, &fresh].map(|e| bits(&flat(e.last_gradients())));
                assert!(used == fresh, "{what}");
            }
        }
    }
}

#[test]
fn misuse_panics() {
    let network = Network::lenet_5(true, Relu, 6);
    let pool = Arc::new(Pool::exactly(2));
    let layers = network.layers();
    let mut inference = Engine::new(layers, Purpose::Inference, 20, pool, Isa::fastest());
    let batch = Batch::new(&network, 20, 1);
    inference.forward(&batch.images(), 20).unwrap();
    let panics = |job: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(job)).is_err();
    assert!(panics(&mut || {
        let _ = inference.gradients(&batch.images(), &batch.labels, 0.0);
    }));
    assert!(panics(&mut || inference.adam(&Settings::default())));
    let small = FloatImages {
        pixels: &batch.pixels,
        size: 783,
    };
    assert!(panics(&mut || inference.forward(&small, 20).unwrap()));
    inference.forward(&batch.images(), 20).unwrap();
}

/// An engine for inference gives the logits of one for training.
#[test]
fn inference_and_training_give_equal_logits() {
    let network = Network::lenet_5(true, Relu, 7);
    let batch = Batch::new(&network, 37, 1);
    let mut training = engine(&network, 37, 2, Isa::fastest());
    training
        .gradients(&batch.images(), &batch.labels, 0.0)
        .unwrap();
    let pool = Arc::new(Pool::exactly(1));
    let mut inference = Engine::new(
        network.layers(),
        Purpose::Inference,
        40,
        pool,
        Isa::fastest(),
    );
    let parameters: Vec<&[f32]> = training.parameters().collect();
    inference.set_parameters(&parameters).unwrap();
    inference.forward(&batch.images(), 37).unwrap();
    assert!(inference.logits().flatten().eq(training.logits().flatten()));
    assert_eq!(inference.predicted(), training.predicted());
    assert_eq!(inference.layers().linears()[2].activation, Identity);
}
