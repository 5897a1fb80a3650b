//! A picture becomes an answer.

use candle_core::Device;
use lenet_engine::Pixels;
use lenet_engine::single::Single;
use lenet_model::{pretrained, softmax};
use lenet_picture::IMAGE_PIXELS;
use lenet_picture::{Form, Ink, Picture, Preparation, prepare};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Error;
use crate::maps::Convs;

/// The network, ready to classify pictures.
pub(crate) struct Classifier {
    class_names: Vec<String>,
    table: [f32; 256],
    /// For the probabilities.
    single: Single,
    /// For the feature maps.
    convs: Convs,
}

impl Classifier {
    pub(crate) fn new() -> Result<Self, Error> {
        let weights = pretrained::mnist(&Device::Cpu)?;
        Ok(Self {
            class_names: weights.metadata.class_names,
            table: weights.metadata.input.table(),
            single: weights.model.to_single()?,
            convs: Convs::new(&weights.model)?,
        })
    }

    pub(crate) fn class_names(&self) -> &[String] {
        &self.class_names
    }

    pub(crate) fn classify(&mut self, picture: &Picture, ink: Ink) -> Result<Answer, Error> {
        let Form::Digit(image) = prepare(picture, Preparation::Ink, ink) else {
            return Ok(Answer::default());
        };
        let logits = self.single.logits(Pixels::Bytes(&image, &self.table));
        let probabilities = softmax(logits);
        let input = image.map(|pixel| self.table[usize::from(pixel)]);
        // (6, 28, 28) and (16, 10, 10)
        let maps = self.convs.maps(&input);
        Ok(Answer {
            seen: Some(Seen {
                image,
                probabilities,
                maps,
            }),
            picture: None,
        })
    }
}

/// What the network makes of a picture.
#[wasm_bindgen]
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// `None` if the picture is blank.
    seen: Option<Seen>,
    /// The picture itself, if it came from a file.
    picture: Option<Picture>,
}

#[derive(Debug, Clone)]
struct Seen {
    image: [u8; IMAGE_PIXELS],
    probabilities: Vec<f32>,
    maps: Vec<Vec<f32>>,
}

impl Answer {
    pub(crate) fn of_picture(self, picture: Picture) -> Self {
        Self {
            picture: Some(picture),
            ..self
        }
    }

    /// A part of what was seen; empty if the picture is blank.
    fn seen<T>(&self, part: impl Fn(&Seen) -> Vec<T>) -> Vec<T> {
        self.seen.as_ref().map_or_else(Vec::new, part)
    }
}

#[wasm_bindgen]
impl Answer {
    /// Whether nothing is drawn; everything below is then empty.
    #[wasm_bindgen(getter)]
    pub fn blank(&self) -> bool {
        self.seen.is_none()
    }

    /// The 28x28 pixels that the network sees, white on black.
    #[wasm_bindgen(getter)]
    pub fn image(&self) -> Vec<u8> {
        self.seen(|seen| seen.image.to_vec())
    }

    /// The probability of each class.
    #[wasm_bindgen(getter)]
    pub fn probabilities(&self) -> Vec<f32> {
        self.seen(|seen| seen.probabilities.clone())
    }

    /// The six maps of the first convolution after its activation, 28x28 each.
    #[wasm_bindgen(getter, js_name = firstMaps)]
    pub fn first_maps(&self) -> Vec<f32> {
        self.seen(|seen| seen.maps[0].clone())
    }

    /// The sixteen maps of the second convolution after its activation, 10x10 each.
    #[wasm_bindgen(getter, js_name = secondMaps)]
    pub fn second_maps(&self) -> Vec<f32> {
        self.seen(|seen| seen.maps[1].clone())
    }

    /// The width of the picture from a file; 0 for a drawing.
    #[wasm_bindgen(getter, js_name = pictureWidth)]
    pub fn picture_width(&self) -> usize {
        self.picture.as_ref().map_or(0, Picture::width)
    }

    /// The height of the picture from a file; 0 for a drawing.
    #[wasm_bindgen(getter, js_name = pictureHeight)]
    pub fn picture_height(&self) -> usize {
        self.picture.as_ref().map_or(0, Picture::height)
    }

    /// The pixels of the picture from a file, row after row: red, green, blue and opacity.
    #[wasm_bindgen(getter)]
    pub fn picture(&self) -> Vec<u8> {
        self.picture
            .as_ref()
            .map_or_else(Vec::new, |picture| picture.pixels().as_flattened().to_vec())
    }
}
