//! What the model card says besides the network.

use lenet_data::Source;
use lenet_export::{Card, CardDataset, Figures};
use lenet_model::Weights;
use lenet_run::{name, read_summary};
use lenet_train::{Backend, evaluate};
use tracing::{info, warn};

use crate::arguments::Export;
use crate::commands::{check_classes, load_data, source};
use crate::device::set_threads;
use crate::failure::Outcome;

/// The licence of the embedded weights, one of the program's two.
const OWN_LICENCE: &str = "mit";

pub fn card(arguments: &Export, weights: &Weights) -> Outcome<Card> {
    let licence = match (&arguments.license, &arguments.model) {
        (Some(licence), _) => Some(licence.clone()),
        (None, None) => Some(OWN_LICENCE.to_owned()),
        (None, Some(_)) => {
            warn!("the card states no licence of the weights: name one with --license");
            None
        }
    };
    let of_model = Some(&weights.metadata);
    if arguments.source.dataset.is_none() && weights.metadata.dataset.is_none() {
        warn!(
            "the weights do not say what they were trained on, so the card has neither data nor \
             accuracy: name it with --dataset"
        );
        return Ok(Card {
            licence,
            ..Card::default()
        });
    }
    let (dataset, figures) = match summary(arguments)? {
        Some(figures) => (described(&source(&arguments.source, of_model)?), figures),
        None => {
            let (source, loaded) =
                load_data(&arguments.source, of_model, weights.metadata.preparation)?;
            set_threads(None)?;
            let test = loaded.splits.test;
            check_classes(&source, &test, weights)?;
            let (model, input) = (&weights.model, weights.metadata.input);
            let metrics = evaluate(model, &Backend::default(), &test, input)?;
            info!("evaluated on the {} test images", metrics.count());
            let figures = Figures {
                count: metrics.count(),
                errors: metrics.errors(),
                loss: metrics.loss(),
            };
            (described(&source), figures)
        }
    };
    Ok(Card {
        licence,
        dataset: Some(dataset),
        figures: Some(figures).filter(|figures| figures.count > 0),
    })
}

/// The figures of a run folder, if the model is one: they are of the data that it was trained on.
fn summary(arguments: &Export) -> Outcome<Option<Figures>> {
    let run = arguments.model.as_ref();
    let run = run.filter(|_| arguments.source.dataset.is_none());
    let file = run.map(|run| run.join(name::SUMMARY));
    let Some(file) = file.filter(|file| file.is_file()) else {
        return Ok(None);
    };
    let test = read_summary(&file)?.test;
    Ok(Some(Figures {
        count: test.count,
        errors: test.errors,
        loss: test.loss,
    }))
}

fn described(source: &Source) -> CardDataset {
    let spec = match source {
        Source::Known(spec) => Some(spec),
        Source::Own(_) => None,
    };
    CardDataset {
        title: source.title(),
        hub: spec.and_then(|spec| spec.hub).map(str::to_owned),
        licence: spec.map(|spec| spec.licence.to_owned()),
        citation: spec.map(|spec| spec.citation.to_owned()),
    }
}
