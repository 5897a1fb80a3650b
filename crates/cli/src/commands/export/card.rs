//! What goes on the model card beside the network.

use lenet_data::{Source, registry};
use lenet_export::{Card, CardDataset, Figures};
use lenet_model::Weights;
use lenet_report::read_summary;
use lenet_train::{Backend, evaluate};
use tracing::{info, warn};

use super::{check_classes, data, in_run};
use crate::arguments::Export;
use crate::failure::Outcome;

/// The licence of the weights that come with the program, one of its two.
const OWN_LICENCE: &str = "mit";

pub fn card(arguments: &Export, weights: &Weights) -> Outcome<Card> {
    let licence = match (&arguments.license, &arguments.model) {
        (Some(licence), _) => Some(licence.clone()),
        (None, None) => Some(OWN_LICENCE.to_owned()),
        (None, Some(_)) => {
            warn!("the card states no licence of the weights: --license names one");
            None
        }
    };
    if arguments.source.dataset.is_none() && weights.metadata.dataset.is_none() {
        warn!(
            "the weights do not say what they were trained on: --dataset does, else the card names \
             neither data nor accuracy"
        );
        return Ok(Card {
            licence,
            ..Card::default()
        });
    }
    let (dataset, figures) = match summary(arguments)? {
        Some(figures) => {
            let named = arguments.source.dataset.as_deref();
            let source = crate::commands::source(named, weights.metadata.dataset.as_deref())?;
            (described(&source), figures)
        }
        None => {
            let (source, loaded) = data(arguments, weights)?;
            let test = loaded.splits.test;
            check_classes(&source.name(), &test, weights)?;
            let metrics = evaluate(
                &weights.model,
                &Backend::default(),
                &test,
                weights.metadata.input,
            )?;
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

/// The figures of a run folder, which has them on the data of its training.
fn summary(arguments: &Export) -> Outcome<Option<Figures>> {
    if arguments.source.dataset.is_some() {
        return Ok(None);
    }
    let Some(file) = in_run(arguments.model.as_deref(), "summary.json") else {
        return Ok(None);
    };
    let test = read_summary(&file)?.test;
    Ok(test.map(|test| Figures {
        count: test.count,
        errors: test.errors,
        loss: test.loss,
    }))
}

fn described(source: &Source) -> CardDataset {
    let spec = registry::ALL
        .iter()
        .find(|spec| spec.name == source.name().as_str());
    CardDataset {
        title: source.title(),
        hub: spec.and_then(|spec| spec.hub).map(str::to_owned),
        licence: spec.map(|spec| spec.licence.to_owned()),
        citation: spec.map(|spec| spec.citation.to_owned()),
    }
}
