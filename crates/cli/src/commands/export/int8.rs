//! The network in int8, calibrated on images that it was trained on.

use lenet_data::{batches, order};
use lenet_engine::Pixels;
use lenet_export::quantize::Quantized;
use lenet_model::Weights;
use tracing::info;

use super::{check_classes, data};
use crate::arguments::Export;
use crate::failure::{Failure, Outcome};

/// Images to calibrate on where nobody asks for another number.
const CALIBRATION_IMAGES: u32 = 1_000;

/// Images on which the integers are compared with the network, beside those of the calibration.
const COMPARED_IMAGES: usize = 2_000;

/// Which images are drawn; fixed, so that equal weights give equal files.
const SEED: u64 = 42;

pub fn quantized(arguments: &Export, weights: &Weights) -> Outcome<Quantized> {
    let (source, loaded) = data(arguments, weights)?;
    let train = loaded.splits.train;
    check_classes(&source.name(), &train, weights)?;
    let count = arguments.calibration_images.unwrap_or(CALIBRATION_IMAGES) as usize;
    let order = order(SEED, 1, train.len());
    let mut calibration = batches(
        &train,
        order.iter().copied().take(count),
        count,
        weights.metadata.input,
    );
    let Some(batch) = calibration.next() else {
        return Err(Failure::Inputs(format!(
            "{} has no training image to calibrate on",
            source.name()
        )));
    };
    let batch = batch?;
    let quantized = Quantized::new(weights, &batch.images)?;
    info!(
        "int8: calibrated on {} training images of {}",
        batch.len(),
        source.name()
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
    info!("int8 names the same class as f32 for {same} of {seen} other training images");
    Ok(quantized)
}
