//! `lenet reproduce`: trains a run again and compares.

use std::path::Path;
use std::process::ExitCode;

use candle_core::Device;
use lenet_data::Search;
use lenet_files::{Error, Kind, read};
use lenet_model::Weights;
use lenet_run::{Keep, Records, RunFolder, name};
use tracing::info;

use crate::arguments::{Reproduce, Values, Verbosity};
use crate::commands::train::{configuration, train};
use crate::commands::{context, load_for, recorded_source};
use crate::device::instruction_set;
use crate::failure::{Failure, Outcome};
use crate::output;

/// The largest weights file that is compared.
const MAX_BYTES: usize = 1 << 30;

pub fn run(arguments: &Reproduce, verbosity: &Verbosity) -> Outcome {
    let first = Records::read_figures(&arguments.run)?;
    if first.summary.is_none() {
        let message = "this run is not finished: resume it with `lenet train --resume`";
        return Err(Error::input(message).at(&arguments.run).into());
    }
    let resolved = configuration::resolve(Some(&arguments.run), None, &Values::default())?;
    let context = context(&arguments.hardware, Keep::Model, verbosity)?;
    let source = recorded_source(&resolved.config.dataset, Some(&arguments.run))?;
    let search = Search::new(arguments.data_dir.clone());
    let loaded = load_for(&resolved.config, &source, &search, false)?;
    if let Some(record) = &first.environment {
        if record.data.sha256 != loaded.sha256 {
            return Err(differs("the data: their digests are others"));
        }
        let own = [context.backend.to_string(), instruction_set().to_owned()];
        let of_run = [&record.engine, &record.instruction_set];
        if own.each_ref() != of_run {
            info!(
                "the run was computed by {} ({}), and is now by {} ({}): these round differently",
                of_run[0], of_run[1], own[0], own[1]
            );
        }
    }
    let folder = tempfile::Builder::new()
        .prefix("lenet-reproduce-")
        .tempdir();
    let folder = folder.map_err(|error| {
        Error::new(Kind::Io, "cannot create a temporary folder").caused_by(error)
    })?;
    let again = folder.path().join("run");
    let create = || RunFolder::create(&again);
    if train(&context, resolved, &source, loaded, None, create)?.is_none() {
        return Ok(context.stop.exit_code());
    }
    compare(&first, &arguments.run, &again)?;
    output::line("identical, bit for bit")?;
    Ok(ExitCode::SUCCESS)
}

/// The first difference of two runs as an error: of the epochs, of the weights, of the test.
fn compare(first: &Records, of_run: &Path, again: &Path) -> Outcome<()> {
    let second = Records::read_figures(again)?;
    if first.epochs.len() != second.epochs.len() {
        let [before, now] = [first, &second].map(|records| records.epochs.len());
        return Err(differs(format!("{before} epochs in the run, {now} now")));
    }
    for (before, now) in std::iter::zip(&first.epochs, &second.epochs) {
        let epoch = before.epoch;
        let figures = |epoch: &lenet_run::Epoch| {
            let validation = epoch.validation;
            [
                ("train_loss", Some(epoch.train.loss)),
                ("train_accuracy", Some(epoch.train.accuracy)),
                ("val_loss", validation.map(|scores| scores.loss)),
                ("val_accuracy", validation.map(|scores| scores.accuracy)),
                ("learning_rate", Some(epoch.learning_rate)),
            ]
        };
        for ((name, before), (_, now)) in std::iter::zip(figures(before), figures(now)) {
            if before.map(f64::to_bits) != now.map(f64::to_bits) {
                let [before, now] = [before, now].map(|value| value.unwrap_or(f64::NAN));
                let message = format!("epoch {epoch}, {name}: {before} in the run, {now} now");
                return Err(differs(message));
            }
        }
    }
    let weights = of_run.join(name::WEIGHTS);
    if weights.exists() {
        compare_weights(&weights, &again.join(name::WEIGHTS))?;
    }
    let test = |records: &Records| records.summary.as_ref().map(|summary| summary.test);
    if test(first) != test(&second) {
        return Err(differs("the figures of the test images in summary.json"));
    }
    Ok(())
}

fn compare_weights(before: &Path, now: &Path) -> Outcome<()> {
    if read(before, MAX_BYTES)? == read(now, MAX_BYTES)? {
        return Ok(());
    }
    let [before, now] = [before, now].map(|path| Weights::load(path, &Device::Cpu));
    let (before, now) = (before?.model, now?.model);
    let names = before.parameters().iter().map(|(name, _)| name.to_owned());
    let values = std::iter::zip(before.parameters().values()?, now.parameters().values()?);
    for (name, (before, now)) in std::iter::zip(names, values) {
        let differing = |(before, now): (&f32, &f32)| before.to_bits() != now.to_bits();
        if let Some(index) = std::iter::zip(&before, &now).position(differing) {
            return Err(differs(format!(
                "{name}, element {index}: {} in the run, {} now",
                before[index], now[index]
            )));
        }
    }
    let what = "the metadata of model.safetensors; the parameters are equal";
    Err(differs(what))
}

fn differs(what: impl std::fmt::Display) -> Failure {
    Failure::NotAsDemanded(format!("not reproduced; the first difference: {what}"))
}
