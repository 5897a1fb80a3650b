//! What a page shows of a trained network beyond its scores, as plain numbers: how far its
//! confidence can be trusted, its worst mistakes, its first filters and what they find in an image.

use candle_core::{DType, Tensor};
use lenet_data::Dataset;
use lenet_files::Result;
use lenet_model::LeNet5;
use lenet_picture::Normalization;
use lenet_run::{Bin, Calibration, Inspection, Maps, Mistake, Pixels, Sample, worst};

use crate::backend::Backend;
use crate::evaluate::evaluate_with;
use crate::metrics::{Metrics, argmax};
use crate::rows::Rows;

/// Bins of [`Calibration`]; 15 as in Guo et al.
const BINS: usize = 15;

/// What [`inspect`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// What [`evaluate`](crate::evaluate) returns.
    pub metrics: Metrics,
    /// The images whose class is one of the two most probable.
    pub top_two: u64,
    /// All mistakes, in the order of the set, without their pixels.
    pub mistakes: Vec<Mistake>,
    /// What a page shows.
    pub inspection: Inspection,
}

/// Runs the network over a set once: returns what [`evaluate`](crate::evaluate) returns, and what
/// can be seen on the way. An image whose logits are not finite counts in the scores alone.
///
/// # Errors
/// Those of [`evaluate`](crate::evaluate).
pub fn inspect(
    model: &LeNet5,
    backend: &Backend,
    dataset: &Dataset,
    normalization: Normalization,
) -> Result<Tested> {
    let classes = model.architecture().classes;
    let mut bins = [Sums::default(); BINS];
    let mut mistakes = Vec::new();
    let mut first = None;
    let mut top_two = 0;
    let mut index = 0;
    let mut look = |logits: &[f32], labels: &[u32]| {
        for (logits, &label) in std::iter::zip(logits.chunks(classes), labels) {
            let place = index;
            index += 1;
            let (probabilities, loss) = softmax(logits, label);
            if place == 0 {
                first = Some((label, probabilities.clone()));
            }
            let predicted = argmax(logits);
            let confidence = probabilities[predicted];
            if !loss.is_finite() || !confidence.is_finite() {
                continue;
            }
            let is_correct = predicted == label as usize;
            let own = logits[label as usize];
            let above = logits.iter().filter(|&&logit| logit > own).count();
            top_two += u64::from(is_correct || above < 2);
            let bin = &mut bins[bin_of(confidence)];
            bin.count += 1;
            bin.confidence += confidence;
            bin.correct += u64::from(is_correct);
            if !is_correct {
                mistakes.push(Mistake {
                    index: place,
                    label,
                    predicted: predicted as u32,
                    loss,
                    label_probability: probabilities[label as usize],
                    predicted_probability: confidence,
                    pixels: Pixels::default(),
                });
            }
        }
    };
    let metrics = evaluate_with(model, backend, dataset, normalization, Some(&mut look))?;

    let mut shown = worst(mistakes.clone());
    for mistake in &mut shown {
        mistake.pixels = pixels(dataset, mistake.index);
    }
    let sample = match first {
        Some((label, probabilities)) => Some(Sample {
            index: 0,
            label,
            probabilities,
            pixels: pixels(dataset, 0),
            feature_maps: feature_maps(model, dataset, normalization)?,
        }),
        None => None,
    };
    let inspection = Inspection {
        calibration: calibration(&bins),
        mistakes: shown,
        filters: maps("conv1", &model.parameters().layers()[0].0)?,
        sample,
    };
    Ok(Tested {
        metrics,
        top_two,
        mistakes,
        inspection,
    })
}

/// What is added up over the images of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u64,
    confidence: f64,
    correct: u64,
}

/// The bin, from 0, of a confidence in (0, 1].
fn bin_of(confidence: f64) -> usize {
    let above = (confidence * BINS as f64).ceil() as usize;
    above.clamp(1, BINS) - 1
}

fn calibration(bins: &[Sums; BINS]) -> Calibration {
    let count: u64 = bins.iter().map(|bin| bin.count).sum();
    let distance: f64 = bins
        .iter()
        .map(|bin| (bin.correct as f64 - bin.confidence).abs())
        .sum();
    let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
    let bin = |sums: &Sums| Bin {
        count: sums.count,
        confidence: mean(sums.confidence, sums.count),
        accuracy: mean(sums.correct as f64, sums.count),
    };
    Calibration {
        // A bin's weight, its share of the images, cancels the count that its means divide by.
        expected_calibration_error: mean(distance, count),
        bins: bins.iter().map(bin).collect(),
    }
}

/// The probabilities of the classes, and the cross-entropy of the label.
fn softmax(logits: &[f32], label: u32) -> (Vec<f64>, f64) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = |logit: f32| f64::from(logit) - f64::from(largest);
    let sum: f64 = logits.iter().map(|&logit| shifted(logit).exp()).sum();
    let probabilities = logits.iter().map(|&logit| shifted(logit).exp() / sum);
    let loss = sum.ln() - shifted(logits[label as usize]);
    (probabilities.collect(), loss)
}

fn pixels(dataset: &Dataset, index: usize) -> Pixels {
    let image = dataset.get(index).map(|(image, _)| image.to_vec());
    Pixels(image.unwrap_or_default())
}

/// What the convolutions find in the first image.
fn feature_maps(
    model: &LeNet5,
    dataset: &Dataset,
    normalization: Normalization,
) -> Result<Vec<Maps>> {
    let table = normalization.table();
    let first = Rows::plain(dataset, &[0], &table);
    let (images, _) = first.tensors(model.device())?; // (1, 1, 28, 28)
    let [first, second] = model.feature_maps(&images)?;
    Ok(vec![
        maps("conv1", &first.detach())?,
        maps("conv2", &second.detach())?,
    ])
}

/// The pictures of (A, B, H, W), of which A or B is 1.
fn maps(layer: &str, tensor: &Tensor) -> Result<Maps> {
    let (_, _, height, width) = tensor.dims4()?;
    let values = tensor.to_dtype(DType::F32)?.flatten_all()?;
    let values = values.to_vec1::<f32>()?;
    Ok(Maps {
        layer: layer.to_owned(),
        height,
        width,
        maps: values.chunks(height * width).map(<[f32]>::to_vec).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_on_a_border_belongs_below_it() {
        assert_eq!(bin_of(1.), 14);
        assert_eq!(bin_of(0.2), 2);
        assert_eq!(bin_of(0.2 + 1e-9), 3);
        assert_eq!(bin_of(0.), 0);
    }

    #[test]
    fn a_softmax_of_large_logits_is_finite() {
        let (probabilities, loss) = softmax(&[1e4, 0., -1e4], 1);
        assert_eq!(probabilities, [1., 0., 0.]);
        assert_eq!(loss, 1e4);
        let (probabilities, loss) = softmax(&[0.; 4], 3);
        assert_eq!(probabilities, [0.25; 4]);
        assert!((loss - 4_f64.ln()).abs() < 1e-12);
    }
}
