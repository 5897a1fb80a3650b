//! The operations on tensors agree with the references, in value and gradient, on every instruction
//! set of the machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adam;
#[path = "../common/mod.rs"]
mod common;
mod conv2d;
mod cross_entropy;
mod errors;
mod isa;
mod linear;
mod network;
mod views;

use candle_core::{DType, Device, Tensor, Var};
use common::{Tolerance, cast};
use lenet_engine::pool::Pool;

/// An f32 tensor of these values.
fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    // Two threads of one core, too, so that there is something to share.
    Pool::set_global_threads(2);
    Tensor::from_vec(cast::<f32>(values), shape, &Device::Cpu).unwrap()
}

fn var(values: &[f64], shape: &[usize]) -> Var {
    Var::from_tensor(&tensor(values, shape)).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The scalar whose derivative by `y` is `d_output`.
fn scalar(y: &Tensor, d_output: &Tensor) -> Tensor {
    (y * d_output).unwrap().sum_all().unwrap()
}

/// What a weight is multiplied by so that a sum of `terms` products is about as large as its terms:
/// a power of two, which costs no digits. Else tanh is ±1 everywhere and its slope 0.
fn scale(terms: usize) -> f64 {
    (-0.5 * (terms as f64).log2()).round().exp2()
}

/// For sums of `terms` products of at most 1, one factor of which is the slope of a tanh. Its
/// argument is exact; tanh is off by 4e-7 at most, and the slope 1 - y² by twice as much. √terms of these and of the additions' roundings survive each other. The smallest mistake
/// is one term, 1/2 * 1/2 * 1/4 (the pooling's) times a slope of mostly more than 0.1, at least
/// 6e-3: ten times the tolerance of the longest sum, 26,000 terms.
fn slopes(terms: usize) -> Tolerance {
    Tolerance {
        rtol: 0.0,
        atol: 4e-6 * (terms as f64).sqrt(),
    }
}
