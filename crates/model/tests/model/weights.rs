//! Weights on disk: what is written is read, and what is damaged or foreign is refused. FAULTS A4
//! to A6, A9, A11 and B14.

use candle_core::{Device, Tensor};
use lenet_model::{Architecture, Init, Kind, LeNet5, Metadata, Padding, Weights};
use lenet_picture::Normalization;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A network of padding `valid` with everything about it.
fn weights(classes: usize) -> Weights {
    let architecture = Architecture {
        classes,
        padding: Padding::Valid,
        ..Architecture::default()
    };
    let class_names = (0..classes).map(|class| format!("class {class}")).collect();
    Weights {
        model: LeNet5::new(&architecture, Init::PyTorch, 7, &Device::Cpu).unwrap(),
        metadata: Metadata {
            dataset: Some("mnist".to_owned()),
            data_sha256: [("file".to_owned(), "00ff".to_owned())].into(),
            ..Metadata::new(architecture, class_names, Normalization::MNIST)
        },
    }
}

fn read(bytes: &[u8]) -> lenet_model::Result<Weights> {
    Weights::from_bytes(bytes, &Device::Cpu)
}

/// Name, type, shape and bytes of a tensor.
type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a file, to be changed.
fn raw(bytes: &[u8]) -> Vec<Raw> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            (name.to_owned(), dtype, shape, view.data().to_vec())
        })
        .collect()
}

