//! Pictures as people have them become the network's images: 28x28 grey pixels. A [`Preparation`] says
//! how; a network needs the one that the images of its training had. By `Ink`, a photo, a scan or a
//! drawing of a digit gets MNIST's form, white on black, of the size and place of MNIST's digits:
//!
//! | step | made by | what |
//! |---|---|---|
//! | a file's bytes | [`Picture::decode`] | PNG, JPEG or BMP, upright, colours and transparency |
//! | grey | `flatten` | composited on the background that the border suggests; luma |
//! | light on dark | `sheet`, `paper` | the sheet without desk and frame; the negative if the border is lighter than the ink |
//! | ink | `paper`, `strokes`, `rules` | without the shading and grain of the paper, without specks, boxes and ruled lines |
//! | a drawing | `fit` | cut to its bounds; thin strokes thickened |
//! | 20x20 | `fit` | in this box, aspect kept, area by area |
//! | 28x28 | `fit` | centre of mass in the middle |
//!
//! A picture that is in MNIST's form already, up to its polarity, is taken as it is, so that every
//! image of MNIST comes out unchanged. It is recognised by the properties that the last steps produce
//! and that all of MNIST's 70,000 images have: 28x28 pixels, black around a drawing whose longer side is 20 pixels
//! (or 19), whose lightest pixel is at least 240, and whose centre of mass is within 0.55 pixels of
//! the middle of pixel (14, 14), in columns and rows.
//!
//! ```
//! use lenet_picture::{Form, Ink, Picture, Preparation, prepare};
//!
//! // A stroke of ink, 6 x 60 pixels, in a corner of grey paper.
//! let is_ink = |x: usize, y: usize| (10..16).contains(&x) && (5..65).contains(&y);
//! let pixels = (0..100 * 80).map(|at| {
//!     if is_ink(at % 100, at / 100) { [40, 40, 60, 255] } else { [190, 190, 180, 255] }
//! });
//! let picture = Picture::new(100, 80, pixels.collect())?;
//! let Form::Digit(image) = prepare(&picture, Preparation::Ink, Ink::Auto) else {
//!     panic!("something is drawn");
//! };
//! // Twenty rows of two white pixels, in the middle.
//! assert_eq!(image.iter().filter(|&&pixel| pixel == 255).count(), 40);
//! assert_eq!(image[14 * 28 + 14], 255);
//! # Ok::<(), lenet_picture::Error>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
// Sizes come from files: an index out of range must be an error message, never a panic.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod decode;
mod fit;
mod flatten;
mod grey;
mod normalization;
mod paper;
mod preparation;
mod row;
mod rules;
mod sheet;
mod strokes;

pub use decode::{MAX_BYTES, begins_picture, decoded_bytes, is_picture};
pub use grey::Grey;
pub use lenet_files::{Error, Result};
pub use normalization::Normalization;
pub use preparation::{Preparation, STEPS, Step, prepare, prepare_and_count, prepare_by_steps};
pub use row::{InRow, digits_in_row};

use lenet_files::Kind;
use strokes::Strokes;

/// Rows and columns of every image: 28 pixels, as in MNIST.
pub const IMAGE_SIDE: usize = 28;

/// Pixels of every image: 784.
pub const IMAGE_PIXELS: usize = IMAGE_SIDE * IMAGE_SIDE;

/// The most pixels that a side of a picture may have.
pub const MAX_SIDE: usize = 4096;

/// Longest side that the steps work on: larger pictures are averaged down to it first, which removes
/// the grain of a photo and leaves 20 pixels to a digit that fills a fortieth of it.
const WORKING_SIDE: usize = 1024;

/// A picture in colour, upright, as a decoder or a canvas returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Four bytes a pixel.
    bytes: Vec<u8>,
}

impl Picture {
    /// A picture of pixels, row after row: red, green, blue and opacity, not premultiplied.
    ///
    /// # Errors
    /// No pixels, sides of more than [`MAX_SIDE`], or a number of pixels that does not fit the sides.
    pub fn new(width: usize, height: usize, pixels: Vec<[u8; 4]>) -> Result<Self> {
        Self::from_bytes(width, height, pixels.into_flattened())
    }

