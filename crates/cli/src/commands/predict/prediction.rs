//! What is printed about a picture.

use std::path::Path;

use lenet_files::printable;
use lenet_picture::InRow;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::arguments::{Predict, PredictFormat};
use crate::failure::{Failure, Outcome};
use crate::output::{self, percent};

/// What a picture shows.
pub enum Answer<'a> {
    /// A digit.
    Digit(Reading<'a>),
    /// As many digits as the number says, and what they are taken for as one.
    Several(usize, Reading<'a>),
    /// The places of digits in rows, and the digits.
    Row(Vec<(InRow, Reading<'a>)>),
    /// Nothing is drawn.
    Blank,
}

/// The names of a network's classes.
pub struct Classes {
    names: Vec<String>,
    /// The classes in the order of their names.
    by_name: Vec<usize>,
}

impl Classes {
    pub fn new(names: &[String]) -> Self {
        let mut by_name: Vec<usize> = (0..names.len()).collect();
        by_name.sort_by_key(|&class| &names[class]);
        Self {
            names: names.to_vec(),
            by_name,
        }
    }
}

/// The classes of a digit.
pub struct Reading<'a> {
    pub classes: &'a Classes,
    pub probabilities: Vec<f32>,
    /// Whether the image resembles those of the network's training, if the network tells.
    pub familiar: Option<bool>,
}

impl Reading<'_> {
    /// The most likely class, the first of equal ones, and its probability.
    fn best(&self) -> Option<(&str, f32)> {
        let named = std::iter::zip(&self.classes.names, &self.probabilities);
        let best = named.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(name, probability)| (name.as_str(), *probability))
    }

    /// The most likely classes with their probabilities.
    fn likeliest(&self, count: usize) -> impl Iterator<Item = [String; 2]> {
        let mut ranked: Vec<usize> = (0..self.probabilities.len()).collect();
        ranked.sort_by(|&a, &b| self.probabilities[b].total_cmp(&self.probabilities[a]));
        ranked.truncate(count);
        ranked.into_iter().map(|class| {
            let part = percent(Some(f64::from(self.probabilities[class])));
            [self.classes.names[class].clone(), part]
        })
    }

    /// The most likely classes in a line.
    pub fn in_words(&self, count: usize) -> String {
        let words: Vec<String> = self.likeliest(count).map(|words| words.join(" ")).collect();
        let words = words.join(", ");
        match (self.best(), self.familiar) {
            (Some((label, _)), Some(false)) => {
                format!("{label}? unlike any training image ({words})")
            }
            _ => words,
        }
    }

    fn figures(&self) -> Figures<'_> {
        let (label, probability) = self.best().unzip();
        Figures {
            label: label.map(str::to_owned),
            probability,
            probabilities: Probabilities(Some(self)),
            familiar: self.familiar,
        }
    }
}

/// A digit or a row as `--format json` prints it.
#[derive(Default, Serialize)]
struct Figures<'a> {
    /// The most likely class; of rows, those of their digits, with a space between rows.
    label: Option<String>,
    probability: Option<f32>,
    probabilities: Probabilities<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    familiar: Option<bool>,
}

/// The probability of each class by its name, in the order of the names.
#[derive(Default)]
struct Probabilities<'a>(Option<&'a Reading<'a>>);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(reading) = self.0 {
            for &class in &reading.classes.by_name {
                map.serialize_entry(&reading.classes.names[class], &reading.probabilities[class])?;
            }
        }
        map.end()
    }
}

/// What is said about a picture, as `--format json` prints it.
#[derive(Default, Serialize)]
pub struct Prediction<'a> {
    file: String,
    #[serde(flatten)]
    figures: Figures<'a>,
    /// Whether nothing is drawn.
    pub blank: bool,
    /// With `--multi`, the digits from left to right.
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<Vec<Placed<'a>>>,
    /// Without `--multi`, how many digits there are if it is not one; they have no label together.
    #[serde(skip_serializing_if = "Option::is_none")]
    several: Option<usize>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    figures: Figures<'a>,
    /// The row that it is in, 0 for the highest.
    row: usize,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    #[serde(skip)]
    reading: &'a Reading<'a>,
}

