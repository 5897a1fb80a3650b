//! Pictures of a trained network for TensorBoard: its first filters, and its worst mistakes.

use std::io::Cursor;

use candle_core::{D, DType, IndexOp as _};
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat, Luma};
use lenet_data::{Dataset, batches};
use lenet_files::Error;
use lenet_model::LeNet5;
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, Normalization};
use lenet_train::TensorBoard;

use crate::failure::Outcome;

/// So many mistakes are shown.
const MISTAKES: usize = 16;

/// Images of a step of evaluation.
const BATCH: usize = 256;

/// Pixels of a weight, and of an image's pixel.
const WEIGHT_SIZE: u32 = 16;
const PIXEL_SIZE: u32 = 4;

/// What a network takes an image for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// The image's class.
    pub label: u32,
    /// The class of the largest logit.
    pub predicted: u32,
    /// The image's cross-entropy.
    pub loss: f32,
}

/// Adds the pictures to TensorBoard's file, as those of this step.
pub fn add(
    board: &mut TensorBoard,
    model: &LeNet5,
    validation: &Dataset,
    normalization: Normalization,
    step: u64,
) -> Outcome<()> {
    board.add_image(step, "filters/conv1", &png(&filters(model)?)?);
    let guesses = guesses(model, validation, normalization)?;
    let names = validation.class_names();
    let name = |class: u32| names.get(class as usize).map_or("?", String::as_str);
    for (rank, index) in worst(&guesses, MISTAKES).into_iter().enumerate() {
        let (Some(guess), Some((pixels, _))) = (guesses.get(index), validation.get(index)) else {
            continue;
        };
        let (label, predicted) = (name(guess.label), name(guess.predicted));
        // A slash would make a group of its own.
        let tag = format!("{:02} label {label} prediction {predicted}", rank + 1).replace('/', "-");
        board.add_image(step, &format!("mistakes/{tag}"), &png(&digit(pixels))?);
    }
    Ok(())
}

/// The guesses of a network, in the order of the images.
fn guesses(model: &LeNet5, dataset: &Dataset, normalization: Normalization) -> Outcome<Vec<Guess>> {
    let mut guesses = Vec::with_capacity(dataset.len());
    for batch in batches(dataset, 0..dataset.len() as u32, BATCH, normalization) {
        let batch = batch?.to_device(model.device())?;
        let logits = model
            .forward(&batch.images)?
            .detach()
            .to_dtype(DType::F32)?; // (B, classes)
        let log_sum = logits.log_sum_exp(D::Minus1)?; // (B)
        let labels = batch.labels.unsqueeze(1)?; // (B, 1)
        let own = logits.gather(&labels, D::Minus1)?.squeeze(1)?; // (B)
        let losses = (log_sum - own)?.to_vec1::<f32>()?;
        let predicted = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        let labels = batch.labels.to_vec1::<u32>()?;
        for ((label, predicted), loss) in labels.into_iter().zip(predicted).zip(losses) {
            guesses.push(Guess {
                label,
                predicted,
                loss,
            });
        }
    }
    Ok(guesses)
}

/// The indices of the wrong guesses with the highest losses, the worst first.
pub fn worst(guesses: &[Guess], most: usize) -> Vec<usize> {
    let mut wrong: Vec<(usize, f32)> = guesses
        .iter()
        .enumerate()
        .filter(|(_, guess)| guess.label != guess.predicted)
        .map(|(index, guess)| (index, guess.loss))
        .collect();
    wrong.sort_by(|a, b| b.1.total_cmp(&a.1));
    wrong
        .into_iter()
        .take(most)
        .map(|(index, _)| index)
        .collect()
}

