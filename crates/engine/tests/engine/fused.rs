//! The whole network as one operation of candle: values, gradients and an optimiser's steps.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use lenet_engine::engine::{Engine, FloatImages, Precision, Purpose, Setup};
use lenet_engine::pool::Pool;
use lenet_engine::{Activation, FusedNetwork, Isa, Layers};

use crate::layers::lenet_5;

const CLASSES: usize = 10;

/// With padding 0 and tanh, whose slope, unlike ReLU's, is the same everywhere in candle.
fn layers() -> Layers {
    lenet_5(0, Activation::Tanh)
}

fn parameters() -> Vec<Var> {
    let mut values = crate::common::Values::new(5);
    let convs: [&[usize]; 4] = [&[6, 1, 5, 5], &[6], &[16, 6, 5, 5], &[16]];
    let linears: [&[usize]; 6] = [&[120, 256], &[120], &[84, 120], &[84], &[10, 84], &[10]];
    let var = |shape: &[usize]| {
        let fan_in: usize = shape[1..].iter().product();
        let scale = 1.0 / (fan_in as f64).sqrt();
        let numbers: Vec<f64> = values.array(shape).iter().map(|x| x * scale).collect();
        Var::from_vec(crate::common::cast::<f32>(&numbers), shape, &Device::Cpu).unwrap()
    };
    convs.into_iter().chain(linears).map(var).collect()
}

fn images(count: usize) -> Tensor {
    let pixels = crate::common::Values::new(6).array(&[count, 784]);
    Tensor::from_vec(
        crate::common::cast::<f32>(&pixels),
        (count, 1, 28, 28),
        &Device::Cpu,
    )
    .unwrap()
}

fn labels(count: usize) -> Tensor {
    Tensor::new(
        crate::common::Values::new(7).labels(count, CLASSES),
        &Device::Cpu,
    )
    .unwrap()
}

fn network() -> FusedNetwork {
    FusedNetwork::new(layers(), Arc::new(Pool::exactly(2))).unwrap()
}

fn fused(network: &FusedNetwork, images: &Tensor, parameters: &[Var]) -> Result<Tensor> {
    let parameters: Vec<&Tensor> = parameters.iter().map(Var::as_tensor).collect();
    network.forward(images, &parameters)
}

