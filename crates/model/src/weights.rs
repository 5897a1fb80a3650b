//! A trained network on disk: the tensors, and all that is needed to use them.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use lenet_engine::Pixels;
use lenet_files::{Format, printable};
use lenet_picture::{IMAGE_PIXELS, Normalization, Preparation};
use serde::{Deserialize, Serialize};

use crate::architecture::{Activation, Architecture, Padding};
use crate::familiarity::Familiarity;
use crate::lenet5::LeNet5;
use crate::parameters::missing;
use crate::store::{self, Contents};
use crate::{Error, Result};

/// The format that this release writes, and the newest that it reads.
const FORMAT: u32 = 2;

/// The most bytes of a weights file: LeNet-5 with 256 classes has 330 KB, the rest is header.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A network with what the file says about it.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The network.
    pub model: LeNet5,
    /// How to use it.
    pub metadata: Metadata,
}

/// What travels with the tensors: all that is needed to use the network.
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
    /// How the pictures of the training became images of 28x28 pixels; `None` in format 1, which did
    /// not say, and for files of other programs.
    #[serde(default)]
    pub preparation: Option<Preparation>,
    /// Whether the images of the training were said to lie on their side, or not to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transposed: Option<bool>,
    /// How a pixel becomes the network's input.
    pub input: Normalization,
    /// What the logits are divided by before they become probabilities, so that these say how often
    /// the answer is right. Guo et al. 2017, <https://arxiv.org/abs/1706.04599>.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Which images resemble those of the training, where that was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub familiarity: Option<Familiarity>,
    /// The release of lenet that trained the network.
    pub lenet_version: String,
    /// The data set that it was trained on.
    pub dataset: Option<String>,
    /// SHA-256 of the data set's files by their names, where known.
    pub data_sha256: BTreeMap<String, String>,
    /// Whether the file has no metadata: the architecture is then inferred from the tensors' shapes,
    /// and everything else is the default.
    #[serde(skip)]
    pub assumed: bool,
    /// What the file calls the five layers, if it has other names for them.
    #[serde(skip)]
    pub layer_names: Vec<String>,
}

/// What a network says of itself to people: its metadata without the many numbers of
/// [`Metadata::familiarity`].
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// The number of trained parameters.
    pub parameters: usize,
    /// What its file says.
    #[serde(flatten)]
    pub metadata: Metadata,
}

/// The temperature that changes nothing.
fn one() -> f32 {
    1.
}

impl Metadata {
    /// Whether each class is a single character, such as a digit.
    pub fn has_single_characters(&self) -> bool {
        self.class_names
            .iter()
            .all(|name| name.chars().count() == 1)
    }

    /// The metadata of a network that was trained by this release.
    pub fn new(architecture: Architecture, class_names: Vec<String>, input: Normalization) -> Self {
        Self {
            format: FORMAT,
            network: "lenet5".to_owned(),
            architecture,
            class_names,
            preparation: None,
            transposed: None,
            input,
            temperature: one(),
            familiarity: None,
            lenet_version: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: None,
            data_sha256: BTreeMap::new(),
            assumed: false,
            layer_names: Vec::new(),
        }
    }

    /// The metadata of a plain file of tensors, as far as their shapes tell.
    fn by_shapes(tensors: &store::Tensors) -> Result<Self> {
        let dims = |name: &str| {
            let tensor = tensors.get(name).ok_or_else(|| missing(name))?;
            Ok::<_, Error>(tensor.dims())
        };
        let padding = match dims("fc1.weight")? {
            [_, 256] => Padding::Valid,
            _ => Padding::Same,
        };
        let architecture = Architecture {
            classes: dims("fc3.bias")?.first().copied().unwrap_or(0),
            padding,
            activation: Activation::Relu,
        };
        architecture.check()?;
        let class_names = (0..architecture.classes).map(|class| class.to_string());
        let class_names = class_names.collect();
        Ok(Self {
            assumed: true,
            ..Self::new(architecture, class_names, Normalization::default())
        })
    }

