//! `lenet eval`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use lenet_data::{Dataset, Source};
use lenet_files::{printable, write_atomic};
use lenet_run::ClassMetrics;
use lenet_train::{Metrics, Tested, inspect, unfamiliar};
use serde::Serialize;
use tracing::warn;

use crate::arguments::{Eval, EvalFormat, is_plain};
use crate::commands::{check_classes, load_data, load_weights, preparation, source};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use crate::output::{self, decimal, percent};
use crate::pictures;

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Evaluation {
    dataset: String,
    split: &'static str,
    count: u64,
    accuracy: Option<f64>,
    /// The 95 % interval of the accuracy, after Wilson.
    interval: Option<[f64; 2]>,
    top_two_accuracy: Option<f64>,
    expected_calibration_error: Option<f64>,
    /// The fraction of the images that are unlike any of the training.
    unfamiliar: Option<f64>,
    loss: Option<f64>,
    errors: u64,
    per_class: Vec<ClassMetrics>,
}

pub fn run(arguments: &Eval) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let weights = load_weights(arguments.model.as_deref(), &device)?;
    let pictures = preparation(&weights.metadata, arguments.pictures);
    let of_model = Some(&weights.metadata);
    if let Some(folder) = &arguments.errors {
        check_outside(&source(&arguments.source, of_model)?, folder)?;
    }
    let (source, loaded) = load_data(&arguments.source, of_model, pictures)?;
    let (split, dataset) = arguments.split.of(loaded.splits);
    check_classes(&source, &dataset, &weights)?;
    if dataset.class_names() != weights.metadata.class_names {
        warn!(
            "the network was trained on other classes than those of {}: {}",
            printable(source.name(), &[]),
            printable(weights.metadata.class_names.join(", "), &[])
        );
    }
    let backend = arguments.hardware.backend();
    let tested = inspect(&weights.model, &backend, &dataset, weights.metadata.input)?;
    let metrics = &tested.metrics;
    let fraction = |part: u64| (!dataset.is_empty()).then(|| part as f64 / dataset.len() as f64);
    let unfamiliar = unfamiliar(&weights, &backend, &dataset)?;
    let evaluation = Evaluation {
        dataset: source.name(),
        split,
        count: metrics.count(),
        accuracy: metrics.accuracy(),
        interval: metrics.accuracy_interval(),
        top_two_accuracy: fraction(tested.top_two),
        expected_calibration_error: tested.inspection.calibration.expected_calibration_error,
        unfamiliar: unfamiliar.and_then(|count| fraction(count as u64)),
        loss: metrics.loss(),
        errors: metrics.errors(),
        per_class: metrics.per_class(dataset.class_names()),
    };
    match arguments.format {
        EvalFormat::Json => output::json(&evaluation)?,
        EvalFormat::Text => print(&evaluation)?,
        EvalFormat::Csv => output::verbatim(confusion(metrics, dataset.class_names())?.trim_end())?,
    }
    if let Some(folder) = &arguments.errors {
        write_errors(folder, &tested, &dataset)?;
    }
    if let Some(minimum) = arguments.min_accuracy
        && evaluation
            .accuracy
            .is_none_or(|accuracy| accuracy < minimum)
    {
        return Err(Failure::NotAsDemanded(format!(
            "accuracy {} is below --min-accuracy {}",
            percent(evaluation.accuracy),
            percent(Some(minimum))
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(evaluation: &Evaluation) -> Outcome<()> {
    let interval = evaluation.interval.map(|ends| {
        let [low, high] = ends.map(|end| percent(Some(end)));
        format!(" (95 % interval {low} to {high})")
    });
    output::line(format!(
        "{} {}: accuracy {}{}, {} errors in {} images, loss {}",
        evaluation.dataset,
        evaluation.split,
        percent(evaluation.accuracy),
        interval.unwrap_or_default(),
        evaluation.errors,
        evaluation.count,
        decimal(evaluation.loss),
    ))?;
    output::line(format!(
        "top-2 accuracy {}, expected calibration error {}, unlike any training image {}",
        percent(evaluation.top_two_accuracy),
        percent(evaluation.expected_calibration_error),
        percent(evaluation.unfamiliar),
    ))?;
    let heading = ["class", "precision", "recall", "F1", "images"];
    let rows = evaluation.per_class.iter().map(|class| {
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(percent);
        let (name, images) = (class.class.clone(), class.support.to_string());
        vec![name, precision, recall, f1, images]
    });
    output::table(heading, rows.collect(), |column| column == 0)
}

/// The confusion matrix as CSV: a row for each true class, a column for each predicted one.
fn confusion(metrics: &Metrics, class_names: &[String]) -> Outcome<String> {
    let heading =
        std::iter::once("true \\ predicted".to_owned()).chain(class_names.iter().cloned());
    let rows = std::iter::zip(class_names, metrics.confusion()).map(|(name, row)| {
        let counts = row.iter().map(u64::to_string);
        std::iter::once(name.clone())
            .chain(counts)
            .collect::<Vec<_>>()
    });
    output::csv(std::iter::once(heading.collect()).chain(rows))
}

/// Refuses an output inside the data, where its pictures would be more data.
fn check_outside(source: &Source, output: &Path) -> Outcome<()> {
    let Source::Own(data) = source else {
        return Ok(());
    };
    let output = std::path::absolute(output).unwrap_or_default();
    let mut above = output.ancestors();
    let above = above.find_map(|path| fs::canonicalize(path).ok());
    let data = fs::canonicalize(data).ok();
    if data.is_some_and(|data| above.is_some_and(|above| above.starts_with(data))) {
        return Err(Failure::usage(format!(
            "--errors {output:?} is inside the data set, and its pictures would become a class: name \
             a folder elsewhere"
        )));
    }
    Ok(())
}

/// Writes the confusion matrix, the list of the mistakes and a picture of each into an empty folder.
fn write_errors(folder: &Path, tested: &Tested, dataset: &Dataset) -> Outcome<()> {
    output::empty_folder(folder)?;
    let names = dataset.class_names();
    let name = |class: u32| names.get(class as usize).map_or("?", String::as_str);
    let heading = "file,index,label,predicted,probability,label_probability".split(',');
    let mut rows: Vec<Vec<String>> = vec![heading.map(str::to_owned).collect()];
    for mistake in &tested.mistakes {
        let (label, predicted) = (name(mistake.label), name(mistake.predicted));
        let plain = |name: &str| name.replace(|c| !is_plain(c), "_");
        let (index, label_, predicted_) = (mistake.index, plain(label), plain(predicted));
        let file = format!("{index:05}-{label_}-as-{predicted_}.png");
        if let Some((pixels, _)) = dataset.get(mistake.index) {
            write_atomic(&folder.join(&file), &pictures::of_pixels(pixels)?)?;
        }
        rows.push(vec![
            file,
            index.to_string(),
            label.to_owned(),
            predicted.to_owned(),
            format!("{:.6}", mistake.predicted_probability),
            format!("{:.6}", mistake.label_probability),
        ]);
    }
    let confusion = confusion(&tested.metrics, names)?;
    write_atomic(&folder.join("confusion.csv"), confusion.as_bytes())?;
    write_atomic(&folder.join("errors.csv"), output::csv(rows)?.as_bytes())?;
    let folder = printable(folder.display(), &[]);
    tracing::info!("{} mistakes: {folder}", tested.mistakes.len());
    Ok(())
}
