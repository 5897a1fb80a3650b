//! Checkpoints that are damaged, foreign or of another release. FAULTS A4, A5, A6, A9, A11.
//! `LENET_NIGHTLY=1` tries every byte.

use candle_core::{DType, Device, Tensor};
use lenet_files::{Kind, Result};
use lenet_model::{LeNet5, store};
use lenet_train::{Config, OtherTraining, Progress, checkpoint};

use crate::{identity, network, network_of, small, values};

/// A checkpoint of the smallest kind: before the first step there are parameters alone.
fn beginning() -> (Config, LeNet5, Vec<u8>) {
    let (_, _, config) = small();
    let model = network(&config);
    let bytes = checkpoint::encode(&model, &Progress::default(), &identity(&config)).unwrap();
    (config, model, bytes)
}

fn decode(bytes: &[u8], model: &LeNet5, config: &Config) -> Result<Progress> {
    checkpoint::decode(bytes, model, &identity(config), OtherTraining::Accept)
}

/// A4 and A5: one flipped bit, in each byte of the header and in 2,000 places of the tensors; cut off
/// at each length of the header and at many of the tensors, or with a byte too many: none accepted.
#[test]
fn a4_a5_no_damage_is_accepted() {
    let (config, model, bytes) = beginning();
    assert!(decode(&bytes, &model, &config).is_ok());
    let nightly = std::env::var_os("LENET_NIGHTLY").is_some_and(|value| value != "0");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let seed = 9;
    let other = network(&Config {
        seed,
        ..config.clone()
    });
    let before = values(other.parameters());
    let refused = |bytes: &[u8], damage: &str| {
        let found = decode(bytes, &other, &config);
        assert!(found.is_err(), "{damage} is accepted");
    };

    let bits_a_byte = if nightly { 8 } else { 1 };
    let head =
        (0..header).flat_map(|byte| (0..bits_a_byte).map(move |bit| 8 * byte + (byte + bit) % 8));
    // An odd stride visits every bit of a byte.
    let stride = (8 * (bytes.len() - header) / if nightly { 20_000 } else { 2_000 }) | 1;
    let data = (8 * header..8 * bytes.len()).step_by(stride);
    let mut damaged = bytes.clone();
    for bit in head.chain(data) {
        damaged[bit / 8] ^= 1 << (bit % 8);
        refused(&damaged, &format!("bit {bit}"));
        damaged[bit / 8] = bytes[bit / 8];
    }
    let stride = if nightly { 1 } else { 101 };
    for end in (0..header + 64).chain((header + 64..bytes.len()).step_by(stride)) {
        refused(&bytes[..end], &format!("a file of {end} bytes"));
    }
    refused(&bytes[..bytes.len() - 1], "a missing byte");
    refused(&[&bytes[..], &[0]].concat(), "a byte too many");
    let after = values(other.parameters());
    assert_eq!(after, before, "a refused checkpoint changed the model");
}

/// A6, A9 and A11: whole files of another network, another program, another release, and with values
/// that are not finite.
#[test]
fn a6_a9_a11_whole_files_that_are_refused() {
    let (config, model, bytes) = beginning();
    // A whole file with something changed.
    let changed = |change: &dyn Fn(&mut store::Contents)| {
        let mut contents = store::decode(&bytes, &Device::Cpu).unwrap();
        change(&mut contents);
        store::encode(&contents.tensors, &contents.object.unwrap()).unwrap()
    };
    let object = |object: serde_json::Value| {
        changed(&move |contents| contents.object = Some(object.clone()))
    };
    let insert = |name: &'static str, tensor: Tensor| {
        changed(&move |contents| {
            contents.tensors.insert(name.to_owned(), tensor.clone());
        })
    };
    let bias = |value| Tensor::new(&[0., value, 0., 0., 0., 0.], &Device::Cpu).unwrap();
    let missing = changed(&|contents| {
        contents.tensors.remove("parameters/conv2.bias");
    });
    let extra = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let (of_26, of_9) = (network_of(&config, 26), network_of(&config, 9));
    for (bytes, model, expected) in [
        (
            bytes.clone(),
            &of_26,
            "fc3.weight has the shape [10, 84], expected [26, 84]",
        ),
        (
            bytes.clone(),
            &of_9,
            "fc3.weight has the shape [10, 84], expected [9, 84]",
        ),
        (missing, &model, "it has no tensor parameters/conv2.bias"),
        (
            insert("parameters/conv3.bias", extra),
            &model,
            "parameters/conv3.bias",
        ),
        (
            object(serde_json::json!({ "weights of": "another program" })),
            &model,
            "the checkpoint cannot be read",
        ),
        (
            object(serde_json::json!({ "format": 3, "all": "is different" })),
            &model,
            "written in format 3 by a later release of lenet",
        ),
        (
            object(serde_json::json!({ "format": 1, "all": "was different" })),
            &model,
            "written in format 1 by an earlier release of lenet",
        ),
        (
            insert("parameters/conv1.bias", bias(f32::NAN)),
            &model,
            "parameters/conv1.bias holds the value NaN at index 1",
        ),
        (
            insert("parameters/conv1.bias", bias(f32::INFINITY)),
            &model,
            "parameters/conv1.bias holds the value inf at index 1",
        ),
    ] {
        let error = decode(&bytes, model, &config).unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
