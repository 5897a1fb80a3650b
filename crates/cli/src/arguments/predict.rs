//! The arguments of `lenet predict`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use lenet_picture::{Ink, Preparation};

use super::{Hardware, preparation};

#[derive(Debug, Args)]
pub struct Predict {
    /// PNG, JPEG or BMP files, folders searched with their subfolders, patterns such as
    /// 'scans/*.png', IDX files of images, tar archives of pictures (either also as .gz), or - for one
    /// of these on standard input.
    #[arg(required_unless_present = "files_from", value_name = "PICTURE", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,
    /// Also read what each line of this file names, or of standard input with -.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files_from: Option<PathBuf>,
    /// Take only each Nth picture, from the Ith on: 1/N to N/N share the work among N processes.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// A model.safetensors, or a run folder that holds one [default: the embedded network, which
    /// the recipe best trained on MNIST].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Show the N most likely classes.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub top_k: u16,
    /// Whether the pictures are dark on light; auto decides by their borders, for `--pictures ink`.
    #[arg(
        long,
        value_name = "WHETHER",
        default_value = "auto",
        default_missing_value = "yes",
        num_args = 0..=1,
        require_equals = true,
        value_parser = ink()
    )]
    pub invert: Ink,
    /// Each picture shows several digits, in a row as a postcode does, or in several rows: read them
    /// row by row, from left to right.
    #[arg(long)]
    pub multi: bool,
    /// How pictures become images [default: as in the network's training, ink if that is not known].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// Leave out pictures that are unlike any of the network's training, and say how many.
    #[arg(long)]
    pub reject: bool,
    /// Show every step from a picture to the network's input: one sheet for all if PATH ends in
    /// .png, else a folder with a sheet for each.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "multi")]
    pub explain: Option<PathBuf>,
    /// Overwrite the sheet of --explain if it exists.
    #[arg(long, requires = "explain")]
    pub force: bool,
    #[command(flatten)]
    pub hardware: Hardware,
    /// The form of the results on standard output.
    #[arg(long, default_value = "text")]
    pub format: PredictFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PredictFormat {
    /// One line per picture, as soon as it is read.
    Text,
    /// Columns, after all are read.
    Table,
    /// One object per line and picture.
    Json,
    /// A heading, and a row per picture.
    Csv,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(own, all)| Some((own.parse().ok()?, all.parse().ok()?)));
    let valid = numbers.filter(|(own, all)| (1..=*all).contains(own));
    valid.ok_or_else(|| "1/N to N/N, such as 2/4".to_owned())
}

fn ink() -> impl TypedValueParser<Value = Ink> {
    PossibleValuesParser::new(["auto", "yes", "no"]).map(|invert| match &*invert {
        "yes" => Ink::Dark,
        "no" => Ink::Light,
        _ => Ink::Auto,
    })
}
