//! How a picture becomes the network's image, and which way suits a set of pictures.

use serde::{Deserialize, Serialize};

use crate::{
    Form, Grey, IMAGE_PIXELS, IMAGE_SIDE, Ink, Picture, find_strokes, fit, flatten, image_of,
    light_on_dark, row,
};

/// How a picture becomes the network's image of 28x28 pixels. A network is of use only for pictures
/// that are prepared as those of its training were, so its weights file names the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preparation {
    /// The ink on a ground, brought into MNIST's form: white on black, 20x20 pixels, its centre of
    /// mass in the middle.
    #[default]
    Ink,
    /// The whole picture in grey, reduced or enlarged with its aspect kept. What is missing beside
    /// it has the grey of its border.
    Resize,
    /// 28x28 pixels are taken unchanged, in grey; pictures of another size as `Resize` takes them.
    AsIs,
}

impl Preparation {
    /// The name, as the command line and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ink => "ink",
            Self::Resize => "resize",
            Self::AsIs => "as-is",
        }
    }

    /// What it makes of a picture, in prose.
    pub fn about(self) -> &'static str {
        match self {
            Self::Ink => "the ink on a ground, brought into MNIST's form: white on black",
            Self::Resize => "the whole picture in grey, resized to 28x28 pixels",
            Self::AsIs => "28x28 grey pixels, unchanged",
        }
    }

    /// The way that suits a set of pictures: `Ink` if at least 95 % of them are in MNIST's form
    /// already, or are ink on a ground, where up to half of them may be blank; otherwise `AsIs` if
    /// all have 28x28 pixels, and `Resize` if not. `Ink` for no picture at all.
    pub fn suiting(pictures: impl IntoIterator<Item = Picture>) -> Self {
        let (mut count, mut formed, mut drawn, mut small, mut blank) = (0, 0, 0, 0, 0);
        for picture in pictures {
            count += 1;
            small += usize::from([picture.width(), picture.height()] == [IMAGE_SIDE; 2]);
            match look(&picture) {
                Look::Formed => formed += 1,
                Look::Drawn => drawn += 1,
                Look::Blank => blank += 1,
                Look::Other => {}
            }
        }
        if 100 * (formed + drawn) >= 95 * (count - blank.min(count / 2)) {
            Self::Ink
        } else if small == count {
            Self::AsIs
        } else {
            Self::Resize
        }
    }
}

/// What a picture looks like.
enum Look {
    /// An image of MNIST.
    Formed,
    /// Ink on a ground.
    Drawn,
    /// Nothing.
    Blank,
    Other,
}

/// The most of a picture that ink covers. Drawn digits and letters cover a third at most, clothes
/// and textures a half.
const MAX_INK: f64 = 0.4;

/// The most of a picture's border that ink covers: the ground surrounds a drawing.
const MAX_BORDER_INK: f64 = 0.1;

fn look(picture: &Picture) -> Look {
    let light = light_on_dark(picture, Ink::Auto, &mut |_, _| {});
    if light.as_it_is.is_some() {
        return Look::Formed;
    }
    let strokes = find_strokes(&light);
    let ink = &strokes.ink;
    let share = |pixels: &mut dyn Iterator<Item = u8>| {
        let (mut all, mut inked) = (0, 0);
        for pixel in pixels {
            all += 1;
            inked += usize::from(pixel >= 128);
        }
        inked as f64 / f64::from(all.max(1))
    };
    let grey = light.grey.pixels();
    let [least, most] = [grey.iter().min(), grey.iter().max()].map(|grey| *grey.unwrap_or(&0));
    if strokes.parts.is_empty() && most - least < 64 {
        return Look::Blank;
    }
    let is_drawn = !strokes.parts.is_empty()
        && share(&mut ink.pixels().iter().copied()) <= MAX_INK
        && share(&mut ink.border()) <= MAX_BORDER_INK;
    if is_drawn { Look::Drawn } else { Look::Other }
}

/// Prepares a picture for the network. Only `Ink` finds pictures blank.
pub fn prepare(picture: &Picture, preparation: Preparation, ink: Ink) -> Form {
    prepare_and_count(picture, preparation, ink).0
}

/// [`prepare`], and how many digits stand beside or above one another, which `Ink` alone counts. The
/// image has all of them; [`digits_in_row`](crate::digits_in_row) returns each.
pub fn prepare_and_count(picture: &Picture, preparation: Preparation, ink: Ink) -> (Form, usize) {
    prepare_and_see(picture, preparation, ink, |_, _| {})
}

/// One step of a preparation, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the step does, in a word or two.
    pub name: &'static str,
    /// The picture after it.
    pub picture: Grey,
}

/// The names of the [`Step`]s, in their order.
pub const STEPS: [&str; 6] = ["grey", "light on dark", "ink", "drawing", "20x20", "28x28"];

/// [`prepare`] with the picture after each step. The steps of a blank picture end when it is found to
/// be blank; a picture that is taken as it is has no steps between.
pub fn prepare_by_steps(
    picture: &Picture,
    preparation: Preparation,
    ink: Ink,
) -> (Form, Vec<Step>) {
    let mut steps = Vec::new();
    let (form, _) = prepare_and_see(picture, preparation, ink, |name, picture| {
        let picture = picture.clone();
        steps.push(Step { name, picture });
    });
    (form, steps)
}

