//! Polarity, and the ground that the ink stands on.

use crate::Grey;
use crate::grey::enlarged;

/// Longest side of the picture by which polarity and ground are judged: its pixels average the
/// grain of a photo away.
const COARSE: usize = 128;

/// Whether the picture is dark ink on a light background.
///
/// The median of the border is the background, and the pixels that differ most from it are ink, so
/// that a dim photo whose paper is darker than middle grey is recognised too. In a blank picture, the
/// brighter half of greys counts as paper.
pub(super) fn is_dark_on_light(picture: &Grey) -> bool {
    let coarse = picture.at_most(COARSE);
    let mut border: Vec<u8> = coarse.border().collect();
    border.sort_unstable();
    let ground = border.get(border.len() / 2).copied().unwrap_or_default();
    let darkest = coarse.pixels().iter().copied().min().unwrap_or_default();
    let lightest = coarse.pixels().iter().copied().max().unwrap_or_default();
    let (dark, light) = (ground - darkest.min(ground), lightest.max(ground) - ground);
    if dark == light {
        ground > 127
    } else {
        dark > light
    }
}

/// The ink of a picture of light ink on a dark ground: 0 is ground, and 1 the most that there can
/// be. Noise goes below 0.
///
/// Of a negative of dark ink on paper, it is the part of the paper's light that is missing: shade
/// multiplies the light of paper and ink alike, so that the quotient takes it away where a
/// difference would not. Where the ink is lighter than the ground, it is the difference: a quotient
/// by the little light that a bright ground could still gain would make ink of its grain.
pub(super) fn ink(picture: &Grey, is_negative: bool) -> Vec<f32> {
    let ground = ground(picture);
    std::iter::zip(picture.pixels(), ground)
        .map(|(&pixel, ground)| {
            let most = if is_negative {
                (255. - ground).max(1.)
            } else {
                255.
            };
            (f32::from(pixel) - ground) / most
        })
        .collect()
}

/// The ground below each pixel: a morphological opening, the darkest pixel around each one and then
/// the lightest of those around, takes away whatever is narrower than its window and light.
///
/// The window is half of the picture's short side, for no stroke is as wide as that. A shadow's edge
/// or a gradient stays as it is; a surface fitted to the whole would keep gradients alone.
fn ground(picture: &Grey) -> Vec<f32> {
    let factor = picture
        .width()
        .max(picture.height())
        .div_ceil(COARSE)
        .max(1);
    let coarse = picture.reduced(factor);
    let (width, height) = (coarse.width(), coarse.height());
    let radius = (width.min(height) / 4).max(1);
    let values: Vec<f32> = coarse.pixels().iter().copied().map(f32::from).collect();
    // Each filter leaves out as much at the edges as its window reaches.
    let values = extended(&values, width, 2 * radius);
    let eroded = filter(&values, width + 4 * radius, radius, |a, b| {
        if b < a { b } else { a }
    });
    let opened = filter(&eroded, width + 2 * radius, radius, |a, b| {
        if b > a { b } else { a }
    });
    enlarged(
        &opened,
        (width, height),
        factor,
        (picture.width(), picture.height()),
    )
}

/// The picture continued beyond its edges: if it becomes lighter towards an edge, it becomes lighter
/// by the same amount again, so that an opening keeps a gradient there; otherwise it stays the same.
fn extended(values: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let along = |values: &[f32], length: usize| -> Vec<f32> {
        let lines = values.chunks_exact(length.max(1));
        let extend = |line: &[f32]| {
            let last = line.len() - 1;
            let at = |at: usize| line.get(at.min(last)).copied().unwrap_or_default();
            let beyond = |edge: f32, within: f32| edge.max(2. * edge - within);
            let before = (1..=reach).rev().map(|far| beyond(at(0), at(far)));
            let behind = (1..=reach).map(|far| beyond(at(last), at(last.saturating_sub(far))));
            let line = line.iter().copied();
            before.chain(line).chain(behind).collect::<Vec<f32>>()
        };
        lines.flat_map(extend).collect()
    };
    let width_now = width + 2 * reach;
    let height = values.len() / width.max(1);
    let rows = along(values, width);
    let columns = along(&transposed(&rows, width_now), height);
    transposed(&columns, height + 2 * reach)
}

/// The extremum in a square window that reaches `radius` each way, first along the rows and then
/// along the columns; the picture becomes smaller by the reach.
fn filter(values: &[f32], width: usize, radius: usize, extremum: fn(f32, f32) -> f32) -> Vec<f32> {
    let along = |values: &[f32], length: usize| -> Vec<f32> {
        let mut found = Vec::with_capacity(values.len());
        for line in values.chunks_exact(length.max(1)) {
            found.extend(extrema(line, 2 * radius + 1, extremum));
        }
        found
    };
    let height = values.len() / width.max(1);
    let rows = along(values, width);
    let columns = along(&transposed(&rows, width - 2 * radius), height);
    transposed(&columns, height - 2 * radius)
}