    fn check(&self) -> Result<()> {
        if self.network != "lenet5" {
            let network = &self.network;
            return Err(Error::input(format!(
                "holds the network {network:?}, not lenet5"
            )));
        }
        let (names, classes) = (self.class_names.len(), self.architecture.classes);
        if names != classes {
            return Err(Error::input(format!(
                "{names} class names for {classes} outputs"
            )));
        }
        let Normalization { mean, std } = self.input;
        if !mean.is_finite() || !std.is_finite() || std == 0. {
            return Err(Error::input(format!(
                "the input scaling (mean {mean}, std {std}) is not finite or divides by 0"
            )));
        }
        let features = self.architecture.layers()?.features();
        if let Some(familiarity) = &self.familiarity
            && !familiarity.fits(classes, features)
        {
            return Err(Error::input(
                "what it says of familiar images is of another network",
            ));
        }
        let temperature = self.temperature;
        if !temperature.is_finite() || temperature <= 0. {
            return Err(Error::input(format!(
                "the temperature {temperature} is not a positive number"
            )));
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
        let metadata = Metadata {
            format: self.metadata.format.max(FORMAT),
            ..self.metadata.clone()
        };
        store::encode(&tensors, &metadata)
    }

    /// Reads the bytes of a weights file. A file without lenet's metadata, such as a PyTorch
    /// `state_dict` saved as safetensors, is taken by the shapes of its tensors: ReLU, pixels
    /// scaled to \[0, 1], classes named by their numbers.
    ///
    /// # Errors
    /// A file that is not a LeNet-5, is damaged, or was written by a later release. Tensors are
    /// compared both ways, by name, shape and type, and every value must be finite, as must be the
    /// logits of an image.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        refuse_other_kinds(bytes)?;
        let Contents {
            mut tensors,
            object,
        } = store::decode(bytes, device)?;
        let metadata = match object {
            Some(object) => {
                store::check_format(&object, FORMAT)?;
                serde_json::from_value(object).map_err(store::unreadable)?
            }
            None => {
                let layer_names = rename(&mut tensors);
                Metadata {
                    layer_names,
                    ..Metadata::by_shapes(&tensors)?
                }
            }
        };
        metadata.check()?;
        let model =
            LeNet5::from_tensors(&metadata.architecture, |name| tensors.get(name).cloned())?;
        let is_extra = |name: &&String| model.parameters().get(name).is_none();
        if let Some(name) = tensors.keys().find(is_extra) {
            return Err(Error::input(format!(
                "the tensor {} does not belong to LeNet-5",
                printable(name, &[])
            )));
        }
        let weights = Self { model, metadata };
        weights.check_logits()?;
        Ok(weights)
    }

    /// Refuses finite parameters whose products are not.
    fn check_logits(&self) -> Result<()> {
        let table = self.metadata.input.table();
        // Every pixel value, beside others at every place.
        let image: [u8; IMAGE_PIXELS] = std::array::from_fn(|at| (37 * at) as u8);
        let mut single = self.model.to_single()?;
        let logits = single.logits(Pixels::Bytes(&image, &table));
        match logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(()),
            Some(class) => Err(Error::input(format!(
                "its logits are not finite: that of class {class} is {} for an ordinary image, so \
                 its training diverged, or its parameters are damaged",
                logits[class]
            ))),
        }
    }

    /// What the network says of itself.
    pub fn about(&self) -> About {
        About {
            parameters: self.model.parameters().count(),
            metadata: Metadata {
                familiarity: None,
                ..self.metadata.clone()
            },
        }
    }

    /// The same network with the deviation of its input and its temperature inside its parameters: it
    /// takes pixels / 255, less the mean if that is not 0, and its logits need no more than a softmax.
    /// The metadata says so, and folding again changes nothing.
    ///
    /// The mean stays outside: the first convolution pads with 0, which is then not a pixel of 0.
    ///
    /// # Errors
    /// Parameters that cannot be read from their device.
    pub fn folded(&self) -> Result<Self> {
        let mut metadata = self.metadata.clone();
        let std = std::mem::replace(&mut metadata.input.std, 1.);
        let temperature = std::mem::replace(&mut metadata.temperature, 1.);
        if (std, temperature) == (1., 1.) {
            return Ok(self.clone());
        }
        // (pixel / 255 - mean) / std * weight = (pixel / 255 - mean) * (weight / std)
        let divisor = |name: &str| match name {
            "conv1.weight" => std,
            "fc3.weight" | "fc3.bias" => temperature,
            _ => 1.,
        };
        let parameters = self.model.parameters();
        let model = LeNet5::from_tensors(&metadata.architecture, |name| {
            let tensor = parameters.get(name)?.as_detached_tensor();
            (tensor / f64::from(divisor(name))).ok()
        })?;
        Ok(Self { model, metadata })
    }

    /// Reads a weights file.
    ///
    /// # Errors
    /// A file that cannot be read or is not a regular file, and those of [`Weights::from_bytes`].
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        // The file is read, not mapped: it may be replaced while it is in use.
        let bytes = lenet_files::read(path, MAX_BYTES)?;
        Self::from_bytes(&bytes, device).map_err(|error| error.at(path))
    }
}

