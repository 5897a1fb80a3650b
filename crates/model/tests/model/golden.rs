//! Held to PyTorch: logits, loss and every gradient, as `golden/golden.py` computed them in f64.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::loss::cross_entropy;
use lenet_model::{Activation, Architecture, LeNet5, Padding};

const CASES: [(&str, Padding, Activation); 2] = [
    ("same", Padding::Same, Activation::Relu),
    ("valid", Padding::Valid, Activation::Tanh),
];

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/lenet5.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, in parts of the expected tensor's largest magnitude.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    let (found, expected) = (numbers(found), numbers(expected));
    assert_eq!(found.len(), expected.len());
    let scale = expected
        .iter()
        .fold(0_f64, |max, value| max.max(value.abs()));
    assert!(scale > 0.);
    let distance = std::iter::zip(found, expected).map(|(a, b)| (a - b).abs());
    distance.fold(
        0_f64,
        |max, own| if own > max || own.is_nan() { own } else { max },
    ) / scale
}

/// The differences of logits, loss and each gradient from the golden ones, with the arithmetic in
/// `dtype`, by candle's operations or as one operation.
fn differences(dtype: DType, is_fused: bool) -> Vec<(String, f64)> {
    let golden = golden();
    let mut found = Vec::new();
    for (case, padding, activation) in CASES {
        let tensor = |name: &str| golden[&format!("{case}/{name}")].clone();
        let architecture = Architecture {
            padding,
            activation,
            classes: 10,
        };
        let parameter = |name: &str| tensor(&format!("parameters/{name}")).to_dtype(dtype).ok();
        let model = LeNet5::from_tensors(&architecture, parameter).unwrap();
        let images = tensor("images").to_dtype(dtype).unwrap();
        let logits = if is_fused {
            model.fused().unwrap().forward(&images).unwrap()
        } else {
            model.forward(&images).unwrap()
        };
        let loss = cross_entropy(&logits, &tensor("labels")).unwrap();
        let gradients = loss.backward().unwrap();

        let mut compare = |name: &str, own: &Tensor| {
            found.push((format!("{case}/{name}"), difference(own, &tensor(name))));
        };
        compare("logits", &logits);
        compare("loss", &loss);
        for (name, var) in model.parameters().iter() {
            compare(&format!("gradients/{name}"), gradients.get(var).unwrap());
        }
    }
    assert_eq!(found.len(), 2 * (1 + 1 + 10));
    found
}

/// Another order of additions moves f64 results by less than 1e-14; the smallest mistake that was
/// tried, one convolution in f32, moves them by more than 1e-11.
#[test]
fn f64_is_that_of_pytorch() {
    for (name, difference) in differences(DType::F64, false) {
        assert!(difference < 1e-12, "{name}: {difference:e}");
    }
}

/// In f32 sums that nearly cancel, such as the first convolution's bias gradient, lose most digits:
/// 1.5e-5 was measured there and 4e-6 elsewhere. A mistake in a formula shows as 1e-2 and more.
#[test]
fn f32_is_near_in_many_operations_and_in_one() {
    for is_fused in [false, true] {
        for (name, difference) in differences(DType::F32, is_fused) {
            assert!(difference < 5e-5, "{name}: {difference:e}, {is_fused}");
        }
    }
}
