//! Held to PyTorch: the losses of ten steps of Adam, as `golden.py` of lenet-model computed them in
//! f64.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{DType, Device, Tensor};
use candle_nn::Optimizer as _;
use candle_nn::loss::cross_entropy;
use lenet_model::{Activation, Architecture, LeNet5, Padding};
use lenet_train::{Adam, AdamConfig};

/// The largest difference of the ten losses, in parts of the expected one, with the arithmetic in
/// `dtype`.
fn difference(case: &str, padding: Padding, activation: Activation, dtype: DType) -> f64 {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../model/tests/golden/lenet5.safetensors"
    );
    let golden = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let tensor = |name: &str| golden[&format!("{case}/{name}")].clone();
    let architecture = Architecture {
        padding,
        activation,
        classes: 10,
    };
    let parameter = |name: &str| tensor(&format!("parameters/{name}")).to_dtype(dtype).ok();
    let model = LeNet5::from_tensors(&architecture, parameter).unwrap();
    let mut adam = Adam::new(model.parameters().vars(), AdamConfig::default()).unwrap();
    let images = tensor("images").to_dtype(dtype).unwrap();
    let expected = tensor("adam_losses").to_vec1::<f64>().unwrap();
    assert_eq!(expected.len(), 10);
    let mut largest = 0_f64;
    for expected in expected {
        let loss = cross_entropy(&model.forward(&images).unwrap(), &tensor("labels")).unwrap();
        let found = number(&loss);
        largest = largest.max(((found - expected) / expected).abs());
        adam.backward_step(&loss).unwrap();
    }
    largest
}

fn number(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The smallest mistake that was tried, an epsilon of 1e-9, moves the losses by 2e-6; another order
/// of additions in f64 by less than 1e-14.
#[test]
fn ten_steps_in_f64_are_those_of_pytorch() {
    for (case, padding, activation) in [
        ("same", Padding::Same, Activation::Relu),
        ("valid", Padding::Valid, Activation::Tanh),
    ] {
        let difference = difference(case, padding, activation, DType::F64);
        assert!(difference < 1e-11, "{case}: {difference:e}");
    }
}

/// In f32 the first steps magnify roundings: Adam divides a gradient by its own magnitude, also
/// where that is nothing but rounding.
#[test]
fn ten_steps_in_f32_are_near() {
    for (case, padding, activation) in [
        ("same", Padding::Same, Activation::Relu),
        ("valid", Padding::Valid, Activation::Tanh),
    ] {
        let difference = difference(case, padding, activation, DType::F32);
        assert!(difference < 1e-5, "{case}: {difference:e}");
    }
}