/// A plain file of tensors, without lenet's metadata.
fn plain(raw: &[Raw]) -> Vec<u8> {
    let views = raw.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn logits(weights: &Weights) -> Vec<f32> {
    let ramp: Vec<f32> = (0..784).map(|i| i as f32 / 784.).collect();
    let image = Tensor::from_vec(ramp, (1, 1, 28, 28), &Device::Cpu).unwrap();
    let logits = weights.model.forward(&image).unwrap();
    logits.flatten_all().unwrap().to_vec1().unwrap()
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

/// The deviation and the temperature go into the parameters, the mean stays: the same logits, of
/// which a softmax is the probability. The file says so, and nothing is folded twice.
#[test]
fn folded_weights_compute_the_same() {
    let mut own = weights(12);
    own.metadata.temperature = 0.5;
    let folded = own.folded().unwrap();
    let Metadata {
        input, temperature, ..
    } = &folded.metadata;
    assert_eq!((input.mean, input.std, *temperature), (0.1307, 1., 1.));
    let scaled = |weights: &Weights| {
        let table = weights.metadata.input.table();
        let pixels: Vec<f32> = (0..784).map(|at| table[at % 256]).collect();
        let image = Tensor::from_vec(pixels, (1, 1, 28, 28), &Device::Cpu).unwrap();
        let logits = weights.model.forward(&image).unwrap();
        logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    for (found, expected) in std::iter::zip(scaled(&folded), scaled(&own)) {
        // Forgetting either would change the logits by a factor of 2 or more.
        assert!((found - expected / 0.5).abs() < 1e-5, "{found} {expected}");
    }
    let again = folded.folded().unwrap();
    assert_eq!(again.to_bytes().unwrap(), folded.to_bytes().unwrap());
}

/// PyTorch's names and shapes, so that `load_state_dict` takes the file; and a `state_dict` without
/// metadata is read by them.
#[test]
fn tensors_are_those_of_pytorch() {
    let written = weights(12);
    let mut tensors = raw(&written.to_bytes().unwrap());
    tensors.sort();
    let shapes: Vec<_> = tensors.iter().map(|t| (&*t.0, &*t.2)).collect();
    let expected: [(&str, &[usize]); 10] = [
        ("conv1.bias", &[6]),
        ("conv1.weight", &[6, 1, 5, 5]),
        ("conv2.bias", &[16]),
        ("conv2.weight", &[16, 6, 5, 5]),
        ("fc1.bias", &[120]),
        ("fc1.weight", &[120, 256]),
        ("fc2.bias", &[84]),
        ("fc2.weight", &[84, 120]),
        ("fc3.bias", &[12]),
        ("fc3.weight", &[12, 84]),
    ];
    assert_eq!(shapes, expected);

    let Weights { model, metadata } = read(&plain(&tensors)).unwrap();
    assert_eq!(metadata.architecture.padding, Padding::Valid);
    assert_eq!(metadata.class_names.len(), 12);
    assert_eq!(metadata.input, Normalization::default());
    assert!(metadata.assumed);
    assert_eq!(logits(&Weights { model, metadata }), logits(&written));
}

/// A `state_dict` of a wrapped or unnamed network of the same form is taken by its shapes.
#[test]
fn layers_under_other_names_are_found_by_their_shapes() {
    // As many classes as other layers have outputs.
    let written = weights(84);
    let tensors = raw(&written.to_bytes().unwrap());
    let numbers = [
        ("conv1", "0"),
        ("conv2", "3"),
        ("fc1", "7"),
        ("fc2", "9"),
        ("fc3", "11"),
    ];
    let in_a_sequential = |name: &str| {
        let (layer, kind) = name.split_once('.').unwrap();
        let (_, number) = numbers.iter().find(|(own, _)| *own == layer).unwrap();
        format!("{number}.{kind}")
    };
    let renames: [&dyn Fn(&str) -> String; 3] = [
        &|name| format!("module._orig_mod.{name}"),
        &in_a_sequential,
        &|name| format!("net.{}", in_a_sequential(name)),
    ];
    for rename in renames {
        let mut tensors = tensors.clone();
        tensors
            .iter_mut()
            .for_each(|tensor| tensor.0 = rename(&tensor.0));
        let found = read(&plain(&tensors)).unwrap();
        assert_eq!(logits(&found), logits(&written));
        let layer = rename("fc2.weight").replace(".weight", "");
        assert_eq!(found.metadata.layer_names[3], layer);
        // Not one of a layer less or more.
        tensors.pop();
        let error = read(&plain(&tensors)).unwrap_err().to_string();
        assert!(error.contains("there is no tensor fc1.weight"), "{error}");
    }
}

/// A4: any flipped bit of the tensors is noticed, and any of the header that is not white space.
#[test]
fn a4_flipped_bits_are_noticed() {
    let bytes = weights(10).to_bytes().unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let is_space = |byte: &&u8| **byte == b' ';
    let padding = bytes[..header].iter().rev().take_while(is_space).count();
    let spread = (header..bytes.len()).step_by(487);
    for index in (0..header - padding).chain(spread) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(read(&damaged).is_err(), "byte {index} of {}", bytes.len());
    }
}

/// A5
#[test]
fn a5_cut_off_anywhere() {
    let bytes = weights(10).to_bytes().unwrap();
    for end in (0..4_096).chain((4_096..bytes.len()).step_by(997)) {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
}

/// Each way in which a file can lie, and the sentence about it.
#[test]
fn lies_are_refused_with_a_reason() {
    let whole = || raw(&weights(10).to_bytes().unwrap());
    let with = |name: &str, change: &dyn Fn(&mut Raw)| {
        let mut tensors = whole();
        change(tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap());
        plain(&tensors)
    };
    // A6: tensors are compared both ways. A11: every value is finite.
    let mut extra = whole();
    extra.push(("fc4.bias".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    let mut missing = whole();
    missing.retain(|tensor| tensor.0 != "conv2.bias");
    let value = |value: f32| {
        with("fc1.bias", &move |tensor| {
            tensor.3[12..16].copy_from_slice(&value.to_le_bytes());
        })
    };
    let of_type = |dtype, size: usize| {
        with("fc3.bias", &move |tensor| {
            (tensor.1, tensor.3) = (dtype, vec![0; 10 * size]);
        })
    };
    let metadata = |change: &dyn Fn(&mut Metadata)| {
        let mut weights = weights(10);
        change(&mut weights.metadata);
        weights.to_bytes().unwrap()
    };
    // Finite parameters whose products overflow.
    let mut huge = whole();
    for (.., data) in &mut huge {
        data.as_chunks_mut().0.fill(1e38_f32.to_le_bytes());
    }
    let mut flipped = weights(10).to_bytes().unwrap();
    *flipped.last_mut().unwrap() ^= 1;
    let nested = [&100_000_u64.to_le_bytes()[..], &[b'['; 100_000]].concat();

    let mut twice = plain(&whole());
    let at = twice.windows(10).position(|name| name == b"conv2.bias");
    twice[at.unwrap() + 4] = b'1';

    let lies: [(Vec<u8>, &str); 24] = [
        (twice, "the name \"conv1.bias\" is there twice"),
        (
            b"<!DOCTYPE html><html>".to_vec(),
            "but a web page: it was saved",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1".to_vec(),
            "`git lfs pull`",
        ),
        (b"\x08\x08\x12\x07pytorch".to_vec(), "but an ONNX model"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "but a PNG picture"),
        (plain(&missing), "there is no tensor conv2.bias"),
        (
            plain(&extra),
            "the tensor fc4.bias does not belong to LeNet-5",
        ),
        (
            with("fc2.weight", &|tensor| tensor.2 = vec![120, 84]),
            "the tensor fc2.weight has the shape [120, 84], expected [84, 120]",
        ),
        (
            of_type(Dtype::F64, 8),
            "the tensor fc3.bias holds F64 numbers, expected F32",
        ),
        (of_type(Dtype::BF16, 2), "holds BF16 numbers"),
        (
            value(f32::NAN),
            "the tensor fc1.bias holds the value NaN at index 3",
        ),
        (value(f32::NEG_INFINITY), "holds the value -inf at index 3"),
        (
            plain(&huge),
            "its logits are not finite: that of class 0 is",
        ),
        (flipped, "the tensors are damaged: SHA-256"),
        (
            metadata(&|m| m.class_names.truncate(9)),
            "9 class names for 10 outputs",
        ),
        (
            metadata(&|m| m.network = "vgg".into()),
            "holds the network \"vgg\", not lenet5",
        ),
        (metadata(&|m| m.input.std = 0.), "divides by 0"),
        (
            metadata(&|m| m.architecture.padding = Padding::Same),
            "fc1.weight has the shape",
        ),
        // A9
        (
            metadata(&|m| m.format = 3),
            "written in format 3 by a later release of lenet; this one reads up to 2",
        ),
        // Other kinds of files, by their content.
        (
            b"PK\x03\x04archive/data.pkl".to_vec(),
            "PyTorch, Keras and NumPy archives are not read",
        ),
        (b"\x80\x02}q\x00.".to_vec(), "they can run code"),
        (b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5 files are not read"),
        (b"".to_vec(), "not a safetensors file"),
        (nested, "not a safetensors file"),
    ];
    for (bytes, reason) in lies {
        let error = read(&bytes).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}, not {reason}");
        assert_eq!(error.kind(), Kind::Input);
    }
}

#[test]
fn errors_of_a_file_name_it() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let error = Weights::load(file.as_ref(), &Device::Cpu).unwrap_err();
    let expected = format!("{file:?}: not a safetensors file");
    assert!(error.to_string().starts_with(&expected), "{error}");
}

/// The same seed draws the same numbers in every release: these are the first of each weight.
#[test]
fn initialisation_is_pinned() {
    let (architecture, init) = (Architecture::default(), Init::GlorotUniform);
    let model = LeNet5::new(&architecture, init, 42, &Device::Cpu).unwrap();
    let values = model.parameters().values().unwrap();
    let first: Vec<f32> = values.iter().map(|values| values[0]).collect();
    let expected = [
        0.08442481,
        0.,
        -0.08019959,
        0.,
        -0.06303681,
        0.,
        0.100711174,
        0.,
        0.10977335,
        0.,
    ];
    assert_eq!(first, expected);
}
