//! What the engine does not compute.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lenet_engine::Activation::Relu;
use lenet_engine::engine::{FloatImages, Purpose};
use lenet_engine::optimizer::{Adam, Optimizer};
use lenet_engine::{ConvLayer, Isa, Layers, LinearLayer, Result};

use crate::network::Network;
use crate::{Batch, bits, engine, engine_for, flat, slices};

fn assert_refused<T: Debug>(result: Result<T>, part: &str) {
    let message = result.unwrap_err().to_string();
    assert!(
        message.contains(part),
        "{message:?} should contain {part:?}"
    );
}

#[test]
fn layers_for_which_there_are_no_kernels() {
    let Network { convs, linears, .. } = Network::lenet_5(true, Relu, 1);
    let refused = |convs: &[ConvLayer], linears: &[LinearLayer], message| {
        assert_refused(Layers::new(convs.to_vec(), linears.to_vec()), message);
    };
    let [conv1, conv2] = [convs[0], convs[1]];
    let with = |width, height, padding| ConvLayer {
        width,
        height,
        padding,
        ..conv2
    };
    for (second, message) in [
        (with(13, 14, 0), "width: 13"),
        (with(14, 13, 0), "height: 13"),
        (with(14, 14, 2), "padding: 2"),
        (with(12, 14, 0), "takes [6, 14, 12], but gets [6, 14, 14]"),
    ] {
        refused(&[conv1, second], &linears, message);
    }
    refused(&[], &linears, "begin with a convolution");
    refused(&convs[..1], &linears, "takes 400 features, but gets 1176");
    refused(
        &convs,
        &[linears[0], linears[2]],
        "takes 84 features, but gets 120",
    );
    refused(&convs, &linears[..2], "without activation");
    refused(&convs, &[], "without activation");
    let many = LinearLayer {
        out_features: 257,
        ..linears[2]
    };
    refused(&convs, &[linears[0], linears[1], many], "up to 256 outputs");
}

#[test]
fn parameters_and_moments_of_another_size_change_nothing() {
    let network = Network::lenet_5(true, Relu, 2);
    let mut engine = engine(&network, 1, 1, Isa::fastest());
    let before = bits(&flat(engine.parameters()));
    let sizes = network.layers().parameters();
    let right: Vec<Vec<f32>> = sizes.iter().map(|&size| vec![1.0; size]).collect();
    let mut wrong = right.clone();
    wrong[9].pop();
    let [right, wrong] = [slices(&right), slices(&wrong)];
    assert_refused(engine.set_parameters(&wrong), "the parameters should have");
    assert_refused(engine.set_parameters(&right[..9]), "the parameters should");
    // If the second moments are wrong the first ones stay as they are, too.
    assert_refused(engine.set_moments(1, &right, &wrong), "the second moments");
    assert_eq!(bits(&flat(engine.parameters())), before);
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
    for (labels, smoothing, message) in [
        (&[][..], 0.0, "at least one image"),
        (&batch.labels, 0.0, "at most 20 images at once, got 21"),
        (&[9, 0, 10], 0.0, "label 2 should be below 10, got 10"),
        (&[0], -0.5, "between 0 and 1, got -0.5"),
        (&[0], 1.5, "between 0 and 1, got 1.5"),
    ] {
        assert_refused(engine.gradients(&images, labels, smoothing), message);
    }
    assert_refused(engine.forward(&images, 21), "at most 20 images");
    assert_refused(
        engine.backward(&images, 2, &[0.0; 19]),
        "should be (2, 10), got 19",
    );
    // It still works.
    let found = engine.gradients(&images, &batch.labels[..20], 1.0);
    assert!(found.unwrap().finite);
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
fn a_gradient_that_is_not_finite_is_reported() {
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
    let mut inference = engine_for(Purpose::Inference, &network, 20, 2, Isa::fastest());
    let batch = Batch::new(&network, 20, 1);
    let panics = |job: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(job)).is_err();
    assert!(panics(&mut || {
        let _ = inference.gradients(&batch.images(), &batch.labels, 0.0);
    }));
    let optimizer = Optimizer::Adam(Adam::default());
    assert!(panics(&mut || inference.update(&optimizer, 1.0)));
    let small = FloatImages {
        pixels: &batch.pixels,
        size: 783,
    };
    assert!(panics(&mut || inference.forward(&small, 20).unwrap()));
    inference.forward(&batch.images(), 20).unwrap();
}

/// An engine for inference computes the logits of one for training.
#[test]
fn inference_and_training_compute_equal_logits() {
    let network = Network::lenet_5(true, Relu, 7);
    let batch = Batch::new(&network, 37, 1);
    let mut training = engine(&network, 37, 2, Isa::fastest());
    let found = training.gradients(&batch.images(), &batch.labels, 0.0);
    assert!(found.unwrap().finite);
    let mut inference = engine_for(Purpose::Inference, &network, 40, 1, Isa::fastest());
    inference.forward(&batch.images(), 37).unwrap();
    assert!(inference.logits().flatten().eq(training.logits().flatten()));
    assert_eq!(inference.predicted(), training.predicted());
}
