//! Draws a picture through plotters and encodes it as PNG.

use std::fmt::Display;

use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::font::{self, Font};
use super::{Anchor, Colour, Mark, Picture, Text, Weight};
use crate::Error;

/// Pixels of the PNG for each pixel of the layout: crisp on a dense screen and in print.
const SCALE: u32 = 2;

/// plotters does not smooth the edges of its shapes: the picture is drawn this much larger, and each
/// pixel becomes the mean of a square.
const OVERSAMPLING: u32 = 2;

impl Picture {
    /// The picture as a PNG file.
    pub(crate) fn png(&self) -> Result<Vec<u8>, Error> {
        self.encode().map_err(|message| Error::Draw {
            title: self.title.clone(),
            message,
        })
    }

    fn encode(&self) -> Result<Vec<u8>, String> {
        let (width, height) = (
            self.width.ceil() as u32 * SCALE,
            self.height.ceil() as u32 * SCALE,
        );
        let (large_width, large_height) = (width * OVERSAMPLING, height * OVERSAMPLING);
        let mut large = vec![255; 3 * large_width as usize * large_height as usize];
        {
            let backend = BitMapBackend::with_buffer(&mut large, (large_width, large_height));
            let mut pen = Pen { backend };
            for mark in &self.marks {
                pen.draw(mark)?;
            }
            pen.backend.present().map_err(text)?;
        }
        let image = RgbImage::from_raw(width, height, shrink(&large, large_width as usize))
            .ok_or("the buffer is not of the picture's size")?;
        let mut png = Vec::new();
        // Rows of flat colour repeat themselves: filters would only hide that.
        let encoder =
            PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::NoFilter);
        image.write_with_encoder(encoder).map_err(text)?;
        Ok(png)
    }
}

/// Halves width and height.
fn shrink(large: &[u8], large_width: usize) -> Vec<u8> {
    const { assert!(OVERSAMPLING == 2) };
    let stride = 3 * large_width;
    let mut small = Vec::with_capacity(large.len() / 4);
    for rows in large.chunks_exact(2 * stride) {
        let (upper, lower) = rows.split_at(stride);
        for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for channel in 0..3 {
                let left = u16::from(upper[channel]) + u16::from(lower[channel]);
                let right = u16::from(upper[channel + 3]) + u16::from(lower[channel + 3]);
                small.push(((left + right + 2) / 4) as u8);
            }
        }
    }
    small
}

/// plotters' bitmap, with the layout's coordinates.
struct Pen<'a> {
    backend: BitMapBackend<'a>,
}

/// Large pixels for each pixel of the layout.
const FACTOR: f64 = (SCALE * OVERSAMPLING) as f64;

fn pixel(length: f64) -> i32 {
    (length * FACTOR).round() as i32
}

impl Pen<'_> {
    fn draw(&mut self, mark: &Mark) -> Result<(), String> {
        match mark {
            Mark::Rectangle {
                x,
                y,
                width,
                height,
                fill,
                ..
            } => {
                let (left, top) = (pixel(*x), pixel(*y));
                // plotters' bitmap leaves out the last row and column.
                let (right, bottom) = (pixel(x + width), pixel(y + height));
                if right <= left || bottom <= top {
                    return Ok(());
                }
                self.backend
                    .draw_rect((left, top), (right, bottom), &filled(*fill), true)
                    .map_err(text)
            }
            Mark::Polyline {
                points,
                width,
                stroke,
            } => {
                for pair in points.windows(2) {
                    if let [from, to] = pair {
                        self.segment(*from, *to, *width, *stroke)?;
                    }
                }
                // Round joins, as in the SVG.
                for point in points.iter().take(points.len().saturating_sub(1)).skip(1) {
                    self.disc(*point, width / 2.0, *stroke)?;
                }
                Ok(())
            }
            Mark::Disc {
                centre,
                radius,
                fill,
            } => self.disc(*centre, *radius, *fill),
            Mark::Text(content) => self.text(content),
        }
    }

    fn segment(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        width: f64,
        stroke: Colour,
    ) -> Result<(), String> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let half = width / 2.0;
        if dx == 0.0 || dy == 0.0 {
            let (x, y) = (from.0.min(to.0), from.1.min(to.1));
            let (x, w) = if dx == 0.0 {
                (x - half, width)
            } else {
                (x, dx.abs())
            };
            let (y, h) = if dy == 0.0 {
                (y - half, width)
            } else {
                (y, dy.abs())
            };
            return self.draw(&Mark::Rectangle {
                x,
                y,
                width: w,
                height: h,
                fill: stroke,
                hint: None,
            });
        }
        let length = dx.hypot(dy);
        let (nx, ny) = (-dy / length * half, dx / length * half);
        let corner = |(x, y): (f64, f64), sign: f64| (pixel(x + sign * nx), pixel(y + sign * ny));
        let corners = [
            corner(from, 1.0),
            corner(to, 1.0),
            corner(to, -1.0),
            corner(from, -1.0),
        ];
        self.backend
            .fill_polygon(corners, &filled(stroke))
            .map_err(text)
    }

    fn disc(&mut self, (x, y): (f64, f64), radius: f64, fill: Colour) -> Result<(), String> {
        let radius = pixel(radius).max(1) as u32;
        self.backend
            .draw_circle((pixel(x), pixel(y)), radius, &filled(fill), true)
            .map_err(text)
    }

    /// Draws letter by letter: `font` says why.
    fn text(&mut self, content: &Text) -> Result<(), String> {
        font::register();
        let metrics = Font::of(content.weight);
        let em = content.size * FACTOR;
        // Rounded to an even number: plotters puts the baseline half of it below the letter's place.
        let line_height = 2.0 * (em * metrics.line_height / 2.0).round();
        let style = match content.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::SemiBold => FontStyle::Bold,
        };
        let turn = if content.upwards {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let face = (font::FAMILY, line_height, style)
            .into_font()
            .transform(turn.clone());
        let colour = rgb(content.fill);
        let face = TextStyle::from(face).color(&colour);

        let width = font::text_width(&content.content, em, content.weight);
        let mut pen = match content.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let above = -(line_height / 2.0) as i32;
        for letter in content.content.chars() {
            let metrics = metrics.letter(letter);
            let along = (pen + (metrics.left_bearing * em)).floor() as i32;
            let (dx, dy) = turn.transform(along, above);
            let place = (pixel(content.at.0) + dx, pixel(content.at.1) + dy);
            let mut buffer = [0; 4];
            let letter = letter.encode_utf8(&mut buffer);
            self.backend.draw_text(letter, &face, place).map_err(text)?;
            pen += metrics.advance * em;
        }
        Ok(())
    }
}

