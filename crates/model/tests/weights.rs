//! Weights on disk: what is written is read, and what is damaged or foreign is refused. FAULTS A4
//! to A6, A9, A11 and B14.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use lenet_model::{Architecture, Init, InputScaling, LeNet5, Metadata, Padding, Weights};
use safetensors::tensor::{Dtype, TensorView};

fn weights(classes: usize) -> Weights {
    let architecture = Architecture {
        classes,
        padding: Padding::Valid,
        ..Architecture::default()
    };
    let model = LeNet5::new(&architecture, Init::PyTorch, 7, &Device::Cpu).unwrap();
    let class_names = (0..classes).map(|class| format!("class {class}")).collect();
    let input = InputScaling {
        mean: 0.1307,
        std: 0.3081,
    };
    Weights {
        model,
        metadata: Metadata {
            dataset: Some("mnist".to_owned()),
            data_sha256: [("file".to_owned(), "00ff".to_owned())].into(),
            ..Metadata::new(architecture, class_names, input)
        },
    }
}

fn read(bytes: &[u8]) -> Result<Weights, lenet_model::Error> {
    Weights::from_bytes(bytes, &Device::Cpu)
}

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// The tensors of a weights file, to be changed.
type Raw = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn raw(bytes: &[u8]) -> Raw {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let mut raw: Raw = file
        .iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                view.dtype(),
                view.shape().to_vec(),
                view.data().to_vec(),
            )
        })
        .collect();
    raw.sort_by(|a, b| a.0.cmp(&b.0));
    raw
}

