//! Loss, accuracy and confusion of a network on a set.

use std::sync::Arc;

use candle_core::DType;
use candle_nn::loss::cross_entropy;
use lenet_data::{Dataset, batches};
use lenet_engine::engine::{Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_model::LeNet5;
use lenet_picture::Normalization;

use crate::stepper::Rows;
use crate::{Backend, Metrics, Result};

/// Images of a batch of an evaluation. Larger batches are not faster, but need more memory.
const BATCH: usize = 256;

/// Called with the logits of each batch, row after row, and the labels.
pub(crate) type OnBatch<'a> = &'a mut dyn FnMut(&[f32], &[u32]);

/// Runs the network over a set.
///
/// # Errors
/// candle's own, as for labels that the network has no output for.
pub fn evaluate(
    model: &LeNet5,
    backend: &Backend,
    dataset: &Dataset,
    normalization: Normalization,
) -> Result<Metrics> {
    evaluate_with(model, backend, dataset, normalization, None)
}

/// As [`evaluate`]; `on_batch` is called for every batch, in the order of the set.
pub(crate) fn evaluate_with(
    model: &LeNet5,
    backend: &Backend,
    dataset: &Dataset,
    normalization: Normalization,
    on_batch: Option<OnBatch<'_>>,
) -> Result<Metrics> {
    match backend {
        Backend::Fused(pool) => on_fused(model, Arc::clone(pool), dataset, normalization, on_batch),
        Backend::Candle => on_candle(model, dataset, normalization, on_batch),
    }
}

fn on_fused(
    model: &LeNet5,
    pool: Arc<Pool>,
    dataset: &Dataset,
    normalization: Normalization,
    mut on_batch: Option<OnBatch<'_>>,
) -> Result<Metrics> {
    let mut metrics = Metrics::new(model.architecture().classes);
    let most = BATCH.min(dataset.len());
    let mut engine = model.to_engine(Purpose::Inference, most, Precision::F32, pool)?;
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
        if let Some(on_batch) = &mut on_batch {
            logits.clear();
            logits.extend(engine.logits().flatten());
            on_batch(&logits, &labels);
        }
    }
    Ok(metrics)
}

fn on_candle(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
    mut on_batch: Option<OnBatch<'_>>,
) -> Result<Metrics> {
    let mut metrics = Metrics::new(model.architecture().classes);
    for batch in batches(dataset, 0..dataset.len() as u32, BATCH, normalization) {
        let batch = batch?.to_device(model.device())?;
        // Detached from the graph, which otherwise keeps the maps of every layer for a backward pass.
        let logits = model.forward(&batch.images)?.detach();
        let loss = cross_entropy(&logits, &batch.labels)?;
        metrics.add(&loss, &logits, &batch.labels)?;
        if let Some(on_batch) = &mut on_batch {
            let logits = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            on_batch(&logits, &batch.labels.to_vec1()?);
        }
    }
    Ok(metrics)
}
