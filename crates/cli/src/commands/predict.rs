//! `lenet predict`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::{Device, Tensor};
use lenet_data::{IMAGE_PIXELS, IMAGE_SIDE, picture};
use lenet_kernels::Pixels;
use lenet_kernels::single::Single;
use lenet_model::{Engine, Weights};
use serde::Serialize;

use crate::arguments::{Format, Predict};
use crate::commands::{load_weights, normalization};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use crate::output::{self, percent};

/// What `--format json` prints of a picture.
#[derive(Debug, Serialize)]
struct Prediction {
    file: String,
    label: Option<String>,
    probability: Option<f32>,
    probabilities: BTreeMap<String, f32>,
    error: Option<String>,
}

pub fn run(arguments: &Predict) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let mut weights = load_weights(&arguments.model, &device)?;
    weights.model = weights.model.with_engine(arguments.hardware.engine.into());
    let mut classifier = Classifier::new(&weights, &device)?;
    let mut seen = 0_usize;
    let mut failed = 0_usize;
    let mut dark_on_light = 0_usize;
    for named in &arguments.pictures {
        for file in files(named) {
            seen += 1;
            let file_name = file.as_ref().unwrap_or(named).clone();
            let mut pixels = match file.and_then(|file| read(&file)) {
                Ok(pixels) => pixels,
                // One bad picture is no reason to leave out the others.
                Err(failure) => {
                    failed += 1;
                    report_bad(arguments.format, &file_name, &failure)?;
                    continue;
                }
            };
            if arguments.invert {
                picture::invert(&mut pixels);
            }
            dark_on_light += usize::from(picture::looks_dark_on_light(&pixels));
            let probabilities = classifier.classify(&pixels)?;
            print(arguments, &weights, &file_name, &probabilities)?;
        }
    }
    if dark_on_light > 0 {
        let hint = match arguments.invert {
            true => "try it without --invert",
            false => "try --invert",
        };
        tracing::warn!("{dark_on_light} of {seen} pictures look black on white: {hint}");
    }
    if failed > 0 {
        return Err(Failure::Inputs(format!(
            "{failed} of {seen} pictures could not be read"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// The pictures that an argument names: itself, or those in the folder that it is, in the order of
/// their names.
fn files(named: &Path) -> Vec<Outcome<PathBuf>> {
    if !named.is_dir() {
        return vec![Ok(named.to_owned())];
    }
    let listed = fs::read_dir(named).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<io::Result<Vec<PathBuf>>>()
    });
    let mut paths = match listed {
        Ok(paths) => paths,
        Err(source) => {
            let operation = "read";
            let path = named.to_owned();
            return vec![Err(lenet_data::Error::Io {
                operation,
                path,
                source,
            }
            .into())];
        }
    };
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| extension == *known)
    };
    paths.retain(is_picture);
    paths.sort_unstable();
    if paths.is_empty() {
        let nothing = format!("{named:?}: no file in this folder ends in .png, .jpg or .jpeg");
        return vec![Err(Failure::Inputs(nothing))];
    }
    paths.into_iter().map(Ok).collect()
}

fn read(file: &Path) -> Outcome<[u8; IMAGE_PIXELS]> {
    if file != Path::new("-") {
        return Ok(picture::read(file)?);
    }
    let mut bytes = Vec::new();
    let limit = picture::MAX_BYTES as u64 + 1;
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|source| lenet_data::Error::Io {
        operation: "read",
        path: file.to_owned(),
        source,
    })?;
    Ok(
        picture::decode(&bytes).map_err(|source| lenet_data::Error::File {
            path: file.to_owned(),
            source,
        })?,
    )
}

/// A network for one picture at a time.
struct Classifier<'a> {
    weights: &'a Weights,
    device: &'a Device,
    table: [f32; 256],
    /// The network on the CPU's fast engine, where that is what computes it.
    single: Option<Single>,
}

impl<'a> Classifier<'a> {
    fn new(weights: &'a Weights, device: &'a Device) -> Outcome<Self> {
        Ok(Self {
            weights,
            device,
            table: normalization(weights).table(),
            single: match weights.model.engine() {
                Engine::Fused => Some(weights.model.to_single()?),
                Engine::Candle => None,
            },
        })
    }

    /// The probability of each class.
    fn classify(&mut self, pixels: &[u8; IMAGE_PIXELS]) -> Outcome<Vec<f32>> {
        if let Some(single) = &mut self.single {
            return Ok(softmax(single.logits(Pixels::Bytes(pixels, &self.table))));
        }
        let input = pixels.map(|pixel| self.table[usize::from(pixel)]);
        let image = Tensor::from_slice(&input, (1, 1, IMAGE_SIDE, IMAGE_SIDE), self.device)?;
        let logits = self.weights.model.forward(&image)?.flatten_all()?;
        Ok(softmax(&logits.to_vec1::<f32>()?))
    }
}

/// exp(x) / sum(exp(x)), with the largest taken off first so that none overflows.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

fn print(
    arguments: &Predict,
    weights: &Weights,
    file: &Path,
    probabilities: &[f32],
) -> Outcome<()> {
    let names = &weights.metadata.class_names;
    let mut ranked: Vec<(&String, f32)> =
        std::iter::zip(names, probabilities.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    match arguments.format {
        Format::Json => output::json(&Prediction {
            file: file.display().to_string(),
            label: ranked.first().map(|(name, _)| (*name).clone()),
            probability: ranked.first().map(|(_, probability)| *probability),
            probabilities: std::iter::zip(names.iter().cloned(), probabilities.iter().copied())
                .collect(),
            error: None,
        }),
        Format::Text => {
            let shown = ranked.iter().take(usize::from(arguments.top_k));
            let shown: Vec<String> = shown
                .map(|(name, probability)| {
                    format!("{name} {}", percent(Some(f64::from(*probability))))
                })
                .collect();
            output::line(format!("{}: {}", file.display(), shown.join(", ")))
        }
    }
}

fn report_bad(format: Format, file: &Path, failure: &Failure) -> Outcome<()> {
    // Nothing can be done where standard error is closed.
    let _ = writeln!(io::stderr(), "error: {failure}");
    match format {
        Format::Text => Ok(()),
        Format::Json => output::json(&Prediction {
            file: file.display().to_string(),
            label: None,
            probability: None,
            probabilities: BTreeMap::new(),
            error: Some(failure.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_large_logits() {
        let probabilities = softmax(&[1_000., 999., -1_000.]);
        let expected = [0.731_058_6, 0.268_941_43, 0.];
        for (probability, expected) in std::iter::zip(probabilities, expected) {
            assert!(
                (probability - expected).abs() < 1e-6,
                "{probability} {expected}"
            );
        }
    }
}