    fn from_bytes(width: usize, height: usize, bytes: Vec<u8>) -> Result<Self> {
        check_sides(width, height)?;
        if bytes.len() != 4 * width * height {
            let count = bytes.len() / 4;
            return Err(unreadable(format!(
                "{width}x{height} pixels, but there are {count}"
            )));
        }
        Ok(Self {
            width,
            height,
            bytes,
        })
    }

    /// A grey picture, row after row, 0 is black.
    ///
    /// # Errors
    /// Those of [`Picture::new`].
    pub fn from_grey(width: usize, height: usize, pixels: &[u8]) -> Result<Self> {
        let pixels = pixels.iter().map(|&grey| [grey, grey, grey, 255]);
        Self::new(width, height, pixels.collect())
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row after row.
    pub fn pixels(&self) -> &[[u8; 4]] {
        self.bytes.as_chunks().0
    }
}

fn check_sides(width: usize, height: usize) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(unreadable(format!("{width}x{height} pixels")));
    }
    if width.max(height) > MAX_SIDE {
        let message =
            format!("a picture of {width}x{height} pixels; no side may have more than {MAX_SIDE}");
        return Err(Error::new(Kind::PictureTooLarge, message));
    }
    Ok(())
}

fn unreadable(reason: impl std::fmt::Display) -> Error {
    Error::input(format!("not a picture that can be read: {reason}"))
}

/// Whether the ink is darker than its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ink {
    /// The border decides: it shows the background.
    #[default]
    Auto,
    /// Ink on paper.
    Dark,
    /// Chalk on a board; MNIST.
    Light,
}

/// What a picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "784 bytes, until they are classified"
)]
pub enum Form {
    /// An image for the network: 28x28 pixels, white on black.
    Digit([u8; IMAGE_PIXELS]),
    /// Nothing is drawn.
    Blank,
}

/// Light ink on a dark background.
struct LightOnDark {
    grey: Grey,
    /// Whether it is the negative of dark ink on a light background.
    is_negative: bool,
    /// The column and row that it begins at, of a sheet on a desk.
    origin: [usize; 2],
    /// The image, if the picture is in MNIST's form.
    as_it_is: Option<[u8; IMAGE_PIXELS]>,
}

/// The first steps: grey, the sheet that the drawing is on, and the negative if the ink is dark.
fn light_on_dark(
    picture: &Picture,
    ink: Ink,
    see: &mut impl FnMut(&'static str, &Grey),
) -> LightOnDark {
    let grey = flatten::flatten(picture).at_most(WORKING_SIDE);
    see("grey", &grey);
    let mut light = lightened(grey, ink, [0, 0]);
    if light.as_it_is.is_none()
        && let Some((mut sheet, origin)) = sheet::sheet(&light.grey)
    {
        if light.is_negative {
            sheet.invert();
        }
        light = lightened(sheet, ink, origin);
    }
    see("light on dark", &light.grey);
    light
}

fn lightened(mut grey: Grey, ink: Ink, origin: [usize; 2]) -> LightOnDark {
    let is_negative = match ink {
        Ink::Auto => paper::is_dark_on_light(&grey),
        Ink::Dark => true,
        Ink::Light => false,
    };
    if is_negative {
        grey.invert();
    }
    LightOnDark {
        as_it_is: as_it_is(&grey),
        grey,
        is_negative,
        origin,
    }
}

fn find_strokes(light: &LightOnDark) -> Strokes {
    let ink = paper::ink(&light.grey, light.is_negative);
    strokes::strokes(&ink, light.grey.width())
}

/// The last steps, for a drawing cut to its bounds.
fn image_of(drawing: Grey, see: &mut impl FnMut(&'static str, &Grey)) -> [u8; IMAGE_PIXELS] {
    let drawing = fit::thickened(&drawing).unwrap_or(drawing);
    see("drawing", &drawing);
    let fitted = fit::boxed(&drawing);
    see("20x20", &fitted);
    let image = fit::centred(&fitted);
    see("28x28", &Grey::new(IMAGE_SIDE, IMAGE_SIDE, image.to_vec()));
    image
}

/// The image of a grey picture that is in MNIST's form.
fn as_it_is(light: &Grey) -> Option<[u8; IMAGE_PIXELS]> {
    let image = light.pixels().try_into().ok()?;
    fit::is_mnist_form(light).then_some(image)
}