fn rgb(colour: Colour) -> RGBColor {
    RGBColor(colour.0, colour.1, colour.2)
}

fn filled(colour: Colour) -> ShapeStyle {
    rgb(colour).filled()
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_the_mean_of_its_square() {
        // Two by two large pixels a row: white over black on the left, all of one colour right.
        let large = [
            [255, 255, 255, 255, 255, 255, 10, 20, 30, 10, 20, 30],
            [0, 0, 0, 0, 0, 0, 10, 20, 30, 10, 20, 30],
        ]
        .concat();
        assert_eq!(shrink(&large, 4), [128, 128, 128, 10, 20, 30]);
    }

    #[test]
    fn shapes_land_where_the_layout_says() {
        let mut picture = Picture::new(20.0, 10.0, "shapes");
        picture.rectangle(2.0, 3.0, 4.0, 5.0, Colour::BLUE);
        let image = image::load_from_memory(&picture.png().unwrap())
            .unwrap()
            .to_rgb8();
        assert_eq!(image.dimensions(), (40, 20));
        let blue = image
            .enumerate_pixels()
            .filter(|(_, _, p)| p.0 == [0, 114, 178]);
        let (count, left, bottom) = blue.fold((0, 99, 0), |(count, left, bottom), (x, y, _)| {
            (count + 1, left.min(x), bottom.max(y))
        });
        assert_eq!((count, left, bottom), (8 * 10, 4, 15));
    }

    #[test]
    fn letters_that_the_font_lacks_and_control_characters_are_drawn_as_boxes() {
        let ink = |content: &str| {
            let mut picture = Picture::new(60.0, 30.0, "text");
            picture.text((30.0, 20.0), 14.0, Anchor::Middle, content);
            let image = image::load_from_memory(&picture.png().unwrap())
                .unwrap()
                .to_rgb8();
            image.pixels().filter(|p| p.0[0] < 128).count()
        };
        assert_eq!(ink(" "), 0);
        assert!(ink("漢\u{0}🙂") > 100);
        assert!(ink("ab") > 20);
    }

    #[test]
    fn a_text_that_reads_upwards_is_a_turned_one() {
        let bounds = |upwards: bool| {
            let mut picture = Picture::new(80.0, 80.0, "text");
            picture
                .text((40.0, 40.0), 14.0, Anchor::Start, "Loss")
                .upwards = upwards;
            let image = image::load_from_memory(&picture.png().unwrap())
                .unwrap()
                .to_rgb8();
            let dark = image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 200);
            dark.fold((999, 999, 0, 0), |(l, t, r, b), (x, y, _)| {
                (x.min(l), y.min(t), x.max(r), y.max(b))
            })
        };
        let (left, top, right, bottom) = bounds(false);
        let (up_left, up_top, up_right, up_bottom) = bounds(true);
        assert!(
            left >= 80 && bottom <= 82 && top < 80,
            "{left} {top} {bottom}"
        );
        assert!(
            up_bottom <= 80 && up_right <= 82 && up_left < 80,
            "{up_left} {up_right}"
        );
        assert!((right - left).abs_diff(up_bottom - up_top) <= 2);
    }
}
