//! Pictures of a trained network for TensorBoard, from its inspection: the first filters, and the
//! worst mistakes.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat, Luma};
use lenet_files::{Error, Result};
use lenet_run::{IMAGE_SIDE, Inspection, Maps, Pixels};
use lenet_train::TensorBoard;

/// The number of mistakes that are shown.
const MISTAKES: usize = 16;

/// Pixels of a weight, and of an image's pixel.
const WEIGHT_SIZE: u32 = 16;
const PIXEL_SIZE: u32 = 4;

/// Adds the pictures to TensorBoard's file, as those of this step.
pub fn add(
    board: &mut TensorBoard,
    step: u64,
    inspection: &Inspection,
    class_names: &[String],
) -> Result<()> {
    let mut add = |tag: &str, picture: &GrayImage| -> Result<()> {
        let size = [picture.width(), picture.height()];
        board.add_image(step, tag, size, png(picture)?);
        Ok(())
    };
    add("filters/conv1", &filters(&inspection.filters))?;
    let name = |class: u32| class_names.get(class as usize).map_or("?", String::as_str);
    for (rank, mistake) in inspection.mistakes.iter().take(MISTAKES).enumerate() {
        let (label, predicted) = (name(mistake.label), name(mistake.predicted));
        // A slash would make a group of its own.
        let tag = format!("{:02} label {label} prediction {predicted}", rank + 1).replace('/', "-");
        add(&format!("mistakes/{tag}"), &digit(&mistake.pixels))?;
    }
    Ok(())
}

/// The filters of the first convolution in a row: grey is zero, white the largest weight of all and
/// black its negative.
fn filters(filters: &Maps) -> GrayImage {
    let weights = filters.maps.iter().flatten();
    let largest = weights.fold(0_f32, |largest, weight| largest.max(weight.abs()));
    // A black line of one weight's size between the filters.
    let stride = filters.width + 1;
    let width = filters.maps.len() * stride - 1;
    let picture = GrayImage::from_fn(width as u32, filters.height as u32, |x, y| {
        let (filter, column) = (x as usize / stride, x as usize % stride);
        if column == filters.width {
            return Luma([0]);
        }
        let weight = filters.maps[filter][y as usize * filters.width + column];
        let fraction = if largest > 0. { weight / largest } else { 0. };
        Luma([(127.5 + 127.5 * fraction).round() as u8])
    });
    enlarged(&picture, WEIGHT_SIZE)
}

fn digit(pixels: &Pixels) -> GrayImage {
    let side = IMAGE_SIDE as u32;
    let picture = GrayImage::from_raw(side, side, pixels.0.clone()).unwrap_or_default();
    enlarged(&picture, PIXEL_SIZE)
}

fn enlarged(picture: &GrayImage, times: u32) -> GrayImage {
    let (width, height) = picture.dimensions();
    imageops::resize(picture, width * times, height * times, FilterType::Nearest)
}

/// A PNG file of 28x28 pixels.
pub fn of_pixels(pixels: &[u8]) -> Result<Vec<u8>> {
    let side = IMAGE_SIDE as u32;
    png(&GrayImage::from_raw(side, side, pixels.to_vec()).unwrap_or_default())
}

fn png(picture: &GrayImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::internal("PNG").caused_by(error))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_in_a_row() {
        let maps = Maps {
            layer: "conv1".to_owned(),
            height: 1,
            width: 2,
            maps: vec![vec![0., 0.5], vec![-1., 1.]],
        };
        let picture = filters(&maps);
        assert_eq!(picture.dimensions(), (5 * WEIGHT_SIZE, WEIGHT_SIZE));
        let greys: Vec<u8> = (0..5)
            .map(|x| picture.get_pixel(x * WEIGHT_SIZE, 0).0[0])
            .collect();
        assert_eq!(greys, [128, 191, 0, 0, 255]);
        let bytes = png(&picture).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_luma8(), picture);
    }
}
