//! A trained network on disk: the tensors, and all that is needed to use them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::architecture::{Activation, Architecture, Padding};
use crate::lenet5::LeNet5;
use crate::store::{self, Contents};
use crate::{Error, Result};

/// The format that this release writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The most bytes of a weights file: LeNet-5 with 256 classes has 330 KB, the rest is header.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A network with what the file says about it.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The network.
    pub model: LeNet5,
    /// How to use it.
    pub metadata: Metadata,
}

/// What travels with the tensors, so that whoever uses the network needs nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The format of this object.
    pub format: u32,
    /// The network's name, always `lenet5`.
    pub network: String,
    /// The form of the network.
    pub architecture: Architecture,
    /// The names of the classes, in the order of the outputs.
    pub class_names: Vec<String>,
    /// How a pixel becomes the network's input.
    pub input: InputScaling,
    /// The release of lenet that trained the network.
    pub lenet_version: String,
    /// The data set that it was trained on.
    pub dataset: Option<String>,
    /// SHA-256 of the data set's files by their names, where known.
    pub data_sha256: BTreeMap<String, String>,
    /// Whether the file said none of this: then it is as the shapes of the tensors tell, and else
    /// as is usual.
    #[serde(skip)]
    pub assumed: bool,
}

/// How a pixel 0..=255 becomes the network's input: `(pixel / 255 - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputScaling {
    /// Subtracted from the pixel on the scale of 0 to 1.
    pub mean: f32,
    /// What the difference is divided by.
    pub std: f32,
}

impl Metadata {
    /// The metadata of a network that was trained by this release.
    pub fn new(architecture: Architecture, class_names: Vec<String>, input: InputScaling) -> Self {
        Self {
            format: FORMAT,
            network: "lenet5".to_owned(),
            architecture,
            class_names,
            input,
            lenet_version: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: None,
            data_sha256: BTreeMap::new(),
            assumed: false,
        }
    }

    fn check(&self) -> Result<()> {
        if self.network != "lenet5" {
            return Err(Error::Network {
                found: self.network.clone(),
            });
        }
        let classes = self.architecture.classes;
        if self.class_names.len() != classes {
            return Err(Error::ClassNames {
                names: self.class_names.len(),
                classes,
            });
        }
        let InputScaling { mean, std } = self.input;
        if !mean.is_finite() || !std.is_finite() || std == 0. {
            return Err(Error::Scaling { mean, std });
        }
        Ok(())
    }
}

impl Weights {
    /// The bytes of a weights file; equal weights give equal bytes.
    ///
    /// # Errors
    /// Parameters that cannot be read from their device.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let parameters = self.model.parameters();
        let tensors = parameters
            .iter()
            .map(|(name, var)| (name.to_owned(), var.as_detached_tensor()))
            .collect();
        store::encode(&tensors, serde_json::to_value(&self.metadata)?)
    }

    /// Reads the bytes of a weights file. A file without lenet's metadata, such as a PyTorch
    /// `state_dict` saved as safetensors, is taken by the shapes of its tensors: ReLU, pixels
    /// scaled to \[0, 1], classes named by their numbers.
    ///
    /// # Errors
    /// One variant of [`Error`] for each way in which the file can be wrong; tensors are compared
    /// both ways, by name, shape and type, and none may hold a value that is no number.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        refuse_other_kinds(bytes)?;
        let Contents { tensors, object } = store::decode(bytes, device)?;
        let metadata = match object {
            Some(object) => {
                let found = object.get("format").and_then(serde_json::Value::as_u64);
                let found = found.and_then(|format| u32::try_from(format).ok());
                if let Some(found) = found.filter(|&format| format > FORMAT) {
                    let supported = FORMAT;
                    return Err(Error::Version { found, supported });
                }
                serde_json::from_value(object)?
            }
            None => metadata_by_shapes(&tensors)?,
        };
        metadata.check()?;
        let model =
            LeNet5::from_tensors(&metadata.architecture, |name| tensors.get(name).cloned())?;
        if let Some(name) = tensors
            .keys()
            .find(|name| model.parameters().get(name).is_none())
        {
            return Err(Error::ExtraTensor { name: name.clone() });
        }
        Ok(Self { model, metadata })
    }

    /// Reads a weights file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::File`] with the path and the reason, as of
    /// [`Weights::from_bytes`].
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let in_file = |source| Error::File {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(io)?;
        // Asked before opening: a pipe waits for its writer, and a device may never end.
        if !metadata.is_file() {
            return Err(in_file(Error::NotAFile));
        }
        let found = metadata.len();
        if found > MAX_BYTES {
            let limit = MAX_BYTES;
            return Err(in_file(Error::TooLarge { found, limit }));
        }
        // The file is read, not mapped: it may be replaced while it is in use.
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(&bytes, device).map_err(in_file)
    }
}

/// The metadata of a plain file of tensors, as far as the shapes tell.
fn metadata_by_shapes(tensors: &store::Tensors) -> Result<Metadata> {
    let dims = |name: &'static str| {
        let tensor = tensors.get(name).ok_or(Error::MissingTensor { name })?;
        Ok::<_, Error>(tensor.dims())
    };
    let padding = match dims("fc1.weight")? {
        [_, 256] => Padding::Valid,
        _ => Padding::Same,
    };
    let classes = dims("fc3.bias")?.first().copied().unwrap_or(0);
    let architecture = Architecture {
        classes,
        padding,
        activation: Activation::Relu,
    };
    if !(1..=256).contains(&classes) {
        return Err(Error::ClassCount { found: classes });
    }
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    let input = InputScaling { mean: 0., std: 1. };
    Ok(Metadata {
        assumed: true,
        ..Metadata::new(architecture, class_names, input)
    })
}

/// Says what a file is that people take for a model, and what to do with it. The content decides,
/// for names lie.
fn refuse_other_kinds(bytes: &[u8]) -> Result<()> {
    let (kind, hint) = match bytes {
        [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..] => (
            "PyTorch, Keras or NumPy archive",
            "they can run code when they are opened; save the state_dict with safetensors.torch.save_file",
        ),
        [0x89, b'H', b'D', b'F', ..] => (
            "HDF5",
            "save the weights under PyTorch's names with safetensors.numpy.save_file",
        ),
        _ => return Ok(()),
    };
    Err(Error::Kind { kind, hint })
}
