//! The weights file in PyTorch.

use lenet_model::{Activation, Metadata, Summary};

/// Four statements of Python that make the network in PyTorch, load the weights file of this name,
/// and compute logits. The module's names are those of the file.
pub fn pytorch(metadata: &Metadata, file: &str) -> String {
    let architecture = &metadata.architecture;
    let activation = match architecture.activation {
        Activation::Relu => "nn.ReLU()",
        Activation::Tanh => "nn.Tanh()",
    };
    let padding = match architecture.padding.pixels() {
        0 => String::new(),
        pixels => format!(", padding={pixels}"),
    };
    // The flattened maps are the fifth of the layers.
    let summary = Summary::new(architecture);
    let flat: usize = summary.layers[4].output_shape.iter().product();
    let classes = architecture.classes;
    let scaled = match (metadata.input.mean, metadata.input.std) {
        (0., 1.) => "images / 255".to_owned(),
        (0., std) => format!("images / 255 / {std}"),
        (mean, 1.) => format!("images / 255 - {mean}"),
        (mean, std) => format!("(images / 255 - {mean}) / {std}"),
    };
    // Python's strings escape as JSON's do.
    let file = serde_json::Value::from(file);
    format!(
        "\
import collections, safetensors.torch, torch.nn as nn
net = nn.Sequential(collections.OrderedDict(
    conv1=nn.Conv2d(1, 6, 5{padding}), act1={activation}, pool1=nn.AvgPool2d(2),
    conv2=nn.Conv2d(6, 16, 5), act2={activation}, pool2=nn.AvgPool2d(2), flatten=nn.Flatten(),
    fc1=nn.Linear({flat}, 120), act3={activation}, fc2=nn.Linear(120, 84), act4={activation}, fc3=nn.Linear(84, {classes})))
net.load_state_dict(safetensors.torch.load_file({file}))
logits = net({scaled})  # images (B, 1, 28, 28), float, 0 to 255
"
    )
}
