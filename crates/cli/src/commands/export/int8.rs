//! The network in int8, calibrated on images that it was trained on.

use lenet_data::{batches, order};
use lenet_engine::Pixels;
use lenet_export::quantize::Quantized;
use lenet_files::{Error, printable};
use lenet_model::Weights;
use tracing::info;

use crate::arguments::Export;
use crate::commands::{check_classes, load_data};
use crate::device::set_threads;
use crate::failure::Outcome;

/// Images to calibrate on by default.
const CALIBRATION_IMAGES: u32 = 1_000;

/// Images on which int8 is compared with f32, besides those of the calibration.
const COMPARED_IMAGES: usize = 2_000;

/// Which images are drawn; fixed, so that equal weights give equal files.
const SEED: u64 = 42;

pub fn quantized(arguments: &Export, weights: &Weights) -> Outcome<Quantized> {
    set_threads(None)?;
    let metadata = &weights.metadata;
    let (source, loaded) = load_data(&arguments.source, Some(metadata), metadata.preparation)?;
    let train = loaded.splits.train;
    check_classes(&source, &train, weights)?;
    let count = arguments.calibration_images.unwrap_or(CALIBRATION_IMAGES) as usize;
    let order = order(SEED, 1, train.len());
    let chosen = order.iter().copied().take(count);
    let mut calibration = batches(&train, chosen, count, metadata.input);
    let message = || format!("{} has no training images", source.name());
    let batch = (calibration.next()).ok_or_else(|| Error::input(message()))??;
    let quantized = Quantized::new(weights, &batch.images)?;
    info!(
        "int8: calibrated on {} training images of {}",
        batch.len(),
        printable(source.name(), &[])
    );

    let table = weights.metadata.input.table();
    let mut single = weights.model.to_single()?;
    let (mut same, mut seen) = (0, 0);
    let others = order.iter().skip(count).take(COMPARED_IMAGES);
    for (pixels, _) in others.filter_map(|&index| train.get(index as usize)) {
        let logits = single.logits(Pixels::Bytes(pixels, &table));
        let class = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        same += usize::from(class == Some(quantized.classify(pixels)));
        seen += 1;
    }
    info!("int8 predicts the same class as f32 for {same} of {seen} other training images");
    Ok(quantized)
}
