//! `lenet data check`.

use std::path::PathBuf;
use std::process::ExitCode;

use lenet_data::{Dataset, Loaded, Reading, Search, near_duplicates};
use lenet_report::{Section, Shown, check_page};
use lenet_run::{Event, Mistake, Pixels};
use lenet_train::out_of_fold;
use serde::Serialize;
use tracing::info;

use crate::arguments::{Check, Format};
use crate::commands::short_name;
use crate::commands::train::uneven;
use crate::device::set_threads;
use crate::failure::Outcome;
use crate::output;
use crate::signals::StopFlag;

/// The probability of another class from which a label is suspected.
const SURE: f64 = 0.8;

/// The most images of a kind that the page shows, and that the text lists.
const SHOWN: usize = 200;
const LISTED: usize = 10;

/// What was found.
#[derive(Debug, Serialize)]
struct Findings {
    dataset: String,
    images: usize,
    class_counts: Vec<usize>,
    /// Of all images, by networks that had not seen them.
    out_of_fold_accuracy: f64,
    /// Labels that these networks are sure are wrong, the surest first.
    suspected_labels: Vec<Suspect>,
    /// Images that are nearly the same as an earlier one of the same split.
    duplicates: Vec<Duplicate>,
    /// Test images that are nearly the same as one to train on.
    in_train_and_test: Vec<Duplicate>,
    page: PathBuf,
}

#[derive(Debug, Serialize)]
struct Suspect {
    image: String,
    label: String,
    predicted: String,
    probability: f64,
    #[serde(skip)]
    index: usize,
}

#[derive(Debug, Serialize)]
struct Duplicate {
    image: String,
    label: String,
    like: String,
    like_label: String,
    #[serde(skip)]
    index: usize,
}

