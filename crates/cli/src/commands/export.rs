//! `lenet export`.

mod card;
mod foreign;
mod int8;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum as _;
use lenet_export::OnnxInput;
use lenet_files::Error;

use crate::arguments::{Export, ExportFormat};
use crate::failure::{Failure, Outcome};
use crate::output;

pub fn run(arguments: &Export) -> Outcome {
    check_flags(arguments)?;
    let weights = foreign::load(arguments)?;
    let input = if arguments.normalize {
        OnnxInput::Pixels
    } else {
        OnnxInput::Unit
    };
    let output = &arguments.output;
    if arguments.format == ExportFormat::Hf && output::is_stdout(output) {
        return Err(Failure::usage(
            "--format hf writes a folder, which standard output cannot be",
        ));
    }
    let one = |bytes: Vec<u8>| vec![(output.clone(), bytes)];
    let files: Vec<(PathBuf, Vec<u8>)> = match arguments.format {
        ExportFormat::Onnx => one(lenet_export::onnx(&weights, input)?),
        ExportFormat::OnnxInt8 => {
            let quantized = int8::quantized(arguments, &weights)?;
            one(lenet_export::onnx_int8(&quantized, input)?)
        }
        ExportFormat::CHeader => {
            let quantized = int8::quantized(arguments, &weights)?;
            one(lenet_export::c_header(&quantized).into_bytes())
        }
        ExportFormat::Safetensors => one(weights.to_bytes()?),
        ExportFormat::Hf => {
            let card = card::card(arguments, &weights)?;
            let files = lenet_export::hugging_face(&weights, &card)?;
            fs::create_dir_all(output).map_err(|source| Error::io("create", output, source))?;
            files.map(|(name, bytes)| (output.join(name), bytes)).into()
        }
    };
    // All files, or none if one exists already.
    for (path, _) in &files {
        output::check(path, arguments.force)?;
    }
    for (path, bytes) in files {
        output::file(&path, &bytes, arguments.force)?;
        if !output::is_stdout(&path) {
            output::line(format!("{}: {} bytes", path.display(), bytes.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses flags that the format has no use for.
fn check_flags(arguments: &Export) -> Outcome<()> {
    use ExportFormat::{CHeader, Hf, Onnx, OnnxInt8};
    let has_data = arguments.source.dataset.is_some() || arguments.source.data_dir.is_some();
    let is_calibrated = arguments.calibration_images.is_some();
    let int8: &[_] = &[OnnxInt8, CHeader];
    let flags: [(&str, bool, &[ExportFormat]); 4] = [
        ("--normalize", arguments.normalize, &[Onnx, OnnxInt8]),
        ("--calibration-images", is_calibrated, int8),
        ("--license", arguments.license.is_some(), &[Hf]),
        (
            "--dataset and --data-dir",
            has_data,
            &[OnnxInt8, CHeader, Hf],
        ),
    ];
    for (flag, is_given, formats) in flags {
        if is_given && !formats.contains(&arguments.format) {
            let names = formats.iter().filter_map(ExportFormat::to_possible_value);
            let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
            return Err(Failure::usage(format!(
                "{flag} is only for --format {}",
                names.join(" or ")
            )));
        }
    }
    Ok(())
}
