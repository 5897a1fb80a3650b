//! What is said of a picture.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use crate::arguments::{Predict, PredictFormat};
use crate::failure::Outcome;
use crate::output::{self, percent};

/// What a picture came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The probability of each class.
    Digit(Vec<f32>),
    /// The columns and rows of each digit, and the probability of each class.
    Row(Vec<(Range<usize>, Range<usize>, Vec<f32>)>),
    /// Nothing is drawn.
    Blank,
    /// Why the picture could not be read.
    Failed(String),
}

/// What `--format json` prints of a picture.
#[derive(Debug, Serialize)]
struct Prediction {
    file: String,
    /// The likeliest class; of a row, those of its digits, one after the other.
    label: Option<String>,
    probability: Option<f32>,
    probabilities: BTreeMap<String, f32>,
    /// Whether nothing is drawn.
    blank: bool,
    /// With `--multi`, the digits from left to right.
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<Vec<InRow>>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct InRow {
    label: Option<String>,
    probability: Option<f32>,
    probabilities: BTreeMap<String, f32>,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Prints answers in the form that was asked for.
pub struct Printer<'a> {
    format: PredictFormat,
    top_k: usize,
    is_row: bool,
    names: &'a [String],
    /// The cells of the table.
    rows: Vec<Vec<String>>,
}

impl<'a> Printer<'a> {
    pub fn new(arguments: &Predict, names: &'a [String]) -> Self {
        Self {
            format: arguments.format,
            top_k: usize::from(arguments.top_k),
            is_row: arguments.multi,
            names,
            rows: Vec::new(),
        }
    }

    pub fn print(&mut self, file: &Path, answer: Answer) -> Outcome<()> {
        let file = file.display().to_string();
        match self.format {
            PredictFormat::Json => output::json(&self.prediction(file, answer)),
            PredictFormat::Text => self.lines(&file, &answer),
            PredictFormat::Table => {
                self.add_rows(file, answer);
                Ok(())
            }
        }
    }

    /// Prints what waited for the last answer.
    pub fn finish(self) -> Outcome<()> {
        if self.format != PredictFormat::Table {
            return Ok(());
        }
        let mut header = vec!["picture".to_owned()];
        for rank in 1..=self.top_k.min(self.names.len()) {
            header.push(if rank == 1 {
                "label".to_owned()
            } else {
                format!("{rank}.")
            });
            header.push("probability".to_owned());
        }
        let rows: Vec<Vec<String>> = std::iter::once(header).chain(self.rows).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                // Names to the left, figures to the right.
                match column > 0 && column % 2 == 0 {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                }
            });
            output::line(cells.collect::<Vec<String>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// A line for the picture, and one for each digit of a row.
    fn lines(&self, file: &str, answer: &Answer) -> Outcome<()> {
        match answer {
            // It was said on standard error.
            Answer::Failed(_) => Ok(()),
            Answer::Blank => output::line(format!("{file}: nothing drawn")),
            Answer::Digit(probabilities) => {
                output::line(format!("{file}: {}", self.likeliest(probabilities)))
            }
            Answer::Row(digits) => {
                output::line(format!("{file}: {}", self.row(answer)))?;
                for (columns, rows, probabilities) in digits {
                    let place = format!("at {},{}", columns.start, rows.start);
                    let size = format!("{}x{}", columns.len(), rows.len());
                    let likeliest = self.likeliest(probabilities);
                    output::line(format!("  {likeliest} ({place}, {size})"))?;
                }
                Ok(())
            }
        }
    }

    fn add_rows(&mut self, file: String, answer: Answer) {
        let cells = |first: String, probabilities: &[f32]| {
            let shown = ranked(self.names, probabilities)
                .into_iter()
                .take(self.top_k);
            let shown = shown.flat_map(|(name, part)| [name.clone(), in_percent(part)]);
            std::iter::once(first).chain(shown).collect::<Vec<String>>()
        };
        let rows = match &answer {
            Answer::Failed(_) => vec![vec![file, "unreadable".to_owned()]],
            Answer::Blank => vec![vec![file, "nothing drawn".to_owned()]],
            Answer::Digit(probabilities) => vec![cells(file, probabilities)],
            Answer::Row(digits) => {
                let digits = digits.iter().enumerate();
                let digits = digits.map(|(at, digit)| cells(format!("  {}", at + 1), &digit.2));
                std::iter::once(vec![file, self.row(&answer)])
                    .chain(digits)
                    .collect()
            }
        };
        self.rows.extend(rows);
    }

    fn prediction(&self, file: String, answer: Answer) -> Prediction {
        let mut prediction = Prediction {
            file,
            label: None,
            probability: None,
            probabilities: BTreeMap::new(),
            blank: answer == Answer::Blank,
            digits: self.is_row.then(Vec::new),
            error: None,
        };
        match &answer {
            Answer::Blank => {}
            Answer::Failed(error) => prediction.error = Some(error.clone()),
            Answer::Digit(probabilities) => {
                (prediction.label, prediction.probability) = self.first(probabilities);
                prediction.probabilities = self.by_name(probabilities);
            }
            Answer::Row(digits) => {
                prediction.label = Some(self.row(&answer));
                let digits = digits.iter().map(|(columns, rows, probabilities)| {
                    let (label, probability) = self.first(probabilities);
                    InRow {
                        label,
                        probability,
                        probabilities: self.by_name(probabilities),
                        x: columns.start,
                        y: rows.start,
                        width: columns.len(),
                        height: rows.len(),
                    }
                });
                prediction.digits = Some(digits.collect());
            }
        }
        prediction
    }

    /// The likeliest classes of a row's digits, one after the other.
    fn row(&self, answer: &Answer) -> String {
        let Answer::Row(digits) = answer else {
            return String::new();
        };
        let labels = digits.iter().filter_map(|digit| self.first(&digit.2).0);
        labels.collect()
    }

    fn first(&self, probabilities: &[f32]) -> (Option<String>, Option<f32>) {
        let ranked = ranked(self.names, probabilities);
        ranked
            .first()
            .map(|&(name, part)| (name.clone(), part))
            .unzip()
    }

    fn by_name(&self, probabilities: &[f32]) -> BTreeMap<String, f32> {
        let names = self.names.iter().cloned();
        std::iter::zip(names, probabilities.iter().copied()).collect()
    }

    fn likeliest(&self, probabilities: &[f32]) -> String {
        let shown = ranked(self.names, probabilities)
            .into_iter()
            .take(self.top_k);
        let shown = shown.map(|(name, part)| format!("{name} {}", in_percent(part)));
        shown.collect::<Vec<String>>().join(", ")
    }
}

fn in_percent(part: f32) -> String {
    percent(Some(f64::from(part)))
}

/// The classes with their probabilities, the likeliest first.
pub fn ranked<'a>(names: &'a [String], probabilities: &[f32]) -> Vec<(&'a String, f32)> {
    let mut ranked: Vec<_> = std::iter::zip(names, probabilities.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}
