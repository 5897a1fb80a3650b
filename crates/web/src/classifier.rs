//! A picture becomes an answer.

use candle_core::Device;
use lenet_engine::Pixels;
use lenet_engine::single::Single;
use lenet_model::{Familiarity, Seen, Weights, roughness, softmax};
use lenet_picture::{Form, IMAGE_PIXELS, Ink, Picture, Preparation, prepare_and_count};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Error;
use crate::maps::Convs;

/// The network, ready to classify pictures.
pub(crate) struct Classifier {
    about: String,
    preparation: Preparation,
    familiarity: Option<Familiarity>,
    has_single_characters: bool,
    table: [f32; 256],
    /// For the probabilities.
    single: Single,
    /// For the feature maps.
    convs: Convs,
}

impl Classifier {
    pub(crate) fn new(weights: &[u8]) -> Result<Self, Error> {
        let weights = Weights::from_bytes(weights, &Device::Cpu)?.folded()?;
        let about = serde_json::to_string(&weights.about()).unwrap_or_default();
        let Weights { model, metadata } = weights;
        Ok(Self {
            about,
            preparation: metadata.preparation.unwrap_or_default(),
            table: metadata.input.table(),
            single: model.to_single()?,
            convs: Convs::new(&model)?,
            has_single_characters: metadata.has_single_characters(),
            familiarity: metadata.familiarity,
        })
    }

    pub(crate) fn about(&self) -> &str {
        &self.about
    }

    pub(crate) fn classify(&mut self, picture: &Picture, ink: Ink) -> Result<Answer, Error> {
        let (form, count) = prepare_and_count(picture, self.preparation, ink);
        let Form::Digit(image) = form else {
            return Ok(Answer::default());
        };
        let logits = self.single.logits(Pixels::Bytes(&image, &self.table));
        let logits = logits.to_vec();
        let probabilities = softmax(&logits);
        let familiar = self.familiarity.as_ref().map(|familiarity| {
            familiarity.is_familiar(Seen {
                features: &self.single.features(),
                logits: &logits,
                roughness: roughness(&image),
            })
        });
        let input = image.map(|pixel| self.table[usize::from(pixel)]);
        // (6, 28, 28) and (16, 10, 10), or (6, 24, 24) and (16, 8, 8) without padding
        let maps = self.convs.maps(&input);
        Ok(Answer {
            seen: Some(Sight {
                image,
                probabilities,
                familiar,
                several: count > 1 && self.has_single_characters,
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
    seen: Option<Sight>,
    /// The picture itself, if it came from a file.
    picture: Option<Picture>,
}

#[derive(Debug, Clone)]
struct Sight {
    image: [u8; IMAGE_PIXELS],
    probabilities: Vec<f32>,
    familiar: Option<bool>,
    several: bool,
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
    fn seen<T>(&self, part: impl Fn(&Sight) -> Vec<T>) -> Vec<T> {
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

    /// The 28x28 pixels that the network sees.
    #[wasm_bindgen(getter)]
    pub fn image(&self) -> Vec<u8> {
        self.seen(|seen| seen.image.to_vec())
    }

    /// The probability of each class.
    #[wasm_bindgen(getter)]
    pub fn probabilities(&self) -> Vec<f32> {
        self.seen(|seen| seen.probabilities.clone())
    }

    /// Whether the picture resembles those of the training; `undefined` if the network does not know.
    #[wasm_bindgen(getter)]
    pub fn familiar(&self) -> Option<bool> {
        self.seen.as_ref()?.familiar
    }

    /// Whether the picture shows several digits, which the classes do not name together.
    #[wasm_bindgen(getter)]
    pub fn several(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.several)
    }

    /// The six maps of the first convolution after its activation: squares of 28x28, or 24x24 without
    /// padding.
    #[wasm_bindgen(getter, js_name = firstMaps)]
    pub fn first_maps(&self) -> Vec<f32> {
        self.seen(|seen| seen.maps[0].clone())
    }

    /// The sixteen maps of the second convolution after its activation: squares of 10x10, or 8x8.
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
