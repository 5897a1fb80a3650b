//! The arguments of `lenet export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use lenet_model::Activation;

use super::{Source, activation};

#[derive(Debug, Args)]
pub struct Export {
    /// What to write.
    #[arg(long)]
    pub format: ExportFormat,
    /// Write this file; with --format hf, into this folder.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,
    /// The trained network: a model.safetensors, or the run folder that holds one [default: weights
    /// of the recipe best for MNIST, which come with the program]. A state_dict of PyTorch saved as
    /// safetensors is one too: the flags below say what it does not.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Replace the files that are there already.
    #[arg(long)]
    pub force: bool,
    /// Of onnx and onnx-int8: take pixels as they are, u8 of 0 to 255, and normalise them inside the
    /// graph. Else the input is f32 that you have normalised; the file's metadata says how.
    #[arg(long)]
    pub normalize: bool,
    /// Of onnx-int8 and c-header: so many training images decide the scales of the integers
    /// [default: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub calibration_images: Option<u32>,
    /// Of hf: the licence of the weights on the model card, as the hub writes it: mit, apache-2.0,
    /// cc-by-4.0 [default for the network that comes with the program: mit].
    #[arg(long, value_name = "ID")]
    pub license: Option<String>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub foreign: Foreign,
}

/// What weights of other programs do not say about themselves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Of weights without lenet's metadata, as PyTorch saves them")]
pub struct Foreign {
    /// The function after each layer but the last [default: relu].
    #[arg(long, value_name = "FUNCTION", value_parser = activation())]
    pub activation: Option<Activation>,
    /// Subtracted from the pixels on the scale of 0 to 1 [default: 0].
    #[arg(long, value_name = "MEAN", allow_negative_numbers = true)]
    pub mean: Option<f32>,
    /// What the difference is divided by [default: 1].
    #[arg(long, value_name = "STD")]
    pub std: Option<f32>,
    /// The names of the classes in the order of the outputs, with commas between them [default:
    /// their numbers].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub class_names: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// ONNX in f32, for onnxruntime and the like: input (batch, 1, 28, 28), logits (batch, classes).
    Onnx,
    /// ONNX in int8 with a scale for each channel, as QuantizeLinear and DequantizeLinear.
    OnnxInt8,
    /// A header of C99 with the network in int8, for microcontrollers.
    CHeader,
    /// The weights as lenet has them, which PyTorch loads too.
    Safetensors,
    /// A folder for the Hugging Face hub: weights, config.json and a model card.
    Hf,
}