fn prepare_and_see(
    picture: &Picture,
    preparation: Preparation,
    ink: Ink,
    mut see: impl FnMut(&'static str, &Grey),
) -> (Form, usize) {
    if preparation != Preparation::Ink {
        let grey = flatten::flatten(picture);
        see("grey", &grey);
        let image = resized(grey, ink);
        see("28x28", &Grey::new(IMAGE_SIDE, IMAGE_SIDE, image.to_vec()));
        return (Form::Digit(image), 1);
    }
    let light = light_on_dark(picture, ink, &mut see);
    if let Some(image) = light.as_it_is {
        see("28x28", &light.grey);
        return (Form::Digit(image), 1);
    }
    let strokes = find_strokes(&light);
    see("ink", &strokes.ink);
    if strokes.parts.is_empty() {
        return (Form::Blank, 0);
    }
    let all: Vec<usize> = (0..strokes.parts.len()).collect();
    let image = image_of(strokes.only(&all), &mut see);
    (Form::Digit(image), row::count(&strokes.parts))
}

/// The whole picture in 28x28 pixels; unchanged if it has as many.
fn resized(mut grey: Grey, ink: Ink) -> [u8; IMAGE_PIXELS] {
    if ink == Ink::Dark {
        grey.invert();
    }
    if let Ok(image) = grey.pixels().try_into()
        && grey.width() == IMAGE_SIDE
    {
        return image;
    }
    let mut border: Vec<u8> = grey.border().collect();
    border.sort_unstable();
    let ground = border.get(border.len() / 2).copied().unwrap_or_default();
    let longest = grey.width().max(grey.height()).max(1);
    let fitted = fit::scaled(&grey.enlarged(IMAGE_SIDE.div_ceil(longest)), IMAGE_SIDE);
    let left = (IMAGE_SIDE - fitted.width()) / 2;
    let top = (IMAGE_SIDE - fitted.height()) / 2;
    let mut image = [ground; IMAGE_PIXELS];
    let (rows, _) = image.as_chunks_mut::<IMAGE_SIDE>();
    for (row, source) in std::iter::zip(rows.iter_mut().skip(top), fitted.rows()) {
        for (pixel, &source) in std::iter::zip(row.iter_mut().skip(left), source) {
            *pixel = source;
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gradient across, so that every column tells where it came from.
    fn gradient(width: usize, height: usize) -> Picture {
        let pixels: Vec<u8> = (0..width * height)
            .map(|at| (255 * (at % width) / (width - 1)) as u8)
            .collect();
        Picture::from_grey(width, height, &pixels).unwrap()
    }

    fn image(picture: &Picture, preparation: Preparation, ink: Ink) -> [u8; IMAGE_PIXELS] {
        match prepare(picture, preparation, ink) {
            Form::Digit(image) => image,
            Form::Blank => panic!("only ink can be missing"),
        }
    }

    #[test]
    fn the_aspect_is_kept_and_the_ground_fills_the_rest() {
        let image = image(&gradient(56, 28), Preparation::Resize, Ink::Auto);
        let row = |y: usize| &image[y * 28..][..28];
        // Seven rows above and below have the median of the border; between, two columns are one.
        assert!(row(6).iter().all(|&pixel| pixel == row(6)[0]));
        assert_eq!([row(7)[0], row(7)[27]], [2, 253]);
        assert_eq!(row(7), row(20));
        assert_eq!(row(21), row(6));
    }

    #[test]
    fn the_same_size_is_unchanged_and_the_negative_is_asked_for() {
        let picture = gradient(28, 28);
        let image_of = |ink| image(&picture, Preparation::AsIs, ink);
        let expected: Vec<u8> = picture.pixels().iter().map(|pixel| pixel[0]).collect();
        assert_eq!(image_of(Ink::Auto)[..], expected);
        assert_eq!(image_of(Ink::Dark)[3], 255 - expected[3]);
        let smaller = gradient(14, 14);
        assert_eq!(
            image(&smaller, Preparation::AsIs, Ink::Auto),
            image(&smaller, Preparation::Resize, Ink::Auto)
        );
    }

    #[test]
    fn drawings_are_ink_and_textures_are_not() {
        let texture = |side: usize| {
            let pixels: Vec<u8> = (0..side * side).map(|at| (37 * at % 251) as u8).collect();
            Picture::from_grey(side, side, &pixels).unwrap()
        };
        let stroke = |side: usize| {
            let is_ink = |at: usize| {
                (side / 3..side / 2).contains(&(at % side)) && (2..side - 2).contains(&(at / side))
            };
            let pixels: Vec<u8> = (0..side * side)
                .map(|at| if is_ink(at) { 30 } else { 220 })
                .collect();
            Picture::from_grey(side, side, &pixels).unwrap()
        };
        let suiting = |pictures: [Picture; 2]| Preparation::suiting(pictures);
        assert_eq!(suiting([stroke(40), stroke(28)]), Preparation::Ink);
        assert_eq!(suiting([texture(28), stroke(28)]), Preparation::AsIs);
        assert_eq!(suiting([texture(28), texture(40)]), Preparation::Resize);
    }
}
