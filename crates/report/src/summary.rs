//! `summary.json`: the figures of a finished run.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Error;

/// What a run writes at its end. A stopped run lacks some of it, so that nearly all is optional;
/// fields that this crate does not know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Name of the data set, `mnist` for example.
    pub dataset: Option<String>,
    /// Name of the training recipe.
    pub recipe: Option<String>,
    /// What computed: the name of the engine.
    pub engine: Option<String>,
    /// Number of trainable parameters.
    pub parameters: Option<u64>,
    /// Number of epochs trained.
    pub epochs: Option<u64>,
    /// Seed of every random draw.
    pub seed: Option<u64>,
    /// Number of threads.
    pub threads: Option<u64>,
    /// Wall-clock time of the training in seconds.
    pub train_seconds: Option<f64>,
    /// Training throughput over the whole run.
    pub images_per_second: Option<f64>,
    /// The epoch whose weights were kept, counted from 1.
    pub best_epoch: Option<u64>,
    /// Figures of the kept weights on the validation split; `None` without one.
    pub validation: Option<ValidationScore>,
    /// Figures of the kept weights on the test split; `None` if not evaluated.
    pub test: Option<TestScore>,
    /// Names of the classes, in the order of their labels.
    #[serde(deserialize_with = "null_as_default")]
    pub class_names: Vec<String>,
    /// Counts over the test split: a row a true class, a column a predicted one. `None` if not
    /// evaluated. [`read_summary`] makes sure that it is square, with a row a class name.
    pub confusion: Option<Vec<Vec<u64>>>,
    /// Figures a class over the test split; empty if not evaluated.
    #[serde(deserialize_with = "null_as_default")]
    pub per_class: Vec<ClassScore>,
}

impl Summary {
    /// The confusion matrix with its class names, if there is one of any class.
    pub(crate) fn confusion_with_names(&self) -> Option<(&[Vec<u64>], &[String])> {
        let confusion = self.confusion.as_deref().filter(|rows| !rows.is_empty())?;
        Some((confusion, &self.class_names))
    }
}

/// Loss and accuracy on the validation split. JSON has no NaN: a loss that is none is `None`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ValidationScore {
    /// Mean cross-entropy in nats.
    pub loss: Option<f64>,
    /// Fraction of correct answers in 0..=1.
    pub accuracy: Option<f64>,
}

/// Loss, accuracy and errors on the test split.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TestScore {
    /// Mean cross-entropy in nats.
    pub loss: Option<f64>,
    /// Fraction of correct answers in 0..=1.
    pub accuracy: Option<f64>,
    /// Number of wrong answers.
    pub errors: u64,
    /// Number of images.
    pub count: u64,
}

/// The figures of one class on the test split; `None` stands for a ratio whose denominator is zero.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ClassScore {
    /// The class's name.
    #[serde(deserialize_with = "text_or_number")]
    pub class: String,
    /// Of the images predicted as this class, the fraction that is of it.
    pub precision: Option<f64>,
    /// Of the images of this class, the fraction predicted as it.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Number of images of this class.
    pub support: u64,
}

/// Reads `summary.json`.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read, [`Error::Json`] if it is not such an object,
/// [`Error::Confusion`] if the confusion matrix is not square or does not fit the class names.
pub fn read_summary(path: &Path) -> Result<Summary, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Summary, Error> {
    let summary: Summary = serde_json::from_slice(bytes).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    let Some(confusion) = &summary.confusion else {
        return Ok(summary);
    };
    let confusion_error = |message| Error::Confusion {
        path: path.to_owned(),
        message,
    };
    let classes = summary.class_names.len();
    if confusion.len() != classes {
        let rows = confusion.len();
        return Err(confusion_error(format!(
            "{rows} rows for {classes} class names"
        )));
    }
    for (row, counts) in confusion.iter().enumerate() {
        if counts.len() != classes {
            let columns = counts.len();
            let message = format!("row {row} has {columns} columns for {classes} class names");
            return Err(confusion_error(message));
        }
    }
    Ok(summary)
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A class may be given by its name or by its label.
fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Class {
        Name(String),
        Label(u64),
    }
    Ok(match Class::deserialize(deserializer)? {
        Class::Name(name) => name,
        Class::Label(label) => label.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Summary, Error> {
        parse(json.as_bytes(), Path::new("summary.json"))
    }

    #[test]
    fn a_finished_run_is_read_and_unknown_fields_are_ignored() {
        let summary = read(
            r#"{"dataset":"mnist","recipe":"classic","engine":"native","parameters":61706,
                "epochs":10,"seed":42,"threads":8,"train_seconds":61.5,"images_per_second":9756.1,
                "best_epoch":9,"validation":null,"later":{"x":[1]},
                "test":{"loss":null,"accuracy":0.75,"errors":1,"count":4},
                "class_names":["a","b"],"confusion":[[2,1],[0,1]],
                "per_class":[{"class":"a","precision":1.0,"recall":null,"f1":0.8,"support":3}]}"#,
        )
        .unwrap();
        assert_eq!(summary.parameters, Some(61_706));
        assert_eq!(summary.validation, None);
        let test = summary.test.unwrap();
        assert_eq!(
            (test.loss, test.accuracy, test.errors, test.count),
            (None, Some(0.75), 1, 4)
        );
        assert_eq!(summary.confusion.unwrap()[0], [2, 1]);
        assert_eq!(
            (summary.per_class[0].recall, summary.per_class[0].support),
            (None, 3)
        );
    }

    #[test]
    fn a_stopped_run_has_no_test_figures() {
        let summary = read(r#"{"dataset":"mnist","test":null,"per_class":null}"#).unwrap();
        assert_eq!(
            (summary.test, summary.confusion, summary.per_class),
            (None, None, vec![])
        );
    }

    #[test]
    fn text_that_is_no_summary_names_path_and_place() {
        let error = read("{\"epochs\": \"ten\"}").unwrap_err();
        assert!(matches!(error, Error::Json { .. }));
        assert!(error.to_string().starts_with("summary.json: "), "{error}");
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn a_matrix_that_is_not_square_is_refused() {
        let error = read(r#"{"class_names":["a","b"],"confusion":[[1,2],[3]]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "summary.json: confusion matrix: row 1 has 1 columns for 2 class names"
        );
        let error = read(r#"{"class_names":["a"],"confusion":[]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "summary.json: confusion matrix: 0 rows for 1 class names"
        );
    }

    #[test]
    fn a_class_may_be_a_label() {
        let json = r#"{"per_class":[{"class":7,"precision":1,"recall":1,"f1":1,"support":2}]}"#;
        assert_eq!(read(json).unwrap().per_class[0].class, "7");
    }
}
