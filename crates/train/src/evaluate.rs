//! Loss, accuracy and confusion of a network on a set.

use std::sync::Arc;

use candle_core::DType;
use candle_nn::loss::cross_entropy;
use lenet_data::Dataset;
use lenet_engine::engine::{Precision, Purpose};
use lenet_files::Result;
use lenet_model::LeNet5;
use lenet_picture::Normalization;

use crate::backend::Backend;
use crate::metrics::Metrics;
use crate::rows::Rows;

/// Images in a batch of an evaluation. Larger batches are not faster, but need more memory.
const BATCH: usize = 256;

/// Called with the logits of each batch, row after row, and the labels.
pub(crate) type OnBatch<'a> = &'a mut dyn FnMut(&[f32], &[u32]);

/// Runs the network over a set.
///
/// # Errors
/// candle's own, for example for labels that the network has no output for.
pub fn evaluate(
    model: &LeNet5,
    backend: &Backend,
    dataset: &Dataset,
    normalization: Normalization,
) -> Result<Metrics> {
    evaluate_with(model, backend, dataset, normalization, None)
}

/// Like [`evaluate`], and calls `on_batch` for every batch, in the order of the set.
pub(crate) fn evaluate_with(
    model: &LeNet5,
    backend: &Backend,
    dataset: &Dataset,
    normalization: Normalization,
    mut on_batch: Option<OnBatch<'_>>,
) -> Result<Metrics> {
    let mut engine = match backend {
        Backend::Fused(pool) => {
            let most = BATCH.min(dataset.len());
            let pool = Arc::clone(pool);
            Some(model.to_engine(Purpose::Inference, most, Precision::F32, pool)?)
        }
        Backend::Candle => None,
    };
    let mut metrics = Metrics::new(model.architecture().classes);
    let table = normalization.table();
    let order: Vec<u32> = (0..dataset.len() as u32).collect();
    let mut labels = Vec::new();
    let mut logits: Vec<f32> = Vec::new();
    for rows in order.chunks(BATCH) {
        let batch = Rows::plain(dataset, rows, &table);
        batch.labels(&mut labels);
        if let Some(engine) = &mut engine {
            let loss = engine.evaluate(&batch, &labels)?;
            metrics.add_predicted(loss, engine.predicted(), &labels);
            if on_batch.is_some() {
                logits.clear();
                logits.extend(engine.logits().flatten());
            }
        } else {
            let (images, own) = batch.tensors(model.device())?;
            // Detached from the graph, which would keep the maps of every layer for a backward pass.
            let found = model.forward(&images)?.detach(); // (B, classes)
            metrics.add(&cross_entropy(&found, &own)?, &found, &own)?;
            logits = found.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        }
        if let Some(on_batch) = &mut on_batch {
            on_batch(&logits, &labels);
        }
    }
    Ok(metrics)
}