/// The extremum of each window of a line, in three comparisons however wide the window is: it spans
/// the end of one block of its own width and the beginning of the next (van Herk 1992,
/// <https://doi.org/10.1016/0167-8655(92)90069-C>).
fn extrema(
    line: &[f32],
    window: usize,
    extremum: impl Fn(f32, f32) -> f32 + Copy,
) -> impl Iterator<Item = f32> {
    fn run<'a>(block: impl Iterator<Item = &'a mut f32>, extremum: impl Fn(f32, f32) -> f32) {
        let mut so_far = None;
        for value in block {
            *value = so_far.map_or(*value, |so_far| extremum(so_far, *value));
            so_far = Some(*value);
        }
    }
    let (mut from_start, mut to_end) = (line.to_vec(), line.to_vec());
    for block in from_start.chunks_mut(window) {
        run(block.iter_mut(), extremum);
    }
    for block in to_end.chunks_mut(window) {
        run(block.iter_mut().rev(), extremum);
    }
    let from_start = from_start.into_iter().skip(window - 1);
    std::iter::zip(to_end, from_start).map(move |(end, start)| extremum(end, start))
}

fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let mut columns = Vec::with_capacity(values.len());
    for x in 0..width {
        columns.extend(values.iter().skip(x).step_by(width));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extrema_are_those_of_every_window() {
        let line: Vec<f32> = (0..61).map(|i| (i * 37 % 61) as f32).collect();
        for window in [1, 3, 7, 20, 31, 61, 63] {
            let least = |window: &[f32]| window.iter().copied().fold(f32::INFINITY, f32::min);
            let expected: Vec<f32> = line.windows(window).map(least).collect();
            let found: Vec<f32> = extrema(&line, window, f32::min).collect();
            assert_eq!(found, expected, "{window}");
            let most = |window: &[f32]| window.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let expected: Vec<f32> = line.windows(window).map(most).collect();
            let found: Vec<f32> = extrema(&line, window, f32::max).collect();
            assert_eq!(found, expected, "{window}");
        }
    }

    fn picture(side: usize, pixel: impl Fn(usize, usize) -> u8) -> Grey {
        let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        Grey::new(side, side, places.map(|(x, y)| pixel(x, y)).collect())
    }

    #[test]
    fn ink_is_what_differs_from_the_border() {
        let ink_on = |ground: u8, ink: u8| {
            is_dark_on_light(&picture(
                9,
                |x, y| if (x, y) == (4, 4) { ink } else { ground },
            ))
        };
        assert!(ink_on(255, 0) && ink_on(255, 200));
        assert!(!ink_on(0, 255) && !ink_on(0, 40));
        // Dim paper, and a bright blackboard.
        assert!(ink_on(90, 20) && !ink_on(140, 255));
        // Nothing is drawn.
        assert!(ink_on(255, 255) && !ink_on(0, 0));
    }

    #[test]
    fn an_opening_takes_away_what_is_narrow() {
        // A bar of three pixels is ink; the left half in another shade is ground.
        let ground = ground(&picture(20, |x, _| match x {
            0..10 => 40,
            14..17 => 250,
            _ => 10,
        }));
        let row: Vec<f32> = ground.into_iter().take(20).collect();
        let expected: Vec<f32> = [40.; 10].into_iter().chain([10.; 10]).collect();
        assert_eq!(row, expected);
    }

    #[test]
    fn shade_is_taken_away() {
        // Paper of 200 and ink of a quarter of its light, both under a shade from 1 to 1/2, as a
        // negative.
        let shaded = picture(200, |x, y| {
            let shade = 1. - 0.5 * x as f32 / 199.;
            let is_ink = (90..110).contains(&x) && (40..160).contains(&y);
            255 - (200. * shade * if is_ink { 0.25 } else { 1. }).round() as u8
        });
        let ink = ink(&shaded, true);
        for (x, y) in [(10, 10), (60, 100), (180, 190), (100, 10)] {
            assert!(
                ink[y * 200 + x].abs() < 0.05,
                "{x} {y}: {}",
                ink[y * 200 + x]
            );
        }
        for y in [50, 100, 150] {
            assert!(
                (ink[y * 200 + 100] - 0.75).abs() < 0.03,
                "{}",
                ink[y * 200 + 100]
            );
        }
    }

    #[test]
    fn gradients_go_on_beyond_the_edges() {
        let found = extended(&[10., 20., 25.], 3, 2);
        let row = [10., 10., 10., 20., 25., 30., 40.];
        assert_eq!(found, [row; 5].concat());
    }

    #[test]
    fn columns_become_rows() {
        assert_eq!(
            transposed(&[1., 2., 3., 4., 5., 6.], 3),
            [1., 4., 2., 5., 3., 6.]
        );
    }
}
