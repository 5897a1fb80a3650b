//! A folder in the layout of the Hugging Face hub.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::pytorch;
use lenet_model::{Metadata, Result, Summary, Weights};

/// What a model card says beyond the metadata of the weights.
#[derive(Debug, Clone, Default)]
pub struct Card {
    /// The licence of the weights by the hub's identifier, such as `mit`.
    pub licence: Option<String>,
    /// The data that the network was trained on.
    pub dataset: Option<CardDataset>,
    /// The figures measured on the test images.
    pub figures: Option<Figures>,
}

/// A data set as a card names it.
#[derive(Debug, Clone)]
pub struct CardDataset {
    /// The name in prose.
    pub title: String,
    /// Its repository on the hub.
    pub hub: Option<String>,
    /// Its licence in a few words.
    pub licence: Option<String>,
    /// Where it is described.
    pub citation: Option<String>,
}

/// Figures on test images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Number of images.
    pub count: u64,
    /// How many were misclassified.
    pub errors: u64,
    /// Mean cross-entropy in nats, if it is finite.
    pub loss: Option<f64>,
}

impl Figures {
    /// The share that was classified correctly.
    fn accuracy(self) -> f64 {
        self.count.saturating_sub(self.errors) as f64 / self.count as f64
    }
}

/// The files of the folder, with scaling and temperature inside the weights, by name: `model.safetensors`, `config.json` and the model card
/// `README.md` with its YAML front matter. Equal arguments give equal bytes.
///
/// # Errors
/// Parameters that cannot be read from their device.
pub fn hugging_face(weights: &Weights, card: &Card) -> Result<[(&'static str, Vec<u8>); 3]> {
    let weights = weights.folded()?;
    let metadata = &weights.metadata;
    Ok([
        ("model.safetensors", weights.to_bytes()?),
        ("config.json", config(metadata).into_bytes()),
        ("README.md", readme(metadata, card).into_bytes()),
    ])
}

fn config(metadata: &Metadata) -> String {
    let names = || metadata.class_names.iter().enumerate();
    let id2label: BTreeMap<usize, &String> = names().collect();
    let label2id: BTreeMap<&String, usize> = names().map(|(index, name)| (name, index)).collect();
    let config = json!({
        "model_type": "lenet5",
        "architectures": ["LeNet5"],
        "dtype": "float32",
        "num_channels": 1,
        "image_size": 28,
        "num_labels": metadata.class_names.len(),
        "id2label": id2label,
        "label2id": label2id,
        "padding": metadata.architecture.padding,
        "hidden_act": metadata.architecture.activation,
        "rescale_factor": 1. / 255.,
        "image_mean": [shortest(metadata.input.mean)],
        "image_std": [shortest(metadata.input.std)],
        "preparation": metadata.preparation.unwrap_or_default(),
        "lenet_version": metadata.lenet_version,
    });
    format!("{config:#}\n")
}

/// The shortest decimal that reads back as this f32: 0.1307 instead of 0.13070000708103180.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn readme(metadata: &Metadata, card: &Card) -> String {
    let dataset = card.dataset.as_ref();
    let parameters = Summary::new(&metadata.architecture).parameters();
    let data = match dataset {
        Some(dataset) => format!(" trained on {}", dataset.title),
        None => String::new(),
    };
    let mut text = format!("---\n{}---\n\n", front_matter(metadata, card));
    text += &format!(
        "# LeNet-5{data}\n\n\
         The network of LeCun, Bottou, Bengio and Haffner, [Gradient-based learning applied to \
         document recognition](https://doi.org/10.1109/5.726791) (1998), with average pooling, \
         {} and {parameters} parameters. It takes grey images of 28x28 pixels ({}) and tells {} \
         classes apart: {}.\n\nTrained with lenet {}.\n",
        metadata.architecture.activation,
        metadata.preparation.unwrap_or_default().about(),
        metadata.class_names.len(),
        metadata.class_names.join(", "),
        metadata.lenet_version,
    );
    text += "\n## Figures\n\n";
    text += &match card.figures {
        Some(figures) => {
            let loss = figures
                .loss
                .map_or(String::new(), |l| format!(", loss {l:.4}"));
            format!(
                "On the {} test images: accuracy {:.2} %, {} errors{loss}.\n",
                figures.count,
                100. * figures.accuracy(),
                figures.errors
            )
        }
        None => "The network was not evaluated for this card.\n".to_owned(),
    };
    text += &format!(
        "\n## Use\n\nIn PyTorch:\n\n```python\n{}```\n\nWith lenet, which brings photos and \
         drawings into the network's form:\n\n```console\n$ lenet predict --model \
         model.safetensors PICTURES\n```\n",
        pytorch(metadata, "model.safetensors"),
    );
    text += "\n## Licence and data\n\n";
    text += &match &card.licence {
        Some(licence) => format!("The weights: {licence}.\n"),
        None => "The licence of the weights is not stated.\n".to_owned(),
    };
    if let Some(dataset) = dataset {
        let licence = dataset.licence.as_deref().unwrap_or("licence not stated");
        text += &format!("The data: {}, {licence}.\n", dataset.title);
        if let Some(citation) = &dataset.citation {
            text += &format!("Please cite: {citation}.\n");
        }
    }
    for (file, digest) in &metadata.data_sha256 {
        text += &format!("\n- `{file}`: SHA-256 `{digest}`");
    }
    if !metadata.data_sha256.is_empty() {
        text.push('\n');
    }
    text
}

/// The YAML of the card, as <https://huggingface.co/docs/hub/model-cards> describes it. Every text
/// that is not ours is written as JSON, which YAML takes as it is.
fn front_matter(metadata: &Metadata, card: &Card) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut yaml = String::new();
    if let Some(licence) = &card.licence {
        yaml += &format!("license: {}\n", quoted(licence));
    }
    yaml += "library_name: lenet\npipeline_tag: image-classification\n";
    yaml += "tags:\n- lenet\n- lenet-5\n- candle\n- pytorch\n";
    let dataset = card.dataset.as_ref();
    if let Some(hub) = dataset.and_then(|dataset| dataset.hub.as_deref()) {
        yaml += &format!("datasets:\n- {}\n", quoted(hub));
    }
    yaml += "metrics:\n- accuracy\n";
    if let (Some(dataset), Some(figures)) = (dataset, card.figures) {
        let name = match &metadata.dataset {
            Some(name) => format!("lenet5-{name}"),
            None => "lenet5".to_owned(),
        };
        // The type names a repository; data that has none is named by its title.
        let kind = dataset.hub.as_deref().unwrap_or(&dataset.title);
        yaml += &format!(
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: image-classification\n    \
             dataset:\n      name: {}\n      type: {}\n      split: test\n    metrics:\n    \
             - type: accuracy\n      value: {}\n",
            quoted(&name),
            quoted(&dataset.title),
            quoted(kind),
            figures.accuracy(),
        );
        if let Some(loss) = figures.loss {
            yaml += &format!("    - type: loss\n      value: {loss}\n");
        }
    }
    yaml
}
