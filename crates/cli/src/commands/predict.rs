//! `lenet predict`.

mod classifier;
mod containers;
mod explain;
mod inputs;
mod prediction;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use lenet_files::{Error, Kind};
use lenet_picture::{
    Form, IMAGE_PIXELS, IMAGE_SIDE, MAX_BYTES, Picture, Preparation, digits_in_row,
    prepare_and_count, prepare_by_steps,
};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::arguments::Predict;
use crate::commands::{load_weights, preparation};
use crate::device::set_threads;
use crate::failure::{Failure, Outcome, print_error};
use classifier::Classifier;
use containers::{Content, Input};
use explain::Explanation;
use inputs::Inputs;
use prediction::{Answer, Classes, Prediction, Printed, Printer, print_table};

/// Pictures that a thread takes at once, and how many times as many are in memory for each thread.
const PIECE: usize = 64;
const PIECES: usize = 8;

/// What decides about all pictures.
struct Task<'a> {
    arguments: &'a Predict,
    pictures: Preparation,
    printer: Printer<'a>,
    explanation: Mutex<Option<Explanation>>,
}

pub fn run(arguments: &Predict) -> Outcome {
    let threads = set_threads(arguments.hardware.threads)?;
    let device = arguments.hardware.device.open()?;
    let weights = load_weights(arguments.model.as_deref(), &device)?;
    let pictures = preparation(&weights.metadata, arguments.pictures).unwrap_or_default();
    if arguments.multi && pictures != Preparation::Ink {
        let message = "--multi finds digits by their ink: it needs --pictures ink";
        return Err(Failure::usage(message));
    }
    let explanation = arguments.explain.as_deref();
    let explanation = explanation.map(|path| Explanation::new(path, arguments.force));
    let is_alone = arguments.explain.is_some() || !arguments.hardware.is_fused();
    let task = Task {
        arguments,
        pictures,
        printer: Printer(arguments),
        explanation: Mutex::new(explanation.transpose()?),
    };
    let classes = Classes::new(&weights.metadata.class_names);
    let candle = (!arguments.hardware.is_fused()).then_some(&device);
    let classifier = || Classifier::new(&weights, &classes, candle);
    // What is wrong with the weights is said before anything is read.
    let mut classifiers = vec![Mutex::new(Some(classifier()?))];
    classifiers.resize_with(threads, Mutex::default);
    let answer = |piece| {
        let own = rayon::current_thread_index().unwrap_or_default() % threads;
        let mut own = classifiers[own]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(classifier()?),
        };
        task.answer(own, piece)
    };
    let answer_all = |pieces: Vec<Piece>| -> Vec<Outcome<Answered>> {
        if is_alone {
            pieces.into_iter().map(answer).collect()
        } else {
            pieces.into_par_iter().map(answer).collect()
        }
    };

    let mut inputs = Inputs::new(arguments)?;
    let mut total = Total::default();
    write(task.printer.heading())?;
    let mut pieces = inputs.pieces(threads);
    let mut answered = Vec::new();
    while !pieces.is_empty() {
        // While some are answered, those before are printed and those after are read.
        let others = || {
            let is_ready = inputs.is_ready();
            let printed = total.add(std::mem::take(&mut answered));
            (printed, is_ready.then(|| inputs.pieces(threads)))
        };
        let (now, (printed, next)) = rayon::join(|| answer_all(pieces), others);
        printed?;
        answered = now;
        pieces = match next {
            Some(next) => next,
            // The program that writes the list may wait for these answers.
            None => {
                total.add(std::mem::take(&mut answered))?;
                inputs.pieces(threads)
            }
        };
    }
    total.add(answered)?;
    print_table(std::mem::take(&mut total.rows))?;
    let explanation = task.explanation.into_inner();
    if let Ok(Some(explanation)) = explanation {
        explanation.finish()?;
    }
    total.finish(arguments)
}

/// At most [`PIECE`] pictures, or why they cannot be had.
type Piece = Vec<Result<Input, Error>>;

impl Inputs {
    /// The next pictures for so many threads, none at the end.
    fn pieces(&mut self, threads: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while pieces.len() < PIECES * threads && (pieces.is_empty() || self.is_ready()) {
            let mut piece = Vec::new();
            while piece.len() < PIECE && (piece.is_empty() || self.is_ready()) {
                match self.next() {
                    Some(input) => piece.push(input),
                    None => break,
                }
            }
            if piece.is_empty() {
                break;
            }
            pieces.push(piece);
        }
        pieces
    }
}

/// What was found in some pictures.
#[derive(Default)]
struct Answered {
    printed: Printed,
    errors: Vec<Error>,
    seen: usize,
    blank: usize,
    rejected: usize,
}

