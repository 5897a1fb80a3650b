//! `inspection.json`: what the page shows of a trained network beyond its scores.

use lenet_files::{Error, Result, hex};
use serde::{Deserialize, Serialize};

use crate::json;

/// Rows and columns of an image.
pub const IMAGE_SIDE: usize = 28;

/// The most mistakes that are kept.
const MISTAKES: usize = 24;

/// A map with more numbers than this does not come from a network for images of 28x28.
const LARGEST_MAP: usize = 1 << 16;

/// What an inspection of a network found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// How the network's confidence compares with its accuracy.
    pub calibration: Calibration,
    /// The misclassified images with the highest losses, worst first, as [`worst`] ranks them.
    pub mistakes: Vec<Mistake>,
    /// The weights of the first convolution, one map for each filter.
    pub filters: Maps,
    /// The first image of the set, and what the convolutions find in it; none for an empty set.
    pub sample: Option<Sample>,
}

/// Confidence and accuracy in bins of equal width, after Guo, Pleiss, Sun and Weinberger 2017, "On
/// calibration of modern neural networks", <https://arxiv.org/abs/1706.04599>, section 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The mean distance between confidence and accuracy, weighted by the images in a bin; none
    /// without images.
    pub expected_calibration_error: Option<f64>,
    /// The bins in the order of confidence; bin m of M holds ((m - 1) / M, m / M].
    pub bins: Vec<Bin>,
}

/// The images whose confidence, the probability of the predicted class, lies in one range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of images.
    pub count: u64,
    /// Their mean confidence; none without images.
    pub confidence: Option<f64>,
    /// Fraction of them that was classified correctly; none without images.
    pub accuracy: Option<f64>,
}

/// A misclassified image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its class.
    pub label: u32,
    /// The class that was predicted.
    pub predicted: u32,
    /// Its cross-entropy in nats.
    pub loss: f64,
    /// The probability that the network gave its class.
    pub label_probability: f64,
    /// The probability of the predicted class.
    pub predicted_probability: f64,
    /// Its pixels.
    pub pixels: Pixels,
}

/// Ranks mistakes, the highest loss first and at equal losses the first image first, and keeps the
/// worst 24: the one ranking of mistakes.
pub fn worst(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| {
        let by_loss = b.loss.total_cmp(&a.loss);
        by_loss.then(a.index.cmp(&b.index))
    });
    mistakes.truncate(MISTAKES);
    mistakes
}

/// Pictures of one size, as the numbers that they are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Maps {
    /// The layer whose weights or maps these are.
    pub layer: String,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// The pictures, each row after row: `height * width` numbers.
    #[serde(deserialize_with = "json::maps")]
    pub maps: Vec<Vec<f32>>,
}

/// An image on its way through the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its class.
    pub label: u32,
    /// The probability of each class.
    #[serde(deserialize_with = "json::numbers")]
    pub probabilities: Vec<f64>,
    /// Its pixels.
    pub pixels: Pixels,
    /// The maps of both convolutions, after the activation and before pooling.
    pub feature_maps: Vec<Maps>,
}

/// The 28x28 bytes of an image, row after row; in the file two hexadecimal digits each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pixels(pub Vec<u8>);

impl From<Pixels> for String {
    fn from(pixels: Pixels) -> Self {
        hex(&pixels.0)
    }
}

impl TryFrom<String> for Pixels {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let pixels: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some((16 * digit(high)? + digit(low)?) as u8),
                _ => None,
            })
            .collect();
        pixels
            .filter(|pixels| pixels.len() == IMAGE_SIDE * IMAGE_SIDE)
            .map(Self)
            .ok_or_else(|| "pixels are not 1568 hexadecimal digits".to_owned())
    }
}

impl Inspection {
    /// Checks what the types do not say: the sizes of the maps.
    pub(crate) fn check(&self) -> Result<()> {
        let sample = self.sample.iter().flat_map(|sample| &sample.feature_maps);
        for maps in sample.chain([&self.filters]) {
            let (height, width) = (maps.height, maps.width);
            let size = height.saturating_mul(width);
            let fits = (1..=LARGEST_MAP).contains(&size);
            if !fits || maps.maps.iter().any(|map| map.len() != size) {
                return Err(Error::input(format!(
                    "the maps of {} are not {height} x {width} numbers each",
                    maps.layer
                )));
            }
        }
        Ok(())
    }
}
