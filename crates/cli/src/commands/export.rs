//! `lenet export`.

mod card;
mod foreign;
mod int8;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lenet_data::{Dataset, Error, Loaded, Search, Source, write_atomic};
use lenet_export::OnnxInput;
use lenet_model::Weights;

use crate::arguments::{Export, ExportFormat};
use crate::commands;
use crate::failure::{Failure, Outcome};
use crate::output;

pub fn run(arguments: &Export) -> Outcome {
    check_flags(arguments)?;
    let weights = foreign::load(arguments)?;
    let input = match arguments.normalize {
        true => OnnxInput::Pixels,
        false => OnnxInput::Normalized,
    };
    let bytes = match arguments.format {
        ExportFormat::Hf => return folder(arguments, &weights),
        _ if arguments.output.is_dir() => {
            return Err(Failure::Usage(format!(
                "--output {:?} is a folder: name a file in it",
                arguments.output
            )));
        }
        ExportFormat::Onnx => lenet_export::onnx(&weights, input)?,
        ExportFormat::OnnxInt8 => {
            lenet_export::onnx_int8(&int8::quantized(arguments, &weights)?, input)?
        }
        ExportFormat::CHeader => {
            lenet_export::c_header(&int8::quantized(arguments, &weights)?).into_bytes()
        }
        ExportFormat::Safetensors => weights.to_bytes()?,
    };
    write(arguments, &[(arguments.output.clone(), bytes)])?;
    Ok(ExitCode::SUCCESS)
}

/// The layout of the Hugging Face hub.
fn folder(arguments: &Export, weights: &Weights) -> Outcome {
    let card = card::card(arguments, weights)?;
    let files = lenet_export::hugging_face(weights, &card)?;
    let files = files.map(|(name, bytes)| (arguments.output.join(name), bytes));
    let io = |source| Error::Io {
        operation: "create the folder",
        path: arguments.output.clone(),
        source,
    };
    fs::create_dir_all(&arguments.output).map_err(io)?;
    write(arguments, &files)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes all files, or none where one is there already.
fn write(arguments: &Export, files: &[(PathBuf, Vec<u8>)]) -> Outcome<()> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists())
        && !arguments.force
    {
        return Err(Failure::Usage(format!(
            "{path:?} is there already: --force replaces it"
        )));
    }
    for (path, bytes) in files {
        write_atomic(path, bytes)?;
        output::line(format!("{}: {} bytes", path.display(), bytes.len()))?;
    }
    Ok(())
}

/// Refuses what the format has no use for.
fn check_flags(arguments: &Export) -> Outcome<()> {
    use ExportFormat::{CHeader, Hf, Onnx, OnnxInt8};
    let data = arguments.source.dataset.is_some() || arguments.source.data_dir.is_some();
    let flags: [(&str, bool, &[ExportFormat], &str); 4] = [
        (
            "--normalize",
            arguments.normalize,
            &[Onnx, OnnxInt8],
            "onnx and onnx-int8",
        ),
        (
            "--calibration-images",
            arguments.calibration_images.is_some(),
            &[OnnxInt8, CHeader],
            "onnx-int8 and c-header",
        ),
        ("--license", arguments.license.is_some(), &[Hf], "hf"),
        (
            "--dataset and --data-dir",
            data,
            &[OnnxInt8, CHeader, Hf],
            "onnx-int8, c-header and hf",
        ),
    ];
    for (flag, given, formats, names) in flags {
        if given && !formats.contains(&arguments.format) {
            return Err(Failure::Usage(format!(
                "{flag} has no effect here: it goes with --format {names}"
            )));
        }
    }
    Ok(())
}

/// The data of a network: what was asked for, else what it was trained on, else MNIST.
fn data(arguments: &Export, weights: &Weights) -> Outcome<(Source, Loaded)> {
    let source = commands::source(
        arguments.source.dataset.as_deref(),
        weights.metadata.dataset.as_deref(),
    )?;
    let loaded = source.load(&Search::new(arguments.source.data_dir.clone()))?;
    Ok((source, loaded))
}

/// Refuses images of other classes than the network's.
fn check_classes(name: &str, dataset: &Dataset, weights: &Weights) -> Outcome<()> {
    let classes = weights.metadata.architecture.classes;
    if dataset.classes() != classes {
        return Err(Failure::Usage(format!(
            "{name} has {} classes, the network tells {classes} apart: --dataset names other data",
            dataset.classes(),
        )));
    }
    Ok(())
}

/// The file beside the weights of a run folder.
fn in_run(model: Option<&Path>, name: &str) -> Option<PathBuf> {
    let file = model.filter(|path| path.is_dir())?.join(name);
    file.is_file().then_some(file)
}
