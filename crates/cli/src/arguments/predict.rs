//! The arguments of `lenet predict`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use lenet_picture::Ink;

use super::Hardware;

#[derive(Debug, Args)]
pub struct Predict {
    /// PNG or JPEG files, folders with such in them or in folders below, patterns such as
    /// 'scans/*.png', or - for a picture on standard input.
    #[arg(required = true, value_name = "PICTURE", value_hint = ValueHint::AnyPath)]
    pub pictures: Vec<PathBuf>,
    /// The trained network: a model.safetensors, or the run folder that holds one [default: weights
    /// of the recipe best for MNIST, which come with the program].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Show so many of the likeliest classes.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub top_k: u16,
    /// Whether the pictures are dark on light: told by their borders, or as you say.
    #[arg(
        long,
        value_name = "WHETHER",
        default_value = "auto",
        default_missing_value = "yes",
        num_args = 0..=1,
        require_equals = true
    )]
    pub invert: Invert,
    /// Each picture shows several digits in a row, as a postcode does: read them from left to right.
    #[arg(long, conflicts_with = "as_is")]
    pub multi: bool,
    /// The pictures are images of the network's kind already, 28x28 pixels and white on black: take
    /// them as they are.
    #[arg(long)]
    pub as_is: bool,
    /// Show every step from a picture to what the network sees: a sheet for all if PATH ends in
    /// .png, else a folder with a sheet for each.
    #[arg(
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = ["multi", "as_is"]
    )]
    pub explain: Option<PathBuf>,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the results on standard output.
    #[arg(long, default_value = "text")]
    pub format: PredictFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PredictFormat {
    /// A line for each picture, as soon as it is read.
    Text,
    /// Columns, when all are read.
    Table,
    /// An object a line for each picture.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Invert {
    /// Told by the border.
    Auto,
    /// Dark on light.
    Yes,
    /// Light on dark.
    No,
}

impl From<Invert> for Ink {
    fn from(invert: Invert) -> Self {
        match invert {
            Invert::Auto => Self::Auto,
            Invert::Yes => Self::Dark,
            Invert::No => Self::Light,
        }
    }
}
