//! Checkpoints that are damaged, foreign or from the future. FAULTS A4, A5, A6, A9, A11, A24.
//! `LENET_NIGHTLY=1` tries every byte.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use candle_core::{Device, Tensor};
use common::{network, small, values};
use lenet_data::Dataset;
use lenet_model::{LeNet5, store};
use lenet_train::{
    Backend, Config, Identity, Metrics, OtherTraining, Progress, Result, checkpoint, evaluate,
};

fn identity(config: &Config) -> Identity {
    Identity {
        config: config.clone(),
        train_images: 200,
        validation_images: 50,
        data_sha256: [("images".to_owned(), "00".to_owned())].into(),
        arithmetic: "candle".to_owned(),
    }
}

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

fn header_length(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Whether the long versions run.
fn nightly() -> bool {
    std::env::var_os("LENET_NIGHTLY").is_some_and(|value| value != "0")
}

/// A4: one flipped bit, in each byte of the header and in 2,000 places of the tensors: 0 accepted.
#[test]
fn a4_no_flipped_bit_is_accepted() {
    let (config, model, bytes) = beginning();
    let other = network(&Config {
        seed: 9,
        ..config.clone()
    });
    let before = values(other.parameters());
    let header = header_length(&bytes);
    assert!(decode(&bytes, &model, &config).is_ok());
    let mut draw = 88_172_645_463_325_252_u64;
    let data_bits = if nightly() { 20_000 } else { 2_000 };
    let data = (0..data_bits).map(|_| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        8 * header + draw as usize % (8 * (bytes.len() - header))
    });
    let bits_a_byte = if nightly() { 8 } else { 1 };
    let head =
        (0..header).flat_map(|byte| (0..bits_a_byte).map(move |bit| 8 * byte + (byte + bit) % 8));
    let mut damaged = bytes.clone();
    for bit in head.chain(data) {
        damaged[bit / 8] ^= 1 << (bit % 8);
        let found = decode(&damaged, &other, &config);
        assert!(
            found.is_err(),
            "bit {bit} of {} is accepted",
            8 * bytes.len()
        );
        damaged[bit / 8] = bytes[bit / 8];
    }
    assert_eq!(
        values(other.parameters()),
        before,
        "a refused checkpoint changed the model"
    );
    damaged[header + 1_000] ^= 1;
    let message = decode(&damaged, &other, &config).unwrap_err().to_string();
    assert!(
        message.contains("the tensors are damaged: SHA-256"),
        "{message}"
    );
}

/// A5: cut off at each length of the header and at many of the tensors, or with a byte too many.
#[test]
fn a5_no_cut_off_file_is_accepted() {
    let (config, model, mut bytes) = beginning();
    let header = header_length(&bytes);
    let stride = if nightly() { 1 } else { 101 };
    for end in (0..header + 64).chain((header + 64..bytes.len()).step_by(stride)) {
        assert!(
            decode(&bytes[..end], &model, &config).is_err(),
            "{end} bytes are accepted"
        );
    }
    assert!(decode(&bytes[..bytes.len() - 1], &model, &config).is_err());
    bytes.push(0);
    assert!(decode(&bytes, &model, &config).is_err());
}

/// Writes the checkpoint anew, whole and sealed, with something changed.
fn changed(bytes: &[u8], change: impl FnOnce(&mut store::Contents)) -> Vec<u8> {
    let mut contents = store::decode(bytes, &Device::Cpu).unwrap();
    change(&mut contents);
    store::encode(&contents.tensors, &contents.object.unwrap()).unwrap()
}

/// A6: a whole checkpoint of another network, and whole files that are no checkpoint.
#[test]
fn a6_checkpoints_of_others() {
    let (config, model, bytes) = beginning();
    let message =
        |bytes: &[u8], model: &LeNet5| decode(bytes, model, &config).unwrap_err().to_string();
    for (classes, shapes) in [
        (26, "[10, 84], expected [26, 84]"),
        (9, "[10, 84], expected [9, 84]"),
    ] {
        let other = LeNet5::new(&config.architecture(classes), config.init, 1, &Device::Cpu);
        let message = message(&bytes, &other.unwrap());
        assert!(message.contains("fc3.weight has the shape"), "{message}");
        assert!(message.contains(shapes), "{message}");
    }
    let missing = changed(&bytes, |contents| {
        contents.tensors.remove("parameters/conv2.bias");
    });
    let missing = message(&missing, &model);
    assert!(
        missing.contains("lacks the tensor parameters/conv2.bias"),
        "{missing}"
    );
    let extra = changed(&bytes, |contents| {
        let tensor = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        contents
            .tensors
            .insert("parameters/conv3.bias".to_owned(), tensor);
    });
    let extra = message(&extra, &model);
    assert!(extra.contains("parameters/conv3.bias"), "{extra}");
    let foreign = changed(&bytes, |contents| {
        contents.object = Some(serde_json::json!({ "weights of": "another program" }));
    });
    let foreign = message(&foreign, &model);
    assert!(
        foreign.contains("the checkpoint cannot be read"),
        "{foreign}"
    );
}

/// A9: a later release's checkpoint is named as that, whatever else is in it.
#[test]
fn a9_the_format_of_a_later_release() {
    let (config, model, bytes) = beginning();
    let later = changed(&bytes, |contents| {
        contents.object = Some(serde_json::json!({ "format": 2, "all": "is different" }));
    });
    let message = decode(&later, &model, &config).unwrap_err().to_string();
    assert_eq!(
        message,
        "written in format 2 by a later release of lenet; this one reads up to 1"
    );
}

/// A11: a value that is no number, in a file that is whole and sealed.
#[test]
fn a11_values_that_are_no_numbers() {
    let (config, model, bytes) = beginning();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let sick = changed(&bytes, |contents| {
            let bias = Tensor::new(&[0., value, 0., 0., 0., 0.], &Device::Cpu).unwrap();
            contents
                .tensors
                .insert("parameters/conv1.bias".to_owned(), bias);
        });
        let message = decode(&sick, &model, &config).unwrap_err().to_string();
        let expected =
            format!("the tensor parameters/conv1.bias holds the value {value} at index 1");
        assert_eq!(message, expected);
    }
}

/// A24: where all images held out are of one class, what cannot be said is not said.
#[test]
fn a24_one_class_alone_is_held_out() {
    let (images, held_out, config) = small();
    let first = held_out.get(0).unwrap().1;
    let (pixels, labels): (Vec<&[u8; 784]>, Vec<u8>) =
        held_out.iter().filter(|(_, label)| *label == first).unzip();
    let pixels: Vec<u8> = pixels.into_iter().flatten().copied().collect();
    let held_out = Dataset::new(pixels, labels, held_out.class_names().to_vec()).unwrap();
    assert!(held_out.len() > 1);
    let model = network(&config);
    let mut progress = Progress::default();
    common::train(&model, (&images, &held_out), &config, &mut progress, None).unwrap();
    for row in &progress.history {
        let scores = row.validation.unwrap();
        assert!(
            scores.loss.is_finite() && (0. ..=1.).contains(&scores.accuracy),
            "{scores:?}"
        );
    }
    let metrics: Metrics = evaluate(
        &model,
        &Backend::default(),
        &held_out,
        config.normalization(),
    )
    .unwrap();
    let class = usize::from(first);
    for (index, figures) in metrics.per_class(held_out.class_names()).iter().enumerate() {
        assert_eq!(figures.recall.is_some(), index == class, "{figures:?}");
        let given = [figures.precision, figures.recall, figures.f1]
            .into_iter()
            .flatten();
        assert!(given.into_iter().all(f64::is_finite), "{figures:?}");
    }
}
