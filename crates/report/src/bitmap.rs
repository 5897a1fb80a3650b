//! Small pictures within the page: PNG files as data URIs, whose pixels the style shows as squares.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ExtendedColorType;
use lenet_files::Result;
use lenet_run::{IMAGE_SIDE, Maps, Pixels};

use crate::colour::Colour;
use crate::png::encode;

/// From negative to positive, through a middle that is neither.
pub(crate) const DIVERGING: [Colour; 3] = [Colour::VERMILION, Colour(247, 247, 247), Colour::BLUE];
/// From nothing to much, as images are.
pub(crate) const SEQUENTIAL: [Colour; 3] = [
    Colour(0, 0, 0),
    Colour(128, 128, 128),
    Colour(255, 255, 255),
];

/// White on black, as the network sees an image.
pub(crate) fn image(pixels: &Pixels) -> Result<String> {
    let side = IMAGE_SIDE as u32;
    data_uri(&encode(&pixels.0, [side, side], ExtendedColorType::L8)?)
}

/// The scale of the maps of a layer: all share it.
pub(crate) struct Scale {
    /// The largest distance from zero; never zero, because values are divided by it.
    pub(crate) largest: f64,
    pub(crate) is_signed: bool,
}

impl Scale {
    pub(crate) fn of(maps: &Maps) -> Self {
        let values = || maps.maps.iter().flatten().map(|value| f64::from(*value));
        let largest = values().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        Self {
            largest: if largest > 0.0 { largest } else { 1.0 },
            is_signed: values().any(|value| value < 0.0),
        }
    }

    pub(crate) fn stops(&self) -> [Colour; 3] {
        if self.is_signed {
            DIVERGING
        } else {
            SEQUENTIAL
        }
    }

    /// The colour of a value; of NaN that of zero.
    pub(crate) fn colour(&self, value: f64) -> Colour {
        let share = if value.is_nan() { 0.0 } else { value };
        let share = share / self.largest;
        let signed = 0.5 + 0.5 * share;
        Colour::ramp(self.stops(), if self.is_signed { signed } else { share })
    }
}

/// Each map of a layer.
pub(crate) fn map_images(maps: &Maps) -> Result<Vec<String>> {
    let scale = Scale::of(maps);
    let size = [maps.width as u32, maps.height as u32];
    let images = maps.maps.iter().map(|map| {
        let colours = map.iter().map(|value| scale.colour(f64::from(*value)));
        let rgb: Vec<u8> = colours.flat_map(|Colour(r, g, b)| [r, g, b]).collect();
        data_uri(&encode(&rgb, size, ExtendedColorType::Rgb8)?)
    });
    images.collect()
}

fn data_uri(png: &[u8]) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}
