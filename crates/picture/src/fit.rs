//! A drawing becomes 28x28 pixels as MNIST's were made.

use crate::Grey;
use crate::strokes::enclosing;
use crate::{IMAGE_PIXELS, IMAGE_SIDE};

/// MNIST's digits were fitted into a box of 20x20 pixels, keeping their aspect ratio, and their
/// centre of mass was put into the middle of 28x28: <http://yann.lecun.com/exdb/mnist/>.
pub(super) const BOX: usize = 20;

/// Where MNIST's centres of mass are: of its 70,000 images, all lie between 13.98 and 15, and their
/// mean is 14.50, in columns and rows alike. So the middle is that of pixel 14, half a pixel to the
/// right of and below the middle of the image.
pub(super) const MIDDLE: f64 = 14.5;

/// Strokes thinner than this in the box, in pixels, are thickened to it.
const THINNEST: f64 = 1.8;

/// Drawings smaller than this are first enlarged with straight lines between their pixels, so that
/// these do not show as squares.
const COARSE: usize = 2 * BOX;

/// Longest side of the picture that strokes are thickened in: four pixels for each of the box.
const FINE: usize = 4 * BOX;

/// Thickens the strokes of a drawing, cut to its bounds, if they would almost vanish in the box: a
/// fine line on a large page has not a tenth of a pixel there.
pub(super) fn thickened(drawing: &Grey) -> Option<Grey> {
    let longest = drawing.width().max(drawing.height()) as f64;
    if stroke_width(drawing) / longest * BOX as f64 >= THINNEST {
        return None;
    }
    let mut fine = drawing.at_most(FINE);
    stretch(&mut fine);
    let longest = fine.width().max(fine.height()) as f64;
    let missing = THINNEST / BOX as f64 * longest - stroke_width(&fine);
    Some(dilated(&fine, missing / 2.))
}

/// The mean width of the strokes: a stroke of length l and width w has the area w l, and an outline
/// of 2 l; counted along the pixels' sides it is longer by 4 / pi, averaged over all directions.
fn stroke_width(drawing: &Grey) -> f64 {
    let is_ink = |x: usize, y: usize| drawing.at(x, y) >= 128;
    let (mut area, mut sides) = (0., 0_u32);
    for (x, y, pixel) in drawing.places() {
        area += f64::from(pixel) / 255.;
        if is_ink(x, y) {
            let (left, above) = (x.wrapping_sub(1), y.wrapping_sub(1));
            for (x, y) in [(left, y), (x + 1, y), (x, above), (x, y + 1)] {
                sides += u32::from(y >= drawing.height() || !is_ink(x, y));
            }
        }
    }
    if sides == 0 {
        return 0.;
    }
    2. * area / (f64::from(sides) * std::f64::consts::FRAC_PI_4)
}

/// Each pixel becomes the lightest within the radius. The drawing grows by the radius on each side.
fn dilated(drawing: &Grey, radius: f64) -> Grey {
    let reach = radius.round().max(0.) as usize;
    let squared = (radius * radius).max(reach as f64 * reach as f64) as usize;
    let (width, height) = (drawing.width() + 2 * reach, drawing.height() + 2 * reach);
    let mut large = Grey::new(width, height, Vec::new());
    let disc: Vec<(usize, usize)> = (0..=2 * reach)
        .flat_map(|y| (0..=2 * reach).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            let (x, y) = (x.abs_diff(reach), y.abs_diff(reach));
            x * x + y * y <= squared
        })
        .collect();
    for (x, y, pixel) in drawing.places().filter(|&(_, _, pixel)| pixel > 0) {
        for &(dx, dy) in &disc {
            let at = (y + dy) * width + x + dx;
            if let Some(grown) = large.pixels_mut().get_mut(at) {
                *grown = pixel.max(*grown);
            }
        }
    }
    large
}

/// Makes the lightest pixel white.
fn stretch(drawing: &mut Grey) {
    let most = drawing.pixels().iter().copied().max().unwrap_or_default();
    if most > 0 {
        for pixel in drawing.pixels_mut() {
            *pixel = ((u32::from(*pixel) * 255 + u32::from(most) / 2) / u32::from(most)) as u8;
        }
    }
}

/// Fits a drawing, cut to its bounds, into the box: its longer side is 20 pixels, each of them the
/// mean of the area that it covers, and the lightest is white.
pub(super) fn boxed(drawing: &Grey) -> Grey {
    let longest = drawing.width().max(drawing.height()).max(1);
    let mut fitted = scaled(&drawing.enlarged(COARSE.div_ceil(longest)), BOX);
    stretch(&mut fitted);
    fitted
}

