//! `lenet summary`.

use std::process::ExitCode;

use candle_core::Device;
use lenet_model::{Architecture, Layer};
use serde::Serialize;

use crate::arguments::{Summary, SummaryFormat};
use crate::commands::load_weights;
use crate::failure::Outcome;
use crate::output;

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Json<'a> {
    architecture: &'a Architecture,
    layers: &'a [Layer],
    parameters: usize,
    multiply_adds: usize,
}

pub fn run(arguments: &Summary) -> Outcome {
    let architecture = match &arguments.model {
        Some(path) => load_weights(Some(path), &Device::Cpu)?
            .model
            .architecture()
            .clone(),
        None => Architecture {
            classes: usize::from(arguments.classes),
            padding: arguments.padding,
            activation: arguments.activation,
        },
    };
    let summary = lenet_model::Summary::new(&architecture);
    match arguments.format {
        SummaryFormat::Text => output::verbatim(&summary)?,
        SummaryFormat::Svg => output::verbatim(summary.to_svg().trim_end())?,
        SummaryFormat::Json => output::json(&Json {
            architecture: &summary.architecture,
            layers: &summary.layers,
            parameters: summary.parameters(),
            multiply_adds: summary.multiply_adds(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
