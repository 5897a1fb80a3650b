//! `lenet export`: what it writes, and what other programs make of it.
//!
//! onnxruntime, PyTorch and tract are not needed to build or test lenet: `cargo xtask ci exports-all`
//! installs them and names them in the variables below, `exports` the first of them; a test that
//! lacks one says so and passes.

mod foreign;
mod hugging_face;
mod int8;
mod onnx;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use lenet_data::{Dataset, batches};
use lenet_model::{Activation, Architecture, Init, LeNet5, Metadata, Padding};
use lenet_model::{Weights, pretrained};
use lenet_picture::Normalization;

use crate::{fails, mnist, skipped, succeeds};

/// Names a Python that has what requirements.txt lists.
const PYTHON: &str = "LENET_EXPORTS_PYTHON";
/// Names a Python that has PyTorch and safetensors.
const TORCH_PYTHON: &str = "LENET_TORCH_PYTHON";
/// Names the program in the folder tract.
const TRACT: &str = "LENET_TRACT";

/// How many test images are compared.
const IMAGES: usize = 1_000;

/// The other program that a variable names; `None`, with a printed reason, without one.
fn other(variable: &str) -> Option<OsString> {
    let program = env::var_os(variable);
    if program.is_none() {
        skipped(&format!(
            "{variable} is not set; `cargo xtask ci exports-all` sets it"
        ));
    }
    program
}

/// Runs another program that succeeds, prints its output and returns it.
#[track_caller]
fn checked(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{errors}");
    print!("{said}");
    said
}

fn script(name: &str) -> std::path::PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/exports");
    tests.join(name)
}

/// The embedded network.
fn embedded_network() -> Weights {
    pretrained::mnist(&Device::Cpu).unwrap().folded().unwrap()
}

/// An untrained network that differs from it in everything that can differ.
fn other_network() -> Weights {
    let architecture = Architecture {
        classes: 11,
        padding: Padding::Valid,
        activation: Activation::Tanh,
    };
    let names = [
        "a\"b", "c\\d", "ö", "??/", "*/", "'", "{", "-", "#", "", " x ",
    ];
    let names = names.map(str::to_owned).to_vec();
    Weights {
        model: LeNet5::new(&architecture, Init::PyTorch, 3, &Device::Cpu).unwrap(),
        metadata: Metadata::new(architecture, names, Normalization::MNIST),
    }
}

/// The first images of a set as bytes, row after row.
fn pixels(dataset: &Dataset, count: usize) -> Vec<u8> {
    let images = dataset.iter().take(count);
    images.flat_map(|(image, _)| image.to_vec()).collect()
}

/// The first images of a set as the network takes them.
fn normalized(weights: &Weights, dataset: &Dataset, count: usize) -> Tensor {
    let order = 0..u32::try_from(count).unwrap();
    let mut batches = batches(dataset, order, count, weights.metadata.input);
    batches.next().unwrap().unwrap().images
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    bytes.collect()
}
