//! What is printed about a picture.

use std::collections::BTreeMap;
use std::path::Path;

use lenet_picture::InRow;
use serde::Serialize;

use crate::arguments::{Predict, PredictFormat};
use crate::failure::Outcome;
use crate::output::{self, percent};

/// What a picture shows.
pub enum Answer {
    /// A digit.
    Digit(Reading),
    /// As many digits as the number says, and what they are taken for as one.
    Several(usize, Reading),
    /// The places of digits in rows, and the digits.
    Row(Vec<(InRow, Reading)>),
    /// Nothing is drawn.
    Blank,
}

/// The classes of a digit.
#[derive(Debug, Default, Serialize)]
pub struct Reading {
    /// The most likely class; of rows, those of their digits, with a space between rows.
    label: Option<String>,
    probability: Option<f32>,
    probabilities: BTreeMap<String, f32>,
    /// Whether the image resembles those of the network's training, if the network tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub familiar: Option<bool>,
    #[serde(skip)]
    ranked: Vec<(String, f32)>,
}

impl Reading {
    /// From the probability of each class.
    pub fn new(names: &[String], probabilities: &[f32], familiar: Option<bool>) -> Self {
        let mut ranked: Vec<(String, f32)> =
            std::iter::zip(names.iter().cloned(), probabilities.iter().copied()).collect();
        let probabilities = ranked.iter().cloned().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (label, probability) = ranked.first().cloned().unzip();
        Self {
            label,
            probability,
            probabilities,
            familiar,
            ranked,
        }
    }

    /// The most likely classes with their probabilities.
    fn likeliest(&self, count: usize) -> impl Iterator<Item = [String; 2]> {
        let shown = self.ranked.iter().take(count);
        shown.map(|(name, part)| [name.clone(), percent(Some(f64::from(*part)))])
    }

    /// The most likely classes in a line.
    pub fn in_words(&self, count: usize) -> String {
        let words: Vec<String> = self.likeliest(count).map(|words| words.join(" ")).collect();
        let words = words.join(", ");
        match (&self.label, self.familiar) {
            (Some(label), Some(false)) => format!("{label}? unlike any training image ({words})"),
            _ => words,
        }
    }
}