impl Task<'_> {
    /// Answers pictures in their order.
    fn answer(&self, classifier: &mut Classifier<'_>, piece: Piece) -> Outcome<Answered> {
        let mut answered = Answered::default();
        let images = piece
            .iter()
            .flatten()
            .filter_map(|input| match &input.content {
                Content::Image(image) => Some(&**image),
                _ => None,
            });
        let images: Vec<&[u8; IMAGE_PIXELS]> = images.collect();
        let mut readings = classifier.classify_all(&images)?.into_iter();
        for input in piece {
            answered.seen += 1;
            let (file, answer) = match input {
                Ok(Input { name, content }) => {
                    let answer = match content {
                        Content::File => lenet_files::read(&name, MAX_BYTES)
                            .map_err(Failure::from)
                            .and_then(|bytes| self.answer_picture(classifier, &name, &bytes)),
                        Content::Bytes(bytes) => self.answer_picture(classifier, &name, &bytes),
                        Content::Image(_) => readings
                            .next()
                            .map(Answer::Digit)
                            .ok_or_else(|| Error::internal("an image without an answer").into()),
                    };
                    (name, answer)
                }
                Err(error) => {
                    let name = error.path().unwrap_or(Path::new(""));
                    (name.to_owned(), Err(error.into()))
                }
            };
            let answer = match answer {
                // One bad picture is no reason to leave out the others.
                Err(Failure::Error(error)) if error.kind() != Kind::Internal => {
                    let message = error.to_string();
                    answered.errors.push(error);
                    Err(message)
                }
                answer => Ok(answer?),
            };
            let prediction = Prediction::new(&file, answer.as_ref().map_err(Clone::clone));
            answered.blank += usize::from(prediction.blank);
            if self.arguments.reject && prediction.is_unfamiliar() {
                answered.rejected += 1;
            } else {
                self.printer.add(&mut answered.printed, &prediction)?;
            }
        }
        Ok(answered)
    }

    /// What a picture shows.
    fn answer_picture<'c>(
        &self,
        classifier: &mut Classifier<'c>,
        file: &Path,
        bytes: &[u8],
    ) -> Outcome<Answer<'c>> {
        let picture = Picture::decode(bytes).map_err(|error| error.at(file))?;
        let (pictures, ink) = (self.pictures, self.arguments.invert);
        let (width, height) = (picture.width(), picture.height());
        if pictures == Preparation::AsIs && (width, height) != (IMAGE_SIDE, IMAGE_SIDE) {
            tracing::info!("{file:?} has {width}x{height} pixels and is resized to 28x28");
        }
        if self.arguments.multi {
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
        let explanation = self.explanation.lock();
        if let Ok(mut explanation) = explanation
            && let Some(explanation) = explanation.as_mut()
        {
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
}

/// What is known of all pictures so far.
#[derive(Default)]
struct Total {
    /// The cells of the table.
    rows: Vec<Vec<String>>,
    seen: usize,
    failed: usize,
    blank: usize,
    rejected: usize,
    /// Of a picture that could not be read: lack of memory, if that was the reason for one.
    failure: Option<Kind>,
}

impl Total {
    /// Prints what was found.
    fn add(&mut self, pieces: Vec<Outcome<Answered>>) -> Outcome<()> {
        for answered in pieces {
            let answered = answered?;
            for error in &answered.errors {
                print_error(error);
                if error.kind() == Kind::Memory {
                    self.failure = Some(Kind::Memory);
                }
                self.failure.get_or_insert(Kind::Input);
            }
            self.seen += answered.seen;
            self.failed += answered.errors.len();
            self.blank += answered.blank;
            self.rejected += answered.rejected;
            self.rows.extend(answered.printed.rows);
            write(&answered.printed.lines)?;
        }
        Ok(())
    }

    fn finish(self, arguments: &Predict) -> Outcome {
        let (seen, failed, rejected) = (self.seen, self.failed, self.rejected);
        if let Some(kind) = self.failure {
            let message = format!("{failed} of {seen} pictures could not be read");
            return Err(Error::new(kind, message).into());
        }
        let seen_and_blank = format!("{seen} pictures, {} of them blank", self.blank);
        if arguments.reject {
            tracing::info!("{seen_and_blank}; {rejected} unlike any training image are left out");
        } else if seen > 1 {
            tracing::info!("{seen_and_blank}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes whole lines to standard output at once.
fn write(lines: &str) -> Outcome<()> {
    let mut stdout = io::stdout();
    let written = stdout.write_all(lines.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(Failure::Output)
}
