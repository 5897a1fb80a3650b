//! Draws a picture with tiny-skia, its letters with the outlines of the embedded font, and encodes
//! pixels as PNG.

use std::sync::LazyLock;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use lenet_files::{Error, Result};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::colour::Colour;
use crate::picture::{Anchor, DASHES, Mark, Picture, Text, Weight};

/// Pixels of the PNG for each pixel of the layout: crisp on a dense screen and in print.
const SCALE: f32 = 2.0;

/// How much wider than the embedded font the one of an SVG viewer may be.
const VIEWER_WIDTH: f64 = 1.08;

impl Picture {
    /// The picture as a PNG file, two pixels for each pixel of the SVG.
    ///
    /// # Errors
    /// [`Kind::Internal`](lenet_files::Kind::Internal) if there is no memory for so large a picture.
    pub fn png(&self) -> Result<Vec<u8>> {
        let [width, height] =
            [self.width, self.height].map(|length| (length.ceil() as f32 * SCALE) as u32);
        let mut pixmap = Pixmap::new(width, height).ok_or_else(|| {
            let title = &self.title;
            Error::internal(format!(
                "cannot draw {title:?} in {width} x {height} pixels"
            ))
        })?;
        let scale = Transform::from_scale(SCALE, SCALE);
        draw(&mut pixmap, &self.marks, scale);
        // The paper covers all of it, so that no pixel is transparent.
        let pixels = pixmap.data().chunks_exact(4);
        let rgb: Vec<u8> = pixels.flat_map(|rgba| &rgba[..3]).copied().collect();
        encode(&rgb, [width, height], ExtendedColorType::Rgb8)
    }
}

/// Pixels as a PNG file.
pub(crate) fn encode(
    pixels: &[u8],
    [width, height]: [u32; 2],
    kind: ExtendedColorType,
) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    // Rows of flat colour repeat themselves: filters would only hide that.
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::NoFilter)
        .write_image(pixels, width, height, kind)
        .map_err(|error| Error::internal("cannot encode a picture").caused_by(error))?;
    Ok(png)
}

/// How wide a text is where it is laid out; a viewer of the SVG may use a wider font.
pub(crate) fn text_width(text: &str, size: f64, weight: Weight) -> f64 {
    width(text, size, weight) * VIEWER_WIDTH
}

fn draw(pixmap: &mut Pixmap, marks: &[Mark], transform: Transform) {
    for mark in marks {
        match mark {
            Mark::Rectangle((x, y), (width, height), fill, _) => {
                let [x, y, width, height] = [x, y, width, height].map(|length| *length as f32);
                let rectangle = Rect::from_xywh(x, y, width, height)
                    .and_then(|rectangle| rectangle.transform(transform));
                if let Some(rectangle) = rectangle {
                    pixmap.fill_rect(rectangle, &paint(*fill), Transform::identity(), None);
                }
            }
            Mark::Polyline(points, width, stroke, dashed) => {
                let mut path = PathBuilder::new();
                for (index, (x, y)) in points.iter().enumerate() {
                    match index {
                        0 => path.move_to(*x as f32, *y as f32),
                        _ => path.line_to(*x as f32, *y as f32),
                    }
                }
                let dash = dashed.then(|| StrokeDash::new(DASHES.to_vec(), 0.0));
                let pen = Stroke {
                    width: *width as f32,
                    line_join: tiny_skia::LineJoin::Round,
                    dash: dash.flatten(),
                    ..Stroke::default()
                };
                if let Some(path) = path.finish() {
                    pixmap.stroke_path(&path, &paint(*stroke), &pen, transform, None);
                }
            }
            Mark::Disc((x, y), radius, fill) => {
                let disc = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
                fill_path(pixmap, disc, *fill, transform);
            }
            Mark::Text(text) => draw_text(pixmap, text, transform),
            Mark::Group((x, y), marks) => {
                draw(pixmap, marks, transform.pre_translate(*x as f32, *y as f32));
            }
        }
    }
}

fn fill_path(pixmap: &mut Pixmap, path: Option<Path>, fill: Colour, transform: Transform) {
    if let Some(path) = path {
        pixmap.fill_path(&path, &paint(fill), FillRule::Winding, transform, None);
    }
}

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
    paint
}

/// Fills the outlines of all letters at once.
fn draw_text(pixmap: &mut Pixmap, text: &Text, transform: Transform) {
    let total = width(&text.content, text.size, text.weight);
    let before = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => total / 2.0,
        Anchor::End => total,
    };
    let mut outline = Outline {
        path: PathBuilder::new(),
        x: -before as f32,
        scale: 0.0,
    };
    if let Some(face) = face(text.weight) {
        outline.scale = text.size as f32 / f32::from(face.units_per_em());
        for letter in text.content.chars() {
            let glyph = glyph(face, letter);
            face.outline_glyph(glyph, &mut outline);
            outline.x += advance(face, glyph) as f32 * text.size as f32;
        }
    }
    let mut transform = transform.pre_translate(text.at.0 as f32, text.at.1 as f32);
    if text.upwards {
        transform = transform.pre_concat(Transform::from_rotate(-90.0));
    }
    fill_path(pixmap, outline.path.finish(), text.fill, transform);
}

fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let advances = face(weight).map(|face| {
        let glyphs = text.chars().map(|letter| glyph(face, letter));
        glyphs.map(|glyph| advance(face, glyph)).sum::<f64>()
    });
    advances.unwrap_or(0.0) * size
}

/// The embedded files are fonts, as the tests see.
fn face(weight: Weight) -> Option<&'static Face<'static>> {
    static FACES: LazyLock<[Option<Face<'_>>; 2]> = LazyLock::new(|| {
        let files: [&[u8]; 2] = [
            include_bytes!("../fonts/inter-latin-regular.otf"),
            include_bytes!("../fonts/inter-latin-semibold.otf"),
        ];
        files.map(|file| Face::parse(file, 0).ok())
    });
    let [regular, semi_bold] = &*FACES;
    match weight {
        Weight::Regular => regular.as_ref(),
        Weight::SemiBold => semi_bold.as_ref(),
    }
}

/// The glyph of a letter; of one that the font lacks, the empty box.
fn glyph(face: &Face<'_>, letter: char) -> GlyphId {
    face.glyph_index(letter).unwrap_or_default()
}

/// From a letter's origin to the next one's, in ems.
fn advance(face: &Face<'_>, glyph: GlyphId) -> f64 {
    let units = face.glyph_hor_advance(glyph).unwrap_or_default();
    f64::from(units) / f64::from(face.units_per_em())
}

/// Takes the outlines of letters, whose y points up, into one path whose y points down.
struct Outline {
    path: PathBuilder,
    /// The origin of the letter.
    x: f32,
    scale: f32,
}

impl Outline {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_those_that_fonttools_reads() {
        // `TTFont(...)["hmtx"]` of the glyphs that `getBestCmap()` names.
        let units = |letter: &str| (width(letter, 2816.0, Weight::Regular)).round();
        assert_eq!(["A", "l", "→"].map(units), [1904.0, 668.0, 2688.0]);
        assert_eq!(units("漢"), units("\u{10ffff}"));
        let [light, heavy] =
            [Weight::Regular, Weight::SemiBold].map(|weight| width("MNIST", 10.0, weight));
        assert!(0.0 < light && light < heavy);
    }
}