/// The picture with a longer side of `side` pixels, each of them the mean of the area that it covers.
pub(super) fn scaled(picture: &Grey, side: usize) -> Grey {
    let scale = side as f64 / picture.width().max(picture.height()).max(1) as f64;
    let across = Covers::new(picture.width(), scale, side);
    let down = Covers::new(picture.height(), scale, side);
    let rows: Vec<Vec<f64>> = picture.rows().map(|row| across.mean(row)).collect();
    let mut sums = vec![vec![0.; across.cells()]; down.cells()];
    for (cell, sums) in sums.iter_mut().enumerate() {
        for (index, weight) in down.of(cell) {
            let row = rows.get(index).map(Vec::as_slice).unwrap_or_default();
            for (sum, value) in std::iter::zip(sums.iter_mut(), row) {
                *sum += weight * value;
            }
        }
    }
    let pixels = sums.into_iter().flatten().map(|sum: f64| sum.round() as u8);
    Grey::new(across.cells(), down.cells(), pixels.collect())
}

/// Which pixels of a line each cell covers, and how much of the cell each of them takes. The last
/// cell may reach beyond the line: the first starts with it whatever its length is, for in the middle
/// of the cells, two lines of nearly the same length would stand half a cell apart.
struct Covers {
    length: usize,
    scale: f64,
    cells: usize,
}

impl Covers {
    fn new(length: usize, scale: f64, most: usize) -> Self {
        let scaled = length as f64 * scale;
        // A length of `most` may come out as a little more.
        let cells = ((scaled - 1e-6).ceil() as usize).clamp(1, most);
        Self {
            length,
            scale,
            cells,
        }
    }

    fn cells(&self) -> usize {
        self.cells
    }

    fn of(&self, cell: usize) -> impl Iterator<Item = (usize, f64)> {
        let edge = |cell: usize| (cell as f64 / self.scale).min(self.length as f64);
        let (from, to) = (edge(cell), edge(cell + 1));
        (from as usize..to.ceil() as usize).map(move |index| {
            let covered = to.min(index as f64 + 1.) - from.max(index as f64);
            (index, covered * self.scale)
        })
    }

    fn mean(&self, line: &[u8]) -> Vec<f64> {
        let value = |index: usize| line.get(index).copied().map_or(0., f64::from);
        let cells = 0..self.cells;
        cells
            .map(|cell| self.of(cell).map(|(index, part)| part * value(index)).sum())
            .collect()
    }
}

/// Puts a drawing of at most 20x20 pixels into 28x28, its centre of mass as close to [`MIDDLE`] as
/// whole pixels allow, and no pixel outside.
pub(super) fn centred(fitted: &Grey) -> [u8; IMAGE_PIXELS] {
    let (x, y) = centre_of_mass(fitted);
    let place = |centre: f64, length: usize| {
        let room = IMAGE_SIDE - length.min(IMAGE_SIDE);
        (MIDDLE - centre).round().clamp(0., room as f64) as usize
    };
    let (left, top) = (place(x, fitted.width()), place(y, fitted.height()));
    let mut image = [0; IMAGE_PIXELS];
    let (rows, _) = image.as_chunks_mut::<IMAGE_SIDE>();
    for (row, source) in std::iter::zip(rows.iter_mut().skip(top), fitted.rows()) {
        for (pixel, &source) in std::iter::zip(row.iter_mut().skip(left), source) {
            *pixel = source;
        }
    }
    image
}

/// Whether an image is as [`boxed`] and [`centred`] make them, which all of MNIST's are: black around
/// a drawing whose longer side is 20 pixels, or 19, whose lightest pixel is almost white, and whose
/// centre of mass is where whole pixels can put it.
pub(super) fn is_mnist_form(image: &Grey) -> bool {
    let drawn = || image.places().filter(|&(_, _, pixel)| pixel > 0);
    let extent =
        |ranges: &mut dyn Iterator<Item = usize>| enclosing(ranges.map(|at| at..at + 1)).len();
    let columns = extent(&mut drawn().map(|(x, _, _)| x));
    let rows = extent(&mut drawn().map(|(_, y, _)| y));
    let lightest = image.pixels().iter().copied().max();
    let (x, y) = centre_of_mass(image);
    let is_middle = |centre: f64| (centre - MIDDLE).abs() < 0.55;
    [image.width(), image.height()] == [IMAGE_SIDE; 2]
        && [BOX - 1, BOX].contains(&columns.max(rows))
        && lightest >= Some(240)
        && is_middle(x)
        && is_middle(y)
}