pub fn run(arguments: &Check) -> Outcome {
    set_threads(arguments.hardware.threads)?;
    let default = || format!("{}-check.html", short_name(&arguments.dataset)).into();
    let page = arguments.output.clone().unwrap_or_else(default);
    output::check(&page, arguments.force)?;
    let stop = StopFlag::install()?;
    let reading = Reading {
        pictures: arguments.pictures,
        ..Reading::default()
    };
    let search = Search::new(arguments.data_dir.clone());
    let Loaded { splits, .. } = arguments.dataset.load(&search, reading)?;
    let all = Named {
        set: splits.train.joined(&splits.test)?,
        train: splits.train.len(),
    };
    let mut watch = |_: &Event| stop.control_flow();
    let backend = arguments.hardware.backend();
    let Some(mut mistakes) = out_of_fold(&all.set, &backend, &mut watch)? else {
        return Ok(stop.exit_code());
    };
    let errors = mistakes.len();
    mistakes.retain(|found| found.predicted_probability >= SURE);
    mistakes.sort_by(|a, b| a.label_probability.total_cmp(&b.label_probability));
    info!("looking for duplicates");
    let (in_both, duplicates) = near_duplicates(&all.set)
        .into_iter()
        .partition(|&[first, second]| first < all.train && second >= all.train);
    let findings = Findings {
        dataset: arguments.dataset.name(),
        images: all.set.len(),
        class_counts: all.set.class_counts(),
        out_of_fold_accuracy: 1. - errors as f64 / all.set.len() as f64,
        suspected_labels: mistakes.iter().map(|found| all.suspect(found)).collect(),
        duplicates: all.duplicates(duplicates),
        in_train_and_test: all.duplicates(in_both),
        page,
    };
    let page = findings.draw(&all, &arguments.dataset.title())?;
    output::file(&findings.page, page.as_bytes(), arguments.force)?;
    if output::is_stdout(&findings.page) {
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.format {
        Format::Json => output::json(&findings)?,
        Format::Text => findings.print(&all.set)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Both splits, of which the first has so many images.
struct Named {
    set: Dataset,
    train: usize,
}

impl Named {
    /// The file of an image, or its place.
    fn name(&self, index: usize) -> String {
        match self.set.file(index) {
            Some(file) => file.display().to_string(),
            None if index < self.train => format!("train {index}"),
            None => format!("test {}", index - self.train),
        }
    }

    fn class(&self, label: u32) -> String {
        let names = self.set.class_names();
        names.get(label as usize).cloned().unwrap_or_default()
    }

    fn suspect(&self, found: &Mistake) -> Suspect {
        Suspect {
            image: self.name(found.index),
            label: self.class(found.label),
            predicted: self.class(found.predicted),
            probability: found.predicted_probability,
            index: found.index,
        }
    }

    fn duplicates(&self, pairs: Vec<[usize; 2]>) -> Vec<Duplicate> {
        let class = |index| {
            let label = self.set.get(index).map_or(0, |(_, label)| label);
            self.class(label.into())
        };
        let duplicate = |[first, second]: [usize; 2]| Duplicate {
            image: self.name(second),
            label: class(second),
            like: self.name(first),
            like_label: class(first),
            index: second,
        };
        pairs.into_iter().map(duplicate).collect()
    }

    fn shown(&self, index: usize, lines: [(&'static str, String); 2], note: &str) -> Shown {
        let pixels = self.set.get(index).map(|(image, _)| image.to_vec());
        Shown {
            pixels: Pixels(pixels.unwrap_or_default()),
            lines,
            note: note.to_owned(),
        }
    }
}

impl Findings {
    /// What was found, in a line each.
    fn lines(&self, set: &Dataset) -> Vec<String> {
        let other_label = |found: &&Duplicate| found.label != found.like_label;
        let all = self.duplicates.iter().chain(&self.in_train_and_test);
        let mut lines = vec![
            format!(
                "{} images; networks that had not seen them are right in {}",
                self.images,
                output::percent(Some(self.out_of_fold_accuracy))
            ),
            format!("{} suspected wrong labels", self.suspected_labels.len()),
            format!("{} near duplicates within a split", self.duplicates.len()),
            format!(
                "{} test images are in the training images",
                self.in_train_and_test.len()
            ),
            format!(
                "{} of these have another label",
                all.filter(other_label).count()
            ),
        ];
        if let Some([(most, many), (fewest, few)]) = uneven(set) {
            lines.push(format!(
                "uneven classes: {many} images of {most:?}, {few} of {fewest:?}"
            ));
        }
        lines
    }

    fn print(&self, set: &Dataset) -> Outcome<()> {
        self.lines(set).iter().try_for_each(output::line)?;
        for found in self.suspected_labels.iter().take(LISTED) {
            output::line(format!(
                "  {}: labelled {}, looks like {} ({})",
                found.image,
                found.label,
                found.predicted,
                output::percent(Some(found.probability))
            ))?;
        }
        let duplicates = self.in_train_and_test.iter().chain(&self.duplicates);
        for found in duplicates.take(LISTED) {
            output::line(format!("  {}: like {}", found.image, found.like))?;
        }
        output::line(format!("all with their pictures: {}", self.page.display()))
    }

    fn draw(&self, all: &Named, title: &str) -> Outcome<String> {
        let suspects = self.suspected_labels.iter().take(SHOWN).map(|found| {
            let probability = output::percent(Some(found.probability));
            let looks = format!("{}, {probability}", found.predicted);
            let lines = [("Label", found.label.clone()), ("Looks like", looks)];
            all.shown(found.index, lines, &found.image)
        });
        let duplicates = |found: &[Duplicate]| -> Vec<Shown> {
            let shown = |found: &Duplicate| {
                let like = format!("{}, {}", found.like_label, found.like);
                let lines = [("Label", found.label.clone()), ("Like", like)];
                all.shown(found.index, lines, &found.image)
            };
            found.iter().take(SHOWN).map(shown).collect()
        };
        let mut sections = vec![
            Section {
                heading: "Suspected wrong labels",
                lead: "Networks that had not seen these images are sure of another class. Look at \
                       each: some are only hard.",
                images: suspects.collect(),
            },
            Section {
                heading: "In training and test",
                lead: "A network is tested on what it has learnt by heart: remove these from either.",
                images: duplicates(&self.in_train_and_test),
            },
            Section {
                heading: "Near duplicates",
                lead: "They differ from an earlier image of the set by next to nothing.",
                images: duplicates(&self.duplicates),
            },
        ];
        sections.retain(|section| !section.images.is_empty());
        let check = lenet_report::Check {
            title: format!("Check of {title}"),
            lines: self.lines(&all.set),
            sections,
        };
        Ok(check_page(&check)?)
    }
}
