//! The network as one operation, trained by an optimiser of candle-nn through a `VarMap`.

use candle_core::{DType, Device, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Init as NnInit, Optimizer as _, VarMap};
use lenet_model::{Architecture, Init, LeNet5};

/// The losses of five steps of AdamW over the variables of a `VarMap`, and the parameters after.
fn trained(is_fused: bool) -> (Vec<f32>, Vec<Vec<f32>>) {
    let (architecture, device) = (Architecture::default(), Device::Cpu);
    let drawn = LeNet5::new(&architecture, Init::PyTorch, 5, &device).unwrap();
    let mut vars = VarMap::new();
    for (name, value) in drawn.parameters().iter() {
        let zeros = NnInit::Const(0.);
        vars.get(value.shape(), name, zeros, DType::F32, &device)
            .unwrap();
        vars.set_one(name, value.as_tensor()).unwrap();
    }
    let named = vars.data().lock().unwrap();
    let tensor = |name: &str| Some(named.get(name)?.as_tensor().clone());
    let model = LeNet5::from_tensors(&architecture, tensor).unwrap();
    drop(named);
    let fused = model.fused().unwrap();
    // Two blocks of 16 images and a part of one, whose labels follow from their brightness.
    let pixels =
        (0..37 * 784_u32).map(|i| (i * 7_919 % 1_000) as f32 / 1_000. * (i / 784) as f32 / 37.);
    let images = Tensor::from_iter(pixels, &device).unwrap();
    let images = images.reshape((37, 1, 28, 28)).unwrap();
    let labels = Tensor::from_iter((0..37_u32).map(|i| i * 10 / 37), &device).unwrap();

    let mut optimizer = AdamW::new_lr(vars.all_vars(), 1e-3).unwrap();
    let losses = (0..5).map(|_| {
        let logits = if is_fused {
            fused.forward(&images).unwrap()
        } else {
            model.forward(&images).unwrap()
        };
        let loss = cross_entropy(&logits, &labels).unwrap();
        let gradients = loss.backward().unwrap();
        for (name, var) in model.parameters().iter() {
            assert!(gradients.get(var).is_some(), "{name}");
        }
        optimizer.step(&gradients).unwrap();
        loss.to_scalar::<f32>().unwrap()
    });
    (losses.collect(), model.parameters().values().unwrap())
}

/// A step moves a parameter by up to 1e-3, whichever way; gradients that are nothing but rounding,
/// as of pixels that are 0 everywhere, may go either. The loss shows what matters.
#[test]
fn five_steps_of_adamw_through_a_var_map() {
    let (losses, parameters) = trained(true);
    let (expected, expected_parameters) = trained(false);
    for (found, expected) in losses.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 2e-5 * expected,
            "{losses:?} {expected:?}"
        );
    }
    assert!(losses[4] < losses[0], "{losses:?}");
    for (found, expected) in parameters
        .iter()
        .flatten()
        .zip(expected_parameters.iter().flatten())
    {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}