/// The same network by candle's own operations.
fn plain(images: &Tensor, parameters: &[Var]) -> Result<Tensor> {
    let conv = |x: &Tensor, at: usize| {
        let x = x.conv2d(&parameters[at], 0, 1, 1, 1)?;
        let bias = parameters[at + 1].reshape((1, (), 1, 1))?;
        x.broadcast_add(&bias)?.tanh()?.avg_pool2d(2)
    };
    let linear = |x: &Tensor, at: usize| {
        x.matmul(&parameters[at].t()?)?
            .broadcast_add(&parameters[at + 1])
    };
    let x = conv(images, 0)?; // (B, 6, 12, 12)
    let x = conv(&x, 2)?.flatten_from(1)?; // (B, 256)
    let x = linear(&x, 4)?.tanh()?; // (B, 120)
    let x = linear(&x, 6)?.tanh()?; // (B, 84)
    linear(&x, 8) // (B, 10)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// No further apart than 1e-5 of the largest: another order of additions makes 1e-6 of it, to lose
/// one of 33 images 1e-2.
fn assert_near(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    let expected = crate::common::cast_up(&values(expected));
    let largest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let tolerance = crate::common::Tolerance {
        rtol: 0.0,
        atol: 1e-5 * largest,
    };
    crate::common::assert_close("fused", &values(found), &expected, tolerance);
}

/// Batches that grow and shrink, with tails, and images whose numbers do not lie in their order.
#[test]
fn values_and_gradients_are_those_of_plain_candle() {
    let (network, vars) = (network(), parameters());
    for count in [3, 33, 16] {
        let (images, labels) = (images(count), labels(count));
        let turned = images.transpose(2, 3).unwrap();
        for images in [&images, &turned] {
            let [found, expected] = [fused(&network, images, &vars), plain(images, &vars)]
                .map(|logits| logits.unwrap());
            assert_near(&found, &expected);
            let [found, expected] = [found, expected]
                .map(|logits| cross_entropy(&logits, &labels).unwrap().backward().unwrap());
            for var in &vars {
                assert_near(found.get(var).unwrap(), expected.get(var).unwrap());
            }
        }
    }
}

/// The engine called by hand: logits, and gradients from a gradient of the logits.
fn by_hand(engine: &mut Engine, images: &Tensor, labels: &Tensor, vars: &[Var]) -> Vec<Tensor> {
    let numbers: Vec<Vec<f32>> = vars.iter().map(|var| values(var)).collect();
    let numbers: Vec<&[f32]> = numbers.iter().map(Vec::as_slice).collect();
    engine.set_parameters(&numbers).unwrap();
    let (pixels, count) = (values(images), images.dims()[0]);
    let images = FloatImages {
        pixels: &pixels,
        size: 784,
    };
    engine.forward(&images, count).unwrap();
    let logits: Vec<f32> = engine.logits().flatten().collect();
    let logits = Var::from_vec(logits, (count, CLASSES), &Device::Cpu).unwrap();
    let loss = cross_entropy(&logits, labels).unwrap();
    let d_logits = values(loss.backward().unwrap().get(&logits).unwrap());
    assert!(engine.backward(&images, count, &d_logits).unwrap());
    std::iter::zip(engine.last_gradients(), vars)
        .map(|(gradient, var)| Tensor::from_slice(gradient, var.dims(), &Device::Cpu).unwrap())
        .collect()
}

/// candle hands the gradients on as the engine computed them: after five steps no bit differs.
#[test]
fn five_steps_of_adamw_are_those_by_hand() {
    let (network, ours, theirs) = (network(), parameters(), parameters());
    let setup = Setup {
        purpose: Purpose::Training,
        precision: Precision::F32,
        most_images: 33,
        pool: Arc::new(Pool::exactly(1)),
        isa: Isa::current(),
    };
    let mut engine = Engine::new(layers(), setup).unwrap();
    let [mut our_adam, mut their_adam] =
        [&ours, &theirs].map(|vars| AdamW::new(vars.clone(), ParamsAdamW::default()).unwrap());
    let (images, labels) = (images(33), labels(33));
    for _ in 0..5 {
        let logits = fused(&network, &images, &ours).unwrap();
        our_adam
            .backward_step(&cross_entropy(&logits, &labels).unwrap())
            .unwrap();

        let gradients = by_hand(&mut engine, &images, &labels, &theirs);
        // candle makes an empty store only from a loss.
        let zero = theirs[0].zeros_like().unwrap().sum_all().unwrap();
        let mut store = zero.backward().unwrap();
        for (var, gradient) in std::iter::zip(&theirs, gradients) {
            store.insert(var, gradient);
        }
        their_adam.step(&store).unwrap();
    }
    for (ours, theirs) in std::iter::zip(&ours, &theirs) {
        assert_eq!(values(ours), values(theirs));
    }
    assert_ne!(values(&ours[0]), values(&parameters()[0]));
}

#[test]
fn what_it_does_not_compute_is_an_error() {
    let (network, vars) = (network(), parameters());
    let message =
        |images: &Tensor, vars: &[Var]| fused(&network, images, vars).unwrap_err().to_string();
    let good = images(2);
    assert!(message(&good.narrow(2, 0, 27).unwrap(), &vars).contains("[2, 1, 28, 28]"));
    assert!(message(&good.to_dtype(DType::F64).unwrap(), &vars).contains("f32"));
    assert!(message(&good, &vars[1..]).contains("parameters"));
    let wanted = Var::from_tensor(&good).unwrap();
    let logits = fused(&network, &wanted, &vars).unwrap();
    let error = logits.sum_all().unwrap().backward().unwrap_err();
    assert!(error.to_string().contains("no gradient of the images"));
}