/// What `--format json` prints about a picture.
#[derive(Debug, Serialize)]
pub struct Prediction {
    file: String,
    #[serde(flatten)]
    reading: Reading,
    /// Whether nothing is drawn.
    pub blank: bool,
    /// With `--multi`, the digits from left to right.
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<Vec<Placed>>,
    /// Without `--multi`, how many digits there are if it is not one; they have no label together.
    #[serde(skip_serializing_if = "Option::is_none")]
    several: Option<usize>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Placed {
    #[serde(flatten)]
    reading: Reading,
    /// The row that it is in, 0 for the highest.
    row: usize,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Prediction {
    /// Whether the picture, or a digit of its row, is unlike any of the network's training.
    pub fn is_unfamiliar(&self) -> bool {
        let digits = self.digits.iter().flatten().map(|digit| &digit.reading);
        let mut readings = std::iter::once(&self.reading).chain(digits);
        readings.any(|reading| reading.familiar == Some(false))
    }

    /// Of a picture, or of why it could not be read.
    pub fn new(file: &Path, answer: Result<Answer, String>) -> Self {
        let mut prediction = Self {
            file: file.display().to_string(),
            reading: Reading::default(),
            blank: false,
            digits: None,
            several: None,
            error: None,
        };
        match answer {
            Err(error) => prediction.error = Some(error),
            Ok(Answer::Blank) => prediction.blank = true,
            Ok(Answer::Digit(reading)) => prediction.reading = reading,
            Ok(Answer::Several(count, reading)) => {
                prediction.several = Some(count);
                prediction.reading = Reading {
                    label: None,
                    probability: None,
                    ..reading
                };
            }
            Ok(Answer::Row(digits)) => {
                prediction.blank = digits.is_empty();
                let mut label = String::new();
                let mut line = 0;
                for (place, reading) in &digits {
                    if place.line > line {
                        label.push(' ');
                    }
                    line = place.line;
                    label.push_str(reading.label.as_deref().unwrap_or_default());
                }
                prediction.reading.label = (!digits.is_empty()).then_some(label);
                let placed = |(place, reading): (InRow, Reading)| Placed {
                    reading,
                    row: place.line,
                    x: place.columns.start,
                    y: place.rows.start,
                    width: place.columns.len(),
                    height: place.rows.len(),
                };
                prediction.digits = Some(digits.into_iter().map(placed).collect());
            }
        }
        prediction
    }
}

/// Prints predictions in the form that was asked for.
pub struct Printer {
    format: PredictFormat,
    top_k: usize,
    /// The cells of the table.
    rows: Vec<Vec<String>>,
}

impl Printer {
    pub fn new(arguments: &Predict) -> Self {
        Self {
            format: arguments.format,
            top_k: usize::from(arguments.top_k),
            rows: Vec::new(),
        }
    }

    pub fn print(&mut self, prediction: Prediction) -> Outcome<()> {
        match self.format {
            PredictFormat::Json => output::json(&prediction),
            PredictFormat::Text => self.lines(&prediction),
            PredictFormat::Table => {
                self.add_rows(&prediction);
                Ok(())
            }
        }
    }

    /// A line for the picture, and one for each digit of a row.
    fn lines(&self, prediction: &Prediction) -> Outcome<()> {
        let file = &prediction.file;
        if prediction.error.is_some() {
            // It is on standard error.
            return Ok(());
        }
        if prediction.blank {
            return output::line(format!("{file}: nothing drawn"));
        }
        let words = prediction.reading.in_words(self.top_k);
        if let Some(count) = prediction.several {
            let several = format!("{count} digits, which --multi reads (as one: {words})");
            return output::line(format!("{file}: {several}"));
        }
        let Some(digits) = &prediction.digits else {
            return output::line(format!("{file}: {words}"));
        };
        let label = prediction.reading.label.as_deref().unwrap_or_default();
        output::line(format!("{file}: {label}"))?;
        for digit in digits {
            let words = digit.reading.in_words(self.top_k);
            let (x, y, width, height) = (digit.x, digit.y, digit.width, digit.height);
            output::line(format!("  {words} (at {x},{y}, {width}x{height})"))?;
        }
        Ok(())
    }

    fn add_rows(&mut self, prediction: &Prediction) {
        let likeliest = |reading: &Reading| -> Vec<String> {
            let mut cells: Vec<String> = reading.likeliest(self.top_k).flatten().collect();
            if let (Some(label), Some(false)) = (cells.first_mut(), reading.familiar) {
                label.push('?');
            }
            cells
        };
        let of_picture = if prediction.error.is_some() {
            vec!["unreadable".to_owned()]
        } else if prediction.blank {
            vec!["nothing drawn".to_owned()]
        } else if let Some(count) = prediction.several {
            vec![format!("{count} digits")]
        } else if prediction.digits.is_some() {
            prediction.reading.label.iter().cloned().collect()
        } else {
            likeliest(&prediction.reading)
        };
        let digits = prediction.digits.iter().flatten().zip(1..);
        let digits =
            digits.map(|(digit, number)| (format!("  {number}"), likeliest(&digit.reading)));
        let rows = std::iter::once((prediction.file.clone(), of_picture)).chain(digits);
        let rows = rows.map(|(first, cells)| std::iter::once(first).chain(cells).collect());
        let rows: Vec<Vec<String>> = rows.collect();
        self.rows.extend(rows);
    }

    /// Prints what waited for the last picture.
    pub fn finish(self) -> Outcome<()> {
        let Some(columns) = self.rows.iter().map(Vec::len).max() else {
            return Ok(());
        };
        let heading = (0..columns).map(|column| match column {
            0 => "picture".to_owned(),
            1 => "label".to_owned(),
            column if column % 2 == 0 => "probability".to_owned(),
            column => format!("{}.", column / 2 + 1),
        });
        // Names to the left, figures to the right.
        let is_left = |column| column == 0 || column % 2 == 1;
        output::table(heading.collect(), self.rows, is_left)
    }
}