/// Gives tensors the names of LeNet-5 if their shapes and layers are its own: PyTorch's wrappers put
/// `module.`, `_orig_mod.` or `model.` before them, and a `Sequential` has numbers. Returns what the
/// five layers were called, nothing if the names stay.
fn rename(tensors: &mut store::Tensors) -> Vec<String> {
    let shapes = Architecture::default().parameter_shapes();
    if tensors.len() != shapes.len() || shapes.iter().all(|(name, _)| tensors.contains_key(*name)) {
        return Vec::new();
    }
    // No two of the five weights have the same shape, whatever the padding and the classes are.
    let (mut layers, mut renamed) = (Vec::new(), store::Tensors::new());
    for (own, shape) in shapes.iter().step_by(2) {
        let own = own.trim_end_matches(".weight");
        let fits = |dims: &[usize]| match own {
            "fc1" => matches!(dims, [120, 256 | 400]),
            "fc3" => matches!(dims, [_, 84]),
            _ => dims == shape,
        };
        let found = tensors.iter().find_map(|(name, weight)| {
            let layer = name
                .strip_suffix(".weight")
                .filter(|_| fits(weight.dims()))?;
            Some((layer, weight, tensors.get(&format!("{layer}.bias"))?))
        });
        let Some((layer, weight, bias)) = found else {
            return Vec::new();
        };
        layers.push(layer.to_owned());
        renamed.insert(format!("{own}.weight"), weight.clone());
        renamed.insert(format!("{own}.bias"), bias.clone());
    }
    *tensors = renamed;
    layers
}

/// Refuses files that people take for a model, and says what to do instead. The content decides,
/// for names lie.
fn refuse_other_kinds(bytes: &[u8]) -> Result<()> {
    let Some(format) = Format::of(bytes).filter(|format| *format != Format::SAFETENSORS) else {
        return Ok(());
    };
    let advice = match format {
        Format::PICKLE | Format::ZIP | Format::NUMPY => {
            "PyTorch, Keras and NumPy archives are not read: they can run code when they are \
             opened. Save the state_dict with safetensors.torch.save_file"
        }
        Format::HDF5 => {
            "HDF5 files are not read: save the weights under PyTorch's names with \
             safetensors.numpy.save_file"
        }
        Format::LFS_POINTER => "fetch the file itself with `git lfs pull`",
        Format::ONNX => "ONNX is written, but not read",
        Format::WEB_PAGE => "it was saved in place of the file: download that again",
        _ => "weights are read from safetensors files",
    };
    Err(Error::input(format!(
        "not a safetensors file but {format}: {advice}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;

    /// A file of format 1 says nothing of preparation and temperature: it is used as it was.
    #[test]
    fn format_1_is_read() {
        let architecture = Architecture::default();
        let model = LeNet5::new(&architecture, Init::PyTorch, 7, &Device::Cpu).unwrap();
        let names = (0..10).map(|class| class.to_string()).collect();
        let metadata = Metadata::new(architecture, names, Normalization::MNIST);
        let mut object = serde_json::to_value(&metadata).unwrap();
        let members = object.as_object_mut().unwrap();
        members.insert("format".to_owned(), 1.into());
        members.remove("preparation");
        members.remove("temperature");
        let parameters = model.parameters().iter();
        let tensors = parameters
            .map(|(name, var)| (name.to_owned(), var.as_detached_tensor()))
            .collect();
        let bytes = store::encode(&tensors, &object).unwrap();
        let read = Weights::from_bytes(&bytes, &Device::Cpu).unwrap();
        assert_eq!(
            read.metadata,
            Metadata {
                format: 1,
                ..metadata
            }
        );
    }
}
