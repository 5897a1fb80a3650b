//! The arguments of `lenet export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use lenet_model::Activation;

use super::{DataArguments, activation};

#[derive(Debug, Args)]
pub struct Export {
    /// What to write.
    #[arg(long)]
    pub format: ExportFormat,
    /// The file to write, or - for standard output; with --format hf, the folder.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,
    /// A model.safetensors, or a run folder that holds one [default: the embedded network, which
    /// the recipe best trained on MNIST]. May also be a PyTorch state_dict saved as safetensors: the
    /// flags below say what it does not.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long)]
    pub force: bool,
    /// For onnx and onnx-int8: the input is raw pixels, u8 from 0 to 255. Otherwise it is f32, the
    /// pixels / 255. All else is inside the graph.
    #[arg(long)]
    pub normalize: bool,
    /// For onnx-int8 and c-header: N training images decide the scales of the integers [default:
    /// 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub calibration_images: Option<u32>,
    /// For hf: the licence of the weights on the model card, by the hub's identifier: mit,
    /// apache-2.0, cc-by-4.0 [default for the embedded network: mit].
    #[arg(long, value_name = "ID")]
    pub license: Option<String>,
    #[command(flatten)]
    pub source: DataArguments,
    #[command(flatten)]
    pub foreign: Foreign,
}

/// What weights of other programs do not say about themselves.
#[derive(Debug, Args)]
#[command(next_help_heading = "For weights without lenet's metadata, as PyTorch saves them")]
pub struct Foreign {
    /// The function after each layer but the last [default: relu].
    #[arg(long, value_parser = activation())]
    pub activation: Option<Activation>,
    /// Subtracted from the pixels on the scale of 0 to 1 [default: 0].
    #[arg(long, value_name = "MEAN", allow_negative_numbers = true)]
    pub mean: Option<f32>,
    /// What the difference is divided by [default: 1].
    #[arg(long, value_name = "STD")]
    pub std: Option<f32>,
    /// The names of the classes in the order of the outputs, separated by commas [default: their
    /// numbers].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub class_names: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// ONNX in f32, for onnxruntime and others: input (batch, 1, 28, 28), logits (batch, classes).
    Onnx,
    /// ONNX in int8 with a scale per channel, as QuantizeLinear and DequantizeLinear.
    OnnxInt8,
    /// A C99 header with the network in int8, for microcontrollers.
    CHeader,
    /// lenet's own weights file, which PyTorch loads too.
    Safetensors,
    /// A folder for the Hugging Face hub: weights, config.json and a model card.
    Hf,
}