/// The centre of mass; the middle of the first pixel is (0.5, 0.5). That of a black picture is its
/// own middle.
pub(super) fn centre_of_mass(picture: &Grey) -> (f64, f64) {
    let (mut x_sum, mut y_sum, mut mass) = (0., 0., 0.);
    for (x, y, pixel) in picture.places() {
        let pixel = f64::from(pixel);
        x_sum += pixel * (x as f64 + 0.5);
        y_sum += pixel * (y as f64 + 0.5);
        mass += pixel;
    }
    if mass == 0. {
        return (picture.width() as f64 / 2., picture.height() as f64 / 2.);
    }
    (x_sum / mass, y_sum / mass)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white(width: usize, height: usize) -> Grey {
        Grey::new(width, height, vec![255; width * height])
    }

    #[test]
    fn a_cell_is_the_mean_of_what_it_covers() {
        // Three pixels on two cells: each covers one and a half, the middle one in halves.
        let covers = Covers::new(3, 2. / 3., BOX);
        let cells = covers.mean(&[0, 30, 60]);
        assert_eq!(covers.cells(), 2);
        assert!((cells[0] - 10.).abs() < 1e-9 && (cells[1] - 50.).abs() < 1e-9);
        // Five pixels on two and a half cells.
        let cells = Covers::new(5, 0.5, BOX).mean(&[100; 5]);
        for (found, expected) in std::iter::zip(cells, [100., 100., 50.]) {
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
    }

    #[test]
    fn the_longer_side_is_20_and_the_aspect_kept() {
        for (width, height, expected) in [
            (40, 40, (20, 20)),
            (100, 50, (20, 10)),
            (7, 70, (2, 20)),
            (5, 3, (20, 12)),
            (1, 1, (20, 20)),
            (1, 1000, (1, 20)),
        ] {
            let fitted = boxed(&white(width, height));
            assert_eq!((fitted.width(), fitted.height()), expected);
            assert!(fitted.pixels().iter().all(|&pixel| pixel == 255));
        }
    }

    #[test]
    fn edges_are_soft_and_the_lightest_is_white() {
        // Columns of 80, 160, 80 ... in cells of two: all are 120, and so white.
        let columns = (0..40 * 40).map(|at| if at % 2 == 0 { 80 } else { 160 });
        let fitted = boxed(&Grey::new(40, 40, columns.collect()));
        assert!(fitted.pixels().iter().all(|&pixel| pixel == 255));
        // The left one and a half cells are white, the rest is black.
        let rows = (0..40 * 40).map(|at| if at % 40 < 3 { 200 } else { 0 });
        let fitted = boxed(&Grey::new(40, 40, rows.collect()));
        assert_eq!(fitted.rows().next().unwrap()[..4], [255, 128, 0, 0]);
    }

    #[test]
    fn the_centre_of_mass_is_that_of_mnist() {
        // Two by two pixels: their centre, a corner of pixels, can be half a pixel off.
        let image = centred(&white(2, 2));
        let lit: Vec<usize> = (0..IMAGE_PIXELS).filter(|&at| image[at] > 0).collect();
        assert_eq!(
            lit,
            [14 * 28 + 14, 14 * 28 + 15, 15 * 28 + 14, 15 * 28 + 15]
        );
        let image = centred(&white(3, 3));
        assert_eq!((image[13 * 28 + 13], image[15 * 28 + 15]), (255, 255));
        // A weight at one end: nothing leaves the image.
        let mut heavy = Grey::new(20, 20, vec![0; 400]);
        heavy.pixels_mut()[..2].fill(255);
        heavy.pixels_mut()[399] = 9;
        let image = centred(&heavy);
        assert_eq!((image[8 * 28 + 8], image[27 * 28 + 27]), (255, 9));
    }

    #[test]
    fn fine_strokes_are_thickened_and_others_not() {
        let bar = |thick: usize| {
            let pixels = (0..200 * 200).map(|at| {
                if at % 200 < thick || at / 200 < thick {
                    255
                } else {
                    0
                }
            });
            Grey::new(200, 200, pixels.collect())
        };
        assert!(thickened(&bar(20)).is_none());
        let thick = thickened(&bar(2)).unwrap();
        let width = stroke_width(&thick) / thick.width() as f64 * BOX as f64;
        assert!((1.4..2.6).contains(&width), "{width}");
        // Without it, a line of a fifth of a pixel would be as thin as its pixel.
        let light = |drawing: &Grey| {
            let fitted = boxed(drawing);
            fitted
                .pixels()
                .iter()
                .map(|&pixel| u32::from(pixel))
                .sum::<u32>()
        };
        assert!(light(&thick) > 3 * light(&bar(2)) / 2);
    }

    #[test]
    fn what_was_fitted_is_in_form_and_what_was_moved_is_not() {
        let form = |image: [u8; IMAGE_PIXELS]| is_mnist_form(&Grey::new(28, 28, image.to_vec()));
        let image = centred(&boxed(&white(30, 40)));
        assert!(form(image));
        let mut moved = image;
        moved.rotate_right(1);
        assert!(!form(moved));
        let mut grey = image;
        grey.iter_mut().for_each(|pixel| *pixel /= 2);
        assert!(!form(grey));
        let mut noisy = image;
        noisy[0] = 1;
        assert!(!form(noisy));
        assert!(!form([0; IMAGE_PIXELS]));
    }
}
