//! Loss, accuracy and confusion of a network on a set.

use candle_core::DType;
use candle_nn::loss::cross_entropy;
use lenet_data::{Dataset, batches};
use lenet_engine::engine::{Precision, Purpose};
use lenet_model::{Engine, LeNet5};
use lenet_picture::Normalization;

use crate::stepper::Rows;
use crate::{Metrics, Result};

/// Images of a step of evaluation. Larger ones are not faster, but need more memory.
const BATCH: usize = 256;

/// Whoever looks on at an evaluation: gets the logits of each batch, row after row, and the labels.
pub(crate) type Onlooker<'a> = &'a mut dyn FnMut(&[f32], &[u32]);

/// Runs the network over a set.
///
/// # Errors
/// candle's own, as for labels that the network has no output for.
pub fn evaluate(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
) -> Result<Metrics> {
    evaluate_before(model, dataset, normalization, None)
}

/// As [`evaluate`], before the eyes of an onlooker, who sees the images in the order of the set.
pub(crate) fn evaluate_before(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
    onlooker: Option<Onlooker<'_>>,
) -> Result<Metrics> {
    match model.engine() {
        Engine::Fused => on_fused(model, dataset, normalization, onlooker),
        Engine::Candle => on_candle(model, dataset, normalization, onlooker),
    }
}

fn on_fused(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
    mut onlooker: Option<Onlooker<'_>>,
) -> Result<Metrics> {
    let mut metrics = Metrics::new(model.architecture().classes);
    let mut engine =
        model.to_engine(Purpose::Inference, BATCH.min(dataset.len()), Precision::F32)?;
    let table = normalization.table();
    let order: Vec<u32> = (0..dataset.len() as u32).collect();
    let mut labels = Vec::new();
    let mut logits = Vec::new();
    for rows in order.chunks(BATCH) {
        let rows = Rows {
            dataset,
            rows,
            table: &table,
        };
        rows.labels(&mut labels);
        let loss = engine.evaluate(&rows, &labels)?;
        metrics.add_predicted(loss, engine.predicted(), &labels);
        if let Some(look) = &mut onlooker {
            logits.clear();
            logits.extend(engine.logits().flatten());
            look(&logits, &labels);
        }
    }
    Ok(metrics)
}

fn on_candle(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
    mut onlooker: Option<Onlooker<'_>>,
) -> Result<Metrics> {
    let mut metrics = Metrics::new(model.architecture().classes);
    for batch in batches(dataset, 0..dataset.len() as u32, BATCH, normalization) {
        let batch = batch?.to_device(model.device())?;
        // Detached from the graph, which otherwise keeps the maps of every layer for a backward pass.
        let logits = model.forward(&batch.images)?.detach();
        let loss = cross_entropy(&logits, &batch.labels)?;
        metrics.add(&loss, &logits, &batch.labels)?;
        if let Some(look) = &mut onlooker {
            let logits = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            look(&logits, &batch.labels.to_vec1()?);
        }
    }
    Ok(metrics)
}
