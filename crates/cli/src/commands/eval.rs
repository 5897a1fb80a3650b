//! `lenet eval`.

use std::process::ExitCode;

use lenet_run::ClassMetrics;
use lenet_train::evaluate;
use serde::Serialize;
use tracing::warn;

use crate::arguments::{Eval, Format};
use crate::commands::{check_classes, load_data, load_weights, preparation};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use crate::output::{self, decimal, percent};

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Evaluation {
    dataset: String,
    split: &'static str,
    count: u64,
    accuracy: Option<f64>,
    loss: Option<f64>,
    errors: u64,
    per_class: Vec<ClassMetrics>,
}

pub fn run(arguments: &Eval) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let weights = load_weights(arguments.model.as_deref(), &device)?;
    let pictures = preparation(&weights.metadata, arguments.pictures);
    let of_model = weights.metadata.dataset.as_deref();
    let (source, loaded) = load_data(&arguments.source, of_model, pictures)?;
    let (split, dataset) = arguments.split.of(loaded.splits);
    check_classes(&source, &dataset, &weights)?;
    if dataset.class_names() != weights.metadata.class_names {
        warn!(
            "the network was trained on other classes than those of {}: {}",
            source.name(),
            weights.metadata.class_names.join(", ")
        );
    }
    let metrics = evaluate(
        &weights.model,
        &arguments.hardware.backend(),
        &dataset,
        weights.metadata.input,
    )?;
    let evaluation = Evaluation {
        dataset: source.name(),
        split,
        count: metrics.count(),
        accuracy: metrics.accuracy(),
        loss: metrics.loss(),
        errors: metrics.errors(),
        per_class: metrics.per_class(dataset.class_names()),
    };
    match arguments.format {
        Format::Json => output::json(&evaluation)?,
        Format::Text => print(&evaluation)?,
    }
    if let Some(minimum) = arguments.min_accuracy
        && evaluation
            .accuracy
            .is_none_or(|accuracy| accuracy < minimum)
    {
        return Err(Failure::BelowMinimum(format!(
            "accuracy {} is below --min-accuracy {}",
            percent(evaluation.accuracy),
            percent(Some(minimum))
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(evaluation: &Evaluation) -> Outcome<()> {
    output::line(format!(
        "{} {}: accuracy {}, {} errors in {} images, loss {}",
        evaluation.dataset,
        evaluation.split,
        percent(evaluation.accuracy),
        evaluation.errors,
        evaluation.count,
        decimal(evaluation.loss),
    ))?;
    let heading = ["class", "precision", "recall", "F1", "images"].map(str::to_owned);
    let rows = evaluation.per_class.iter().map(|class| {
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(percent);
        vec![
            class.class.clone(),
            precision,
            recall,
            f1,
            class.support.to_string(),
        ]
    });
    output::table(heading.into(), rows.collect(), |column| column == 0)
}