/// A plain file of tensors, without lenet's metadata.
fn plain(raw: &Raw) -> Vec<u8> {
    let views = raw.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn logits(weights: &Weights) -> Vec<f32> {
    let ramp: Vec<f32> = (0..784).map(|i| i as f32 / 784.).collect();
    let image = Tensor::from_vec(ramp, (1, 1, 28, 28), &Device::Cpu).unwrap();
    weights
        .model
        .forward(&image)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn what_is_written_is_read() {
    let written = weights(12);
    let bytes = written.to_bytes().unwrap();
    let back = read(&bytes).unwrap();
    assert_eq!(back.metadata, written.metadata);
    assert_eq!(logits(&back), logits(&written));
    // Equal weights give equal bytes.
    assert_eq!(back.to_bytes().unwrap(), bytes);
    assert_eq!(weights(12).to_bytes().unwrap(), bytes);
}

/// PyTorch's names and shapes, so that `load_state_dict` takes the file.
#[test]
fn names_and_shapes_are_those_of_pytorch() {
    let shapes: HashMap<String, Vec<usize>> = raw(&weights(10).to_bytes().unwrap())
        .into_iter()
        .map(|(name, _, shape, _)| (name, shape))
        .collect();
    let expected = [
        ("conv1.weight", vec![6, 1, 5, 5]),
        ("conv1.bias", vec![6]),
        ("conv2.weight", vec![16, 6, 5, 5]),
        ("conv2.bias", vec![16]),
        ("fc1.weight", vec![120, 256]),
        ("fc1.bias", vec![120]),
        ("fc2.weight", vec![84, 120]),
        ("fc2.bias", vec![84]),
        ("fc3.weight", vec![10, 84]),
        ("fc3.bias", vec![10]),
    ];
    assert_eq!(
        shapes,
        expected
            .map(|(name, shape)| (name.to_owned(), shape))
            .into()
    );
}

#[test]
fn a_plain_file_is_taken_by_its_shapes() {
    let written = weights(12);
    let plain = plain(&raw(&written.to_bytes().unwrap()));
    let back = read(&plain).unwrap();
    assert_eq!(back.metadata.architecture.padding, Padding::Valid);
    assert_eq!(back.metadata.class_names.len(), 12);
    assert_eq!(back.metadata.input, InputScaling { mean: 0., std: 1. });
    assert_eq!(logits(&back), logits(&written));
}

/// A4: any flipped bit of the tensors is noticed, and any of the header that is not white space.
#[test]
fn a4_flipped_bits_are_noticed() {
    let bytes = weights(10).to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let padding = bytes[..header]
        .iter()
        .rev()
        .take_while(|&&byte| byte == b' ')
        .count();
    let spread = (header..bytes.len()).step_by(487);
    for index in (0..header - padding).chain(spread) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(read(&damaged).is_err(), "byte {index} of {}", bytes.len());
    }
    let mut damaged = bytes.clone();
    damaged[header + 5] ^= 1;
    let message = message(&damaged);
    assert!(
        message.contains("the tensors are damaged: SHA-256"),
        "{message}"
    );
}

/// A5
#[test]
fn a5_cut_off_anywhere() {
    let bytes = weights(10).to_bytes().unwrap();
    for end in (0..4_096).chain((4_096..bytes.len()).step_by(997)) {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
    assert!(message(&bytes[..100]).contains("not a safetensors file"));
}

#[test]
fn tensors_are_compared_both_ways() {
    let whole = raw(&weights(10).to_bytes().unwrap());
    let without = |name: &str| -> Raw { whole.iter().filter(|t| t.0 != name).cloned().collect() };
    assert_eq!(
        message(&plain(&without("conv2.bias"))),
        "there is no tensor conv2.bias"
    );

    let mut extra = whole.clone();
    extra.push(("fc4.bias".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    assert_eq!(
        message(&plain(&extra)),
        "the tensor fc4.bias does not belong to LeNet-5"
    );

    let mut reshaped = without("fc2.weight");
    reshaped.push((
        "fc2.weight".to_owned(),
        Dtype::F32,
        vec![120, 84],
        vec![0; 120 * 84 * 4],
    ));
    assert_eq!(
        message(&plain(&reshaped)),
        "the tensor fc2.weight has the shape [120, 84], expected [84, 120]"
    );

    for (dtype, size, name) in [
        (Dtype::F64, 8, "F64"),
        (Dtype::BF16, 2, "BF16"),
        (Dtype::I32, 4, "I32"),
    ] {
        let mut other = without("fc3.bias");
        other.push(("fc3.bias".to_owned(), dtype, vec![10], vec![0; 10 * size]));
        assert_eq!(
            message(&plain(&other)),
            format!("the tensor fc3.bias holds {name} numbers, expected F32")
        );
    }
}

/// A11
#[test]
fn a11_values_that_are_no_numbers() {
    for (value, shown) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut sick = raw(&weights(10).to_bytes().unwrap());
        let fc1 = sick.iter_mut().find(|t| t.0 == "fc1.bias").unwrap();
        fc1.3[12..16].copy_from_slice(&value.to_le_bytes());
        assert_eq!(
            message(&plain(&sick)),
            format!("the tensor fc1.bias holds the value {shown} at index 3")
        );
    }
}

#[test]
fn metadata_that_contradicts_itself() {
    let tell = |change: &dyn Fn(&mut Weights)| {
        let mut weights = weights(10);
        change(&mut weights);
        message(&weights.to_bytes().unwrap())
    };
    assert_eq!(
        tell(&|w| w.metadata.class_names.truncate(9)),
        "9 class names for 10 outputs"
    );
    assert_eq!(
        tell(&|w| w.metadata.network = "vgg".into()),
        "holds the network \"vgg\", not lenet5"
    );
    assert!(tell(&|w| w.metadata.input.std = 0.).contains("divides by 0"));
    assert!(tell(&|w| w.metadata.architecture.padding = Padding::Same).contains("fc1.weight"));
    // A9
    assert_eq!(
        tell(&|w| w.metadata.format = 2),
        "written in format 2 by a later release of lenet; this one reads up to 1"
    );
}

/// Files that people take for a model: refused with what to do instead, and never opened.
#[test]
fn other_kinds_of_files() {
    for (bytes, part) in [
        (
            &b"PK\x03\x04archive/data.pkl"[..],
            "PyTorch, Keras or NumPy archive files are not read",
        ),
        (b"\x80\x02}q\x00.", "they can run code"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 files are not read"),
        (b"", "not a safetensors file"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
            "not a safetensors file",
        ),
    ] {
        let message = message(bytes);
        assert!(message.contains(part), "{message}");
    }
    let nested = [&100_000_u64.to_le_bytes()[..], &[b'['; 100_000]].concat();
    assert!(message(&nested).contains("not a safetensors file"));
}

#[test]
fn errors_of_a_file_name_it() {
    let folder = std::env::temp_dir();
    let missing = folder.join("lenet-no-such-file.safetensors");
    let error = Weights::load(&missing, &Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("lenet-no-such-file.safetensors\": cannot read"),
        "{error}"
    );
    let folder = Weights::load(&folder, &Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(folder.ends_with(": not a regular file"), "{folder}");
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let error = Weights::load(other.as_ref(), &Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Cargo.toml\": not a safetensors file"),
        "{error}"
    );
}

/// The same seed draws the same numbers in every release: these are the first of each tensor.
#[test]
fn initialisation_is_pinned() {
    let model = LeNet5::new(
        &Architecture::default(),
        Init::GlorotUniform,
        42,
        &Device::Cpu,
    )
    .unwrap();
    let first = |name: &str| {
        let tensor = model.parameters().get(name).unwrap().flatten_all().unwrap();
        assert_eq!(tensor.dtype(), DType::F32);
        tensor.to_vec1::<f32>().unwrap()[0]
    };
    let drawn = [
        "conv1.weight",
        "conv2.weight",
        "fc1.weight",
        "fc2.weight",
        "fc3.weight",
    ]
    .map(first);
    assert_eq!(drawn, PINNED);
    assert_eq!(first("fc3.bias"), 0.);
}

const PINNED: [f32; 5] = [
    0.08442481,
    -0.08019959,
    -0.06303681,
    0.100711174,
    0.10977335,
];
