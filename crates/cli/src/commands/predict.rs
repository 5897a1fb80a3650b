//! `lenet predict`.

mod classifier;
mod explain;
mod inputs;
mod prediction;

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use lenet_files::{Error, Kind};
use lenet_picture::{
    Form, IMAGE_SIDE, MAX_BYTES, Picture, Preparation, digits_in_row, prepare_and_count,
    prepare_by_steps,
};

use crate::arguments::Predict;
use crate::commands::{load_weights, preparation};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome, print_error};
use classifier::Classifier;
use explain::Explanation;
use prediction::{Answer, Prediction, Printer};

pub fn run(arguments: &Predict) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let weights = load_weights(arguments.model.as_deref(), &device)?;
    let pictures = preparation(&weights.metadata, arguments.pictures).unwrap_or_default();
    if arguments.multi && pictures != Preparation::Ink {
        let message = "--multi finds digits by their ink: it needs --pictures ink";
        return Err(Failure::usage(message));
    }
    let explanation = arguments.explain.as_deref();
    let explanation = explanation.map(|path| Explanation::new(path, arguments.force));
    let mut explanation = explanation.transpose()?;
    let mut classifier = Classifier::new(&weights, &device, &arguments.hardware.backend())?;
    let mut printer = Printer::new(arguments);
    let (mut seen, mut failed, mut blank, mut rejected) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut lacks_memory = false;
    for input in inputs::all(&arguments.files) {
        seen += 1;
        let (file, answer) = match input {
            Ok(file) => {
                let answer = answer(
                    arguments,
                    pictures,
                    &file,
                    &mut classifier,
                    &mut explanation,
                );
                (file, answer)
            }
            Err(error) => {
                let file = error.path().unwrap_or(Path::new("")).to_owned();
                (file, Err(error.into()))
            }
        };
        let answer = match answer {
            // One bad picture is no reason to leave out the others.
            Err(Failure::Error(error)) if error.kind() != Kind::Internal => {
                print_error(&error);
                failed += 1;
                lacks_memory |= error.kind() == Kind::Memory;
                Err(error.to_string())
            }
            answer => Ok(answer?),
        };
        let prediction = Prediction::new(&file, answer);
        blank += usize::from(prediction.blank);
        if arguments.reject && prediction.is_unfamiliar() {
            rejected += 1;
        } else {
            printer.print(prediction)?;
        }
    }
    printer.finish()?;
    if let Some(explanation) = explanation {
        explanation.finish()?;
    }
    if failed > 0 {
        let message = format!("{failed} of {seen} pictures could not be read");
        let kind = if lacks_memory {
            Kind::Memory
        } else {
            Kind::Input
        };
        return Err(Error::new(kind, message).into());
    }
    if arguments.reject {
        tracing::info!(
            "{seen} pictures, {blank} of them blank; {rejected} unlike any training image are left out"
        );
    } else if seen > 1 {
        tracing::info!("{seen} pictures, {blank} of them blank");
    }
    Ok(ExitCode::SUCCESS)
}

/// What the picture in a file shows.
fn answer(
    arguments: &Predict,
    pictures: Preparation,
    file: &Path,
    classifier: &mut Classifier,
    explanation: &mut Option<Explanation>,
) -> Outcome<Answer> {
    let bytes = read(file)?;
    let picture = Picture::decode(&bytes).map_err(|error| error.at(file))?;
    let ink = arguments.invert;
    let (width, height) = (picture.width(), picture.height());
    if pictures == Preparation::AsIs && (width, height) != (IMAGE_SIDE, IMAGE_SIDE) {
        tracing::info!("{file:?} has {width}x{height} pixels and is resized to 28x28");
    }
    if arguments.multi {
        let digits = digits_in_row(&picture, ink).into_iter().map(|digit| {
            let reading = classifier.classify(&digit.image)?;
            Ok((digit, reading))
        });
        return Ok(Answer::Row(digits.collect::<Outcome<_>>()?));
    }
    let (form, count) = prepare_and_count(&picture, pictures, ink);
    let reading = match form {
        Form::Blank => None,
        Form::Digit(image) => Some(classifier.classify(&image)?),
    };
    if let Some(explanation) = explanation {
        let (_, steps) = prepare_by_steps(&picture, pictures, ink);
        explanation.add(file, &steps, reading.as_ref())?;
    }
    Ok(match reading {
        None => Answer::Blank,
        Some(reading) if count > 1 && classifier.has_single_characters() => {
            Answer::Several(count, reading)
        }
        Some(reading) => Answer::Digit(reading),
    })
}

fn read(file: &Path) -> Outcome<Vec<u8>> {
    if file != Path::new("-") {
        return Ok(lenet_files::read(file, MAX_BYTES)?);
    }
    let mut bytes = Vec::new();
    let mut stdin = io::stdin().lock().take(MAX_BYTES as u64 + 1);
    stdin
        .read_to_end(&mut bytes)
        .map_err(|source| Error::io("read", file, source))?;
    Ok(bytes)
}