/// The filters of the first convolution in a row: gray is zero, white the largest weight of all and
/// black its negative.
fn filters(model: &LeNet5) -> Outcome<GrayImage> {
    let weight = model.parameters().get("conv1.weight");
    let weight = weight.ok_or_else(|| Error::internal("there is no conv1.weight"))?;
    let weight = weight.i((.., 0))?.to_dtype(DType::F32)?; // (filters, 5, 5)
    let filters = weight.to_vec3::<f32>()?;
    let largest = filters
        .iter()
        .flatten()
        .flatten()
        .fold(0_f32, |a, w| a.max(w.abs()));
    let (count, rows, columns) = weight.dims3()?;
    // A black line of one weight's size between the filters.
    let mut picture = GrayImage::new((count * (columns + 1) - 1) as u32, rows as u32);
    for (filter, weights) in filters.iter().enumerate() {
        for (y, row) in weights.iter().enumerate() {
            for (x, weight) in row.iter().enumerate() {
                let part = if largest > 0. { weight / largest } else { 0. };
                let gray = (127.5 + 127.5 * part).round() as u8;
                picture.put_pixel((filter * (columns + 1) + x) as u32, y as u32, Luma([gray]));
            }
        }
    }
    Ok(enlarged(&picture, WEIGHT_SIZE))
}

fn digit(pixels: &[u8; IMAGE_PIXELS]) -> GrayImage {
    let side = IMAGE_SIDE as u32;
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let at = y as usize * IMAGE_SIDE + x as usize;
        Luma([pixels.get(at).copied().unwrap_or_default()])
    });
    enlarged(&picture, PIXEL_SIZE)
}

fn enlarged(picture: &GrayImage, times: u32) -> GrayImage {
    let (width, height) = picture.dimensions();
    imageops::resize(picture, width * times, height * times, FilterType::Nearest)
}

fn png(picture: &GrayImage) -> Outcome<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::internal("cannot encode a PNG").caused_by(error))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use lenet_model::{Architecture, Init};

    use super::*;

    fn guess(label: u32, predicted: u32, loss: f32) -> Guess {
        Guess {
            label,
            predicted,
            loss,
        }
    }

    #[test]
    fn the_worst_are_wrong_and_in_order() {
        let guesses = [
            guess(1, 1, 9.),
            guess(1, 2, 1.),
            guess(3, 3, 0.),
            guess(4, 5, 3.),
            guess(6, 7, 2.),
        ];
        assert_eq!(worst(&guesses, 2), [3, 4]);
        assert_eq!(worst(&guesses, 9), [3, 4, 1]);
        assert!(worst(&[], 9).is_empty());
    }

    #[cfg(feature = "embedded-mnist")]
    #[test]
    fn guesses_agree_with_the_evaluation() {
        let architecture = Architecture::default();
        let model = LeNet5::new(&architecture, Init::default(), 1, &Device::Cpu).unwrap();
        let images = lenet_data::embedded::mnist_test().unwrap().take(300);
        let normalization = Normalization::default();
        let guesses = guesses(&model, &images, normalization).unwrap();
        let metrics = lenet_train::evaluate(
            &model,
            &lenet_train::Backend::default(),
            &images,
            normalization,
        )
        .unwrap();
        let wrong = guesses
            .iter()
            .filter(|guess| guess.label != guess.predicted);
        assert_eq!(wrong.count() as u64, metrics.errors());
        let mean = guesses
            .iter()
            .map(|guess| f64::from(guess.loss))
            .sum::<f64>()
            / 300.;
        // Two orders of addition differ by 1e-6; another image's loss by 1e-2.
        assert!((mean - metrics.loss().unwrap()).abs() < 1e-5, "{mean}");
    }

    #[test]
    fn filters_stand_in_a_row() {
        let architecture = Architecture::default();
        let model = LeNet5::new(&architecture, Init::default(), 1, &Device::Cpu).unwrap();
        let picture = filters(&model).unwrap();
        assert_eq!(picture.dimensions(), (35 * WEIGHT_SIZE, 5 * WEIGHT_SIZE));
        let mut weights = picture
            .enumerate_pixels()
            .filter(|(x, _, _)| x / WEIGHT_SIZE % 6 < 5);
        assert!(weights.any(|(_, _, gray)| gray.0[0] == 0 || gray.0[0] == 255));
        assert_eq!(picture.get_pixel(5 * WEIGHT_SIZE, 0).0[0], 0);
        let bytes = png(&picture).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_luma8(), picture);
    }
}
