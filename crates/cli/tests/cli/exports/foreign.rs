//! Weights that another program saved.

use std::fs;

use candle_core::Device;
use lenet_model::{Padding, Weights};
use safetensors::tensor::{Dtype, TensorView};

use super::{bytes_of, fails, floats, mnist, normalized, other_network};

/// The tensors alone, as `safetensors.torch.save_file(net.state_dict(), ...)` writes them.
fn state_dict(weights: &Weights) -> Vec<u8> {
    let parameters = weights.model.parameters().iter();
    let tensors: Vec<_> = parameters
        .map(|(name, var)| (name, var.dims().to_vec(), bytes_of(&floats(var))))
        .collect();
    let views = tensors.iter().map(|(name, dims, bytes)| {
        let view = TensorView::new(Dtype::F32, dims.clone(), bytes);
        (*name, view.unwrap())
    });
    let about = Some([("format".to_owned(), "pt".to_owned())].into());
    safetensors::serialize(views, about).unwrap()
}

/// What the file does not say is assumed with a warning; flags write it down, and then nothing is
/// assumed.
#[test]
fn weights_without_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unfolded = other_network();
    let own = unfolded.folded().unwrap();
    fs::write(folder.join("torch.safetensors"), state_dict(&unfolded)).unwrap();
    let said = fails(folder, "summary --model torch.safetensors", 0);
    let file = "torch.safetensors";
    for words in [file, "padding valid, 11 classes", "Assumed: relu"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let names = "a,b,c,d,e,f,g,h,i,j,k";
    let export = "export --format safetensors --output w.safetensors --force";
    let flags = "--activation tanh --mean 0.1307 --std 0.3081 --class-names";
    let stated = format!("{export} --model torch.safetensors {flags} {names}");
    let said = fails(folder, &stated, 0);
    assert!(!said.contains("WARN"), "{said}");
    let back = Weights::load(&folder.join("w.safetensors"), &Device::Cpu).unwrap();
    assert!(!back.metadata.assumed);
    assert_eq!(back.metadata.architecture, own.metadata.architecture);
    assert_eq!(back.metadata.architecture.padding, Padding::Valid);
    assert_eq!(back.metadata.input, own.metadata.input);
    assert_eq!(back.metadata.class_names.join(","), names);
    let images = normalized(&own, &mnist().test, 3);
    let logits = |weights: &Weights| floats(&weights.model.forward(&images).unwrap());
    assert_eq!(logits(&back), logits(&own));
    for (flags, part) in [
        ("--model torch.safetensors --class-names a,b", "has 2 names"),
        ("--model torch.safetensors --std 0", "--std not 0"),
        ("--mean 0.1", "only for weights of other programs"),
    ] {
        let said = fails(folder, &format!("{export} {flags}"), 2);
        assert!(said.contains(part), "{flags}: {said}");
    }
}
