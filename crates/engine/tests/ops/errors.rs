//! Every refusal names the operation, what it expected and what it got.

use candle_core::{DType, Device, Result, Tensor, Var};
use lenet_engine::ops::{self, Adam, ConvOptions};
use lenet_engine::reference::activation::Activation::{Identity, Relu};
use lenet_engine::reference::adam::Settings;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

fn assert_refused(result: Result<Tensor>, message: &str) {
    let error = result.unwrap_err().to_string();
    // Behind the first line there may be a trace.
    assert_eq!(error.lines().next(), Some(message), "{error}");
}

fn conv2d(x: &Tensor, w: &Tensor, b: &Tensor, padding: usize, pool: bool) -> Result<Tensor> {
    let activation = Relu;
    ops::conv2d(
        x,
        w,
        b,
        ConvOptions {
            padding,
            activation,
            pool,
        },
    )
}

#[test]
fn conv2d_refuses_shapes_that_do_not_fit() {
    let [x, w, b] = [zeros(&[2, 3, 4, 5]), zeros(&[6, 3, 3, 3]), zeros(&[6])];
    assert!(conv2d(&x, &w, &b, 0, true).is_ok());
    let takes =
        "conv2d: an input of shape [2, 3, 4, 5] takes a weight (K, 3, R, R) and a bias (K), got";
    for (weight, bias) in [
        (vec![6, 2, 3, 3], vec![6]),
        (vec![6, 3, 3, 2], vec![6]),
        (vec![6, 3, 3, 3], vec![5]),
        (vec![6, 3, 3, 3], vec![6, 1]),
    ] {
        let message = format!("{takes} {weight:?} and {bias:?}");
        assert_refused(
            conv2d(&x, &zeros(&weight), &zeros(&bias), 0, true),
            &message,
        );
    }
    for flat in [
        conv2d(&zeros(&[2, 3, 4]), &w, &b, 0, true),
        conv2d(&x, &zeros(&[6, 27]), &b, 0, true),
    ] {
        let error = flat.unwrap_err().to_string();
        assert!(error.contains("unexpected rank, expected: 4"), "{error}");
    }
}

#[test]
fn conv2d_refuses_windows_that_do_not_fit() {
    let between = "the window should be between 1x1 and the padded input's";
    for (kernel, padding, pool, message) in [
        (5, 0, false, format!("conv2d: {between} 4x5, got 5x5")),
        (7, 1, false, format!("conv2d: {between} 6x7, got 7x7")),
        (0, 1, false, format!("conv2d: {between} 6x7, got 0x0")),
        (4, 0, true, format!("avg_pool2d: {between} 1x2, got 2x2")),
    ] {
        let weight = zeros(&[6, 3, kernel, kernel]);
        let result = conv2d(&zeros(&[2, 3, 4, 5]), &weight, &zeros(&[6]), padding, pool);
        assert_refused(result, &message);
    }
}

#[test]
fn linear_refuses_shapes_that_do_not_fit() {
    let [x, w, b] = [zeros(&[2, 3]), zeros(&[4, 3]), zeros(&[4])];
    assert!(ops::linear(&x, &w, &b, Identity).is_ok());
    let takes = "linear: an input of shape [2, 3] takes a weight (O, 3) and a bias (O), got";
    for (weight, bias) in [
        (vec![4, 2], vec![4]),
        (vec![4, 3], vec![3]),
        (vec![4, 3], vec![1, 4]),
    ] {
        let result = ops::linear(&x, &zeros(&weight), &zeros(&bias), Identity);
        assert_refused(result, &format!("{takes} {weight:?} and {bias:?}"));
    }
    let result = ops::linear(&zeros(&[2, 1, 3]), &w, &b, Identity);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("unexpected rank, expected: 2"), "{error}");
}

#[test]
fn other_element_types_are_refused() {
    let double = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
    let message = |op| format!("{op}: the numbers should be f32, got F64");
    let [x, w, b] = [zeros(&[2, 3, 4, 5]), zeros(&[6, 3, 3, 3]), zeros(&[6])];
    assert_refused(conv2d(&double(&x), &w, &b, 0, true), &message("conv2d"));
    assert_refused(conv2d(&x, &double(&w), &b, 0, true), &message("conv2d"));
    assert_refused(conv2d(&x, &w, &double(&b), 0, true), &message("conv2d"));
    let [x, w, b] = [zeros(&[2, 3]), zeros(&[4, 3]), zeros(&[4])];
    assert_refused(ops::linear(&double(&x), &w, &b, Relu), &message("linear"));
    assert_refused(ops::linear(&x, &double(&w), &b, Relu), &message("linear"));
    assert_refused(ops::linear(&x, &w, &double(&b), Relu), &message("linear"));
    let labels = Tensor::new(&[0_u32, 1], &Device::Cpu).unwrap();
    assert_refused(
        ops::cross_entropy(&double(&x), &labels, 0.0),
        &message("cross_entropy"),
    );
    let floats = labels.to_dtype(DType::F32).unwrap();
    assert!(ops::cross_entropy(&x, &floats, 0.0).is_err());

    let var = Var::zeros(3, DType::F64, &Device::Cpu).unwrap();
    let gradients = var.sum_all().unwrap().backward().unwrap();
    let result = Adam::new(vec![var], Settings::default()).step(&gradients);
    assert_refused(result.map(|()| x), &message("adam"));
}

#[test]
fn cross_entropy_refuses_what_has_no_mean() {
    let z = zeros(&[2, 3]);
    let loss = |labels: &[u32], smoothing| {
        ops::cross_entropy(&z, &Tensor::new(labels, &Device::Cpu).unwrap(), smoothing)
    };
    assert!(loss(&[0, 2], 1.0).is_ok());
    assert_refused(
        loss(&[0, 3], 0.0),
        "cross_entropy: label 1 should be below 3, got 3",
    );
    assert_refused(
        loss(&[0], 0.0),
        "cross_entropy: 1 labels for logits of shape [2, 3]",
    );
    for (smoothing, got) in [(-0.1, "-0.1"), (1.5, "1.5"), (f64::NAN, "NaN")] {
        let message = "cross_entropy: label_smoothing should be between 0 and 1, got";
        assert_refused(loss(&[0, 2], smoothing), &format!("{message} {got}"));
    }
    let none = Tensor::zeros(0, DType::U32, &Device::Cpu).unwrap();
    let message = "cross_entropy: the batch should hold at least one image, got none";
    assert_refused(ops::cross_entropy(&zeros(&[0, 3]), &none, 0.0), message);
}
