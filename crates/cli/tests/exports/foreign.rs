//! Weights that another program saved.

use std::fs;
use std::path::Path;

use candle_core::Device;
use lenet_model::{Activation, Padding, Weights};

use crate::{embedded_network, fails, floats, other_network, succeeds};

/// A file of the tensors alone, as `safetensors.torch.save_file(net.state_dict(), ...)` writes it.
fn state_dict(weights: &Weights, file: &Path) {
    let parameters = weights.model.parameters().iter();
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = parameters
        .map(|(name, var)| (name, var.dims().to_vec(), crate::bytes_of(&floats(var))))
        .collect();
    let views = tensors.iter().map(|(name, dims, bytes)| {
        let kind = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(kind, dims.clone(), bytes);
        (*name, view.unwrap())
    });
    let about = Some([("format".to_owned(), "pt".to_owned())].into());
    fs::write(file, safetensors::serialize(views, about).unwrap()).unwrap();
}

#[test]
fn what_is_assumed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    state_dict(
        &embedded_network(),
        &folder.path().join("torch.safetensors"),
    );
    let model = ["--model", "torch.safetensors"];
    for command in [&["eval", "--quiet"][..], &["summary"]] {
        let said = succeeds(folder.path(), &[command, &model].concat());
        for words in [
            "torch.safetensors",
            "padding same, 10 classes",
            "Assumed: relu",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    let said = succeeds(folder.path(), &["eval", "--quiet"]);
    assert!(said.is_empty(), "{said}");
}

/// The flags write down what the file does not say, and then nothing is assumed.
#[test]
fn flags_say_what_is_so() {
    let folder = tempfile::tempdir().unwrap();
    let own = other_network();
    state_dict(&own, &folder.path().join("torch.safetensors"));
    let export = [
        "export",
        "--format",
        "safetensors",
        "--output",
        "w.safetensors",
    ];
    let export = [&export[..], &["--model", "torch.safetensors"]].concat();
    let names = "a,b,c,d,e,f,g,h,i,j,k";
    let flags = [
        "--activation",
        "tanh",
        "--mean",
        "0.1307",
        "--std",
        "0.3081",
    ];
    let flags = [&export[..], &flags, &["--class-names", names]].concat();
    let said = succeeds(folder.path(), &flags);
    assert!(!said.contains("WARN"), "{said}");
    let back = Weights::load(&folder.path().join("w.safetensors"), &Device::Cpu).unwrap();
    assert!(!back.metadata.assumed);
    assert_eq!(back.metadata.architecture, own.metadata.architecture);
    assert_eq!(back.metadata.architecture.padding, Padding::Valid);
    assert_eq!(back.metadata.architecture.activation, Activation::Tanh);
    assert_eq!(back.metadata.input, own.metadata.input);
    assert_eq!(back.metadata.class_names.join(","), names);
    let images = crate::normalized(&own, &crate::test_images(), 3);
    let logits = |weights: &Weights| floats(&weights.model.forward(&images).unwrap());
    assert_eq!(logits(&back), logits(&own));

    let few = [&export[..], &["--force", "--class-names", "a,b"]].concat();
    assert!(fails(folder.path(), &few, 2).contains("2 names"));
    let zero = [&export[..], &["--force", "--std", "0"]].concat();
    assert!(fails(folder.path(), &zero, 2).contains("--std is not 0"));
    let onto_ours = [
        "export", "--format", "onnx", "--output", "x", "--mean", "0.1",
    ];
    assert!(fails(folder.path(), &onto_ours, 2).contains("says itself"));
}
