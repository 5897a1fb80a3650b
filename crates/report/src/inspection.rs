//! `inspection.json`: what the page shows of a network beyond its scores.

use std::path::Path;

use serde::Deserialize;

use crate::Error;
use crate::run::read_json;

/// Rows and columns of an image.
pub(crate) const IMAGE_SIDE: usize = 28;

/// A map of more numbers than this is none of a network for images of 28x28.
const LARGEST_MAP: usize = 1 << 16;

/// What an inspection of a network found. All of it is optional; fields that this crate does not
/// know are ignored. JSON has no NaN: a number that is none is `None`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// How the network's confidence compares with its accuracy.
    pub calibration: Calibration,
    /// Images that were told wrong, worst first.
    pub mistakes: Vec<Mistake>,
    /// The weights of the first convolution.
    pub filters: Maps,
    /// An image, and what the convolutions find in it.
    pub sample: Option<Sample>,
}

/// Confidence and accuracy in bins of equal width.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Calibration {
    /// The mean distance between confidence and accuracy, by images.
    pub expected_calibration_error: Option<f64>,
    /// The bins, which share 0..=1 evenly, in the order of confidence.
    pub bins: Vec<Bin>,
}

/// The images whose confidence lies in one range.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Bin {
    /// Number of images.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: Option<f64>,
    /// Part of them that was told right.
    pub accuracy: Option<f64>,
}

/// An image that was told wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Mistake {
    /// Its place in the test split, from 0.
    pub index: u64,
    /// Its class.
    pub label: usize,
    /// The class that it was taken for.
    pub predicted: usize,
    /// Its cross-entropy in nats.
    pub loss: Option<f64>,
    /// The probability that the network gave its class.
    pub label_probability: Option<f64>,
    /// The probability of the class that it was taken for.
    pub predicted_probability: Option<f64>,
    /// Its pixels.
    pub pixels: Pixels,
}

/// Pictures of one size, as the numbers that they are made of.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Maps {
    /// The layer whose weights or maps these are.
    pub layer: String,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// The pictures, each row after row; [`read_inspection`] makes sure of their sizes.
    pub maps: Vec<Vec<Option<f64>>>,
}

/// An image on its way through the network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sample {
    /// Its place in the test split, from 0.
    pub index: u64,
    /// Its class.
    pub label: usize,
    /// The probability of each class.
    pub probabilities: Vec<Option<f64>>,
    /// Its pixels.
    pub pixels: Pixels,
    /// The maps of the convolutions.
    pub feature_maps: Vec<Maps>,
}

/// The 28x28 bytes of an image, row after row; in the file two hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pixels(pub Vec<u8>);

impl TryFrom<String> for Pixels {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let bytes: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some((16 * digit(high)? + digit(low)?) as u8),
                _ => None,
            })
            .collect();
        match bytes {
            Some(bytes) if bytes.len() == IMAGE_SIDE * IMAGE_SIDE => Ok(Self(bytes)),
            _ => Err(format!(
                "pixels are {} hexadecimal digits, not {} characters of another kind or number",
                2 * IMAGE_SIDE * IMAGE_SIDE,
                text.chars().count()
            )),
        }
    }
}

/// Reads `inspection.json`.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read, [`Error::Json`] if it is not such an object,
/// [`Error::Maps`] if the sizes of its pictures are not those that it claims.
pub fn read_inspection(path: &Path) -> Result<Inspection, Error> {
    let inspection: Inspection = read_json(path)?;
    let feature_maps = inspection
        .sample
        .iter()
        .flat_map(|sample| &sample.feature_maps);
    for maps in feature_maps.chain([&inspection.filters]) {
        check(maps, path)?;
    }
    Ok(inspection)
}

fn check(maps: &Maps, path: &Path) -> Result<(), Error> {
    let error = |message| Error::Maps {
        path: path.to_owned(),
        layer: maps.layer.clone(),
        message,
    };
    let (height, width) = (maps.height, maps.width);
    let size = height
        .checked_mul(width)
        .filter(|size| *size <= LARGEST_MAP);
    let Some(size) = size else {
        return Err(error(format!("{height} rows of {width} are too many")));
    };
    if size == 0 && !maps.maps.is_empty() {
        return Err(error(format!("{height} rows of {width} hold nothing")));
    }
    for (number, map) in maps.maps.iter().enumerate() {
        if map.len() != size {
            let found = map.len();
            let message = format!("map {number} has {found} numbers for {height}x{width}");
            return Err(error(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(json: &str) -> Result<Inspection, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inspection.json");
        fs::write(&path, json).unwrap();
        read_inspection(&path)
    }

    #[test]
    fn a_part_is_enough_and_unknown_fields_are_ignored() {
        assert_eq!(read("{\"later\":1}").unwrap(), Inspection::default());
        let filters = r#"{"filters":{"layer":"conv1","height":1,"width":2,"maps":[[0.5,null]]}}"#;
        assert_eq!(read(filters).unwrap().filters.maps, [[Some(0.5), None]]);
    }

    #[test]
    fn pixels_are_784_pairs_of_hexadecimal_digits() {
        let read = |text: String| Pixels::try_from(text);
        let pixels = read("00ff".to_owned() + &"7A".repeat(782)).unwrap();
        assert_eq!(pixels.0[..3], [0, 255, 0x7a]);
        for wrong in [
            "00".repeat(783),
            "00".repeat(783) + "0",
            "0g".repeat(784),
            "é".repeat(784),
            String::new(),
        ] {
            assert!(read(wrong).unwrap_err().contains("1568 hexadecimal digits"));
        }
    }

    #[test]
    fn pictures_of_another_size_than_claimed_are_named() {
        for (height, width, message) in [
            (1, 3, "map 0 has 2 numbers for 1x3"),
            (0, 2, "0 rows of 2 hold nothing"),
            (usize::MAX, 2, "are too many"),
        ] {
            let json = format!(
                r#"{{"filters":{{"layer":"conv1","height":{height},"width":{width},"maps":[[1,2]]}}}}"#
            );
            let error = read(&json).unwrap_err().to_string();
            assert!(error.contains("inspection.json: conv1: "), "{error}");
            assert!(error.contains(message), "{error}");
        }
    }
}
