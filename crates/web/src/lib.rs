//! LeNet-5 in the browser: what the page in `crates/serve/page` calls.
//!
//! | module | holds |
//! |---|---|
//! | `drawing` | strokes become pixels, the same in every browser |
//! | `classifier` | a picture becomes an [`Answer`]: `lenet_picture`, then the network |
//! | `maps` | the feature maps of an image |
//! | `error` | what went wrong, in JavaScript's terms |
//!
//! A picture becomes probabilities as in `lenet predict`: by the same functions with the same
//! weights file. The crate does not know files and training; the browser only hands over bytes,
//! so that pictures are decoded and scaled alike in every browser.
#![forbid(unsafe_code)]

mod classifier;
mod drawing;
mod error;
mod maps;

use lenet_picture::{Ink, MAX_BYTES, Picture};
use wasm_bindgen::prelude::wasm_bindgen;

pub use classifier::Answer;
use classifier::Classifier;
use drawing::Drawing;
pub use drawing::{PEN, SIDE};
pub use error::Error;

/// The trained network, and a sheet to draw on.
#[wasm_bindgen]
pub struct Network {
    classifier: Classifier,
    drawing: Drawing,
}

#[wasm_bindgen]
impl Network {
    /// The network in the bytes of a weights file, and an empty sheet.
    ///
    /// # Errors
    /// Bytes that are no network, or of a later release.
    #[wasm_bindgen(constructor)]
    pub fn new(weights: &[u8]) -> Result<Network, Error> {
        Ok(Self {
            classifier: Classifier::new(weights)?,
            drawing: Drawing::new(),
        })
    }

    /// What the weights file says of the network, as `GET /api/model` of the server has it: an object
    /// in JSON.
    #[wasm_bindgen(getter)]
    pub fn about(&self) -> String {
        self.classifier.about().to_owned()
    }

    /// The width of the pen, as a fraction of the sheet's side.
    #[wasm_bindgen(getter)]
    pub fn pen(&self) -> f32 {
        PEN
    }

    /// The most bytes that a picture file can have.
    #[wasm_bindgen(getter, js_name = maxBytes)]
    pub fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    /// Clears the sheet.
    pub fn clear(&mut self) {
        self.drawing.clear();
    }

    /// Draws a line through points `[x, y, x, y, ...]`, each coordinate a fraction of the sheet's side;
    /// a single point is a dot.
    pub fn draw(&mut self, points: &[f32]) {
        self.drawing.line(points.as_chunks().0);
    }

    /// What the sheet shows. An empty one is blank, however the network takes its pictures.
    ///
    /// # Errors
    /// None: the sheet is a picture.
    #[wasm_bindgen(js_name = classifyDrawing)]
    pub fn classify_drawing(&mut self) -> Result<Answer, Error> {
        if self.drawing.is_empty() {
            return Ok(Answer::default());
        }
        let picture = self.drawing.to_picture()?;
        self.classifier.classify(&picture, Ink::Light)
    }

    /// What a PNG, JPEG or BMP file shows.
    ///
    /// # Errors
    /// A file that is not such a picture, or is damaged or too large.
    #[wasm_bindgen(js_name = classifyFile)]
    pub fn classify_file(&mut self, bytes: &[u8]) -> Result<Answer, Error> {
        let picture = Picture::decode(bytes)?;
        let answer = self.classifier.classify(&picture, Ink::Auto)?;
        Ok(answer.of_picture(picture))
    }

    /// What the pixels of a canvas show, row after row: red, green, blue and opacity. For files in
    /// formats that only the browser reads.
    ///
    /// # Errors
    /// Another number of pixels than the sides say, none, or too many.
    #[wasm_bindgen(js_name = classifyPixels)]
    pub fn classify_pixels(
        &mut self,
        width: usize,
        height: usize,
        rgba: &[u8],
    ) -> Result<Answer, Error> {
        let picture = Picture::new(width, height, rgba.as_chunks().0.to_vec())?;
        let answer = self.classifier.classify(&picture, Ink::Auto)?;
        Ok(answer.of_picture(picture))
    }
}