impl<'a> Prediction<'a> {
    /// Of a picture, or of why it could not be read.
    pub fn new(file: &Path, answer: Result<&'a Answer<'a>, String>) -> Self {
        let mut prediction = Self {
            file: file.display().to_string(),
            ..Self::default()
        };
        match answer {
            Err(error) => prediction.error = Some(error),
            Ok(Answer::Blank) => prediction.blank = true,
            Ok(Answer::Digit(reading)) => prediction.figures = reading.figures(),
            Ok(Answer::Several(count, reading)) => {
                prediction.several = Some(*count);
                prediction.figures = Figures {
                    label: None,
                    probability: None,
                    ..reading.figures()
                };
            }
            Ok(Answer::Row(digits)) => {
                prediction.blank = digits.is_empty();
                let mut label = String::new();
                let mut line = 0;
                for (place, reading) in digits {
                    if place.line > line {
                        label.push(' ');
                    }
                    line = place.line;
                    label.push_str(reading.best().map_or("", |(label, _)| label));
                }
                prediction.figures.label = (!digits.is_empty()).then_some(label);
                let placed = |(place, reading): &'a (InRow, Reading<'a>)| Placed {
                    figures: reading.figures(),
                    row: place.line,
                    x: place.columns.start,
                    y: place.rows.start,
                    width: place.columns.len(),
                    height: place.rows.len(),
                    reading,
                };
                prediction.digits = Some(digits.iter().map(placed).collect());
            }
        }
        prediction
    }

    /// Whether the picture, or a digit of its row, is unlike any of the network's training.
    pub fn is_unfamiliar(&self) -> bool {
        let digits = self.digits.iter().flatten().map(|digit| &digit.figures);
        let mut figures = std::iter::once(&self.figures).chain(digits);
        figures.any(|figures| figures.familiar == Some(false))
    }

    fn reading(&self) -> Option<&'a Reading<'a>> {
        self.figures.probabilities.0
    }
}

/// Brings predictions into the form that was asked for.
pub struct Printer<'a>(pub &'a Predict);

/// What is to be printed: lines, or with `--format table` the cells of rows.
#[derive(Default)]
pub struct Printed {
    pub lines: String,
    pub rows: Vec<Vec<String>>,
}

impl Printer<'_> {
    /// What comes before the first picture.
    pub fn heading(&self) -> &'static str {
        match self.0.format {
            PredictFormat::Csv => "file,label,probability,blank,familiar,error\n",
            _ => "",
        }
    }

    /// Adds what is to be printed about a picture.
    pub fn add(&self, printed: &mut Printed, prediction: &Prediction<'_>) -> Outcome<()> {
        match self.0.format {
            PredictFormat::Json => {
                let json = serde_json::to_string(prediction);
                printed.lines += &json.map_err(|error| Failure::Output(error.into()))?;
                printed.lines.push('\n');
            }
            PredictFormat::Csv => {
                let figures = &prediction.figures;
                let (label, share) = (&figures.label, figures.probability);
                let (file, blank, error) = (&prediction.file, prediction.blank, &prediction.error);
                let row = (file, label, share, blank, figures.familiar, error);
                printed.lines += &output::csv([row])?;
            }
            PredictFormat::Text => self.add_lines(&mut printed.lines, prediction),
            PredictFormat::Table => self.add_rows(&mut printed.rows, prediction),
        }
        Ok(())
    }

    /// A line for the picture, and one for each digit of a row.
    fn add_lines(&self, lines: &mut String, prediction: &Prediction<'_>) {
        // Whatever the name of the file holds, it is one line.
        let mut add = |line: String| {
            *lines += &printable(line, &[]);
            lines.push('\n');
        };
        let file = &prediction.file;
        if prediction.error.is_some() {
            // It is on standard error.
            return;
        }
        let words = |reading: &Reading<'_>| reading.in_words(self.0.top_k.into());
        let words_of_all = prediction.reading().map(words).unwrap_or_default();
        if prediction.blank {
            add(format!("{file}: nothing drawn"));
        } else if let Some(count) = prediction.several {
            let several = format!("{count} digits, which --multi reads (as one: {words_of_all})");
            add(format!("{file}: {several}"));
        } else if let Some(digits) = &prediction.digits {
            let label = prediction.figures.label.as_deref().unwrap_or_default();
            add(format!("{file}: {label}"));
            for digit in digits {
                let words = words(digit.reading);
                let (x, y, width, height) = (digit.x, digit.y, digit.width, digit.height);
                add(format!("  {words} (at {x},{y}, {width}x{height})"));
            }
        } else {
            add(format!("{file}: {words_of_all}"));
        }
    }

    fn add_rows(&self, rows: &mut Vec<Vec<String>>, prediction: &Prediction<'_>) {
        let likeliest = |reading: &Reading<'_>| -> Vec<String> {
            let likeliest = reading.likeliest(self.0.top_k.into());
            let mut cells: Vec<String> = likeliest.flatten().collect();
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
        } else if let Some(reading) = prediction.reading() {
            likeliest(reading)
        } else {
            prediction.figures.label.iter().cloned().collect()
        };
        let digits = prediction.digits.iter().flatten().zip(1..);
        let digits = digits.map(|(digit, n)| (format!("  {n}"), likeliest(digit.reading)));
        let all = std::iter::once((prediction.file.clone(), of_picture)).chain(digits);
        rows.extend(all.map(|(first, cells)| std::iter::once(first).chain(cells).collect()));
    }
}

/// Prints the rows of all pictures as a table.
pub fn print_table(rows: Vec<Vec<String>>) -> Outcome<()> {
    let Some(columns) = rows.iter().map(Vec::len).max() else {
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
    output::table(heading, rows, is_left)
}
