//! `lenet predict`.

mod answer;
mod classifier;
mod explain;
mod inputs;

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use lenet_data::{Error, read_file};
use lenet_picture::{
    Form, IMAGE_PIXELS, MAX_BYTES, Picture, digits_in_row, to_mnist_form_by_steps,
};

use crate::arguments::{Invert, Predict};
use crate::commands::load_weights;
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};
use answer::{Answer, Printer};
use classifier::Classifier;
use explain::Explanation;

pub fn run(arguments: &Predict) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let weights = load_weights(arguments.model.as_deref(), &device)?;
    if weights.metadata.dataset.as_deref() == Some("fashion-mnist") && !arguments.as_is {
        tracing::warn!("this network knows clothes: pictures of its data set go with --as-is");
    }
    let mut explanation = match &arguments.explain {
        Some(path) => Some(Explanation::new(path)?),
        None => None,
    };
    let mut classifier = Classifier::new(&weights, &device, &arguments.hardware.backend())?;
    let mut printer = Printer::new(arguments, &weights.metadata.class_names);
    let (mut seen, mut failed, mut blank) = (0_usize, 0_usize, 0_usize);
    for input in inputs::all(&arguments.pictures) {
        seen += 1;
        let (file, bytes) = match input {
            Ok(file) => {
                let bytes = read(&file);
                (file, bytes)
            }
            Err((file, failure)) => (file, Err(failure)),
        };
        let answer = bytes
            .and_then(|bytes| answer(arguments, &file, &bytes, &mut classifier, &mut explanation));
        let answer = match answer {
            Ok(answer) => answer,
            // One bad picture is no reason to leave out the others.
            Err(failure @ Failure::Data(_)) | Err(failure @ Failure::Inputs(_)) => {
                // Nothing can be done where standard error is closed.
                let _ = writeln!(io::stderr(), "error: {failure}");
                failed += 1;
                Answer::Failed(failure.to_string())
            }
            Err(failure) => return Err(failure),
        };
        blank += usize::from(answer == Answer::Blank);
        printer.print(&file, answer)?;
    }
    printer.finish()?;
    if let Some(explanation) = explanation {
        explanation.finish()?;
    }
    if failed > 0 {
        return Err(Failure::Inputs(format!(
            "{failed} of {seen} pictures could not be read"
        )));
    }
    if seen > 1 {
        tracing::info!("{seen} pictures, {blank} of them blank");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file's bytes come to.
fn answer(
    arguments: &Predict,
    file: &Path,
    bytes: &[u8],
    classifier: &mut Classifier,
    explanation: &mut Option<Explanation>,
) -> Outcome<Answer> {
    let in_file = |error: lenet_files::Error| error.at(file);
    if arguments.as_is {
        let mut image = lenet_picture::decode(bytes).map_err(in_file)?;
        if arguments.invert == Invert::Yes {
            image = image.map(|pixel| 255 - pixel);
        }
        return Ok(Answer::Digit(classifier.classify(&image)?));
    }
    let picture = Picture::decode(bytes).map_err(in_file)?;
    let ink = arguments.invert.into();
    if arguments.multi {
        let mut row = Vec::new();
        for digit in digits_in_row(&picture, ink) {
            let probabilities = classifier.classify(&digit.image)?;
            row.push((digit.columns, digit.rows, probabilities));
        }
        return Ok(match row.is_empty() {
            true => Answer::Blank,
            false => Answer::Row(row),
        });
    }
    let Some(explanation) = explanation else {
        return of_form(&lenet_picture::to_mnist_form(&picture, ink), classifier);
    };
    let (form, steps) = to_mnist_form_by_steps(&picture, ink);
    let answer = of_form(&form, classifier)?;
    explanation.add(file, &steps, &classifier.in_words(&answer))?;
    Ok(answer)
}

fn of_form(form: &Form, classifier: &mut Classifier) -> Outcome<Answer> {
    let image: &[u8; IMAGE_PIXELS] = match form {
        Form::Blank => return Ok(Answer::Blank),
        Form::Digit(image) => image,
    };
    Ok(Answer::Digit(classifier.classify(image)?))
}

fn read(file: &Path) -> Outcome<Vec<u8>> {
    if file != Path::new("-") {
        return Ok(read_file(file, MAX_BYTES)?);
    }
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io {
        operation: "read",
        path: file.to_owned(),
        source,
    })?;
    Ok(bytes)
}
