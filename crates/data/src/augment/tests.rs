//! Each transformation against a slow reference, which reads like the formulas.

use super::draw::Draw;
use super::*;
use lenet_picture::IMAGE_SIDE;

/// Real digits where they are in the program, else rings of different thickness.
fn images() -> Vec<[u8; IMAGE_PIXELS]> {
    #[cfg(feature = "embedded-mnist")]
    {
        let test = crate::embedded::mnist_test().unwrap();
        test.iter().take(60).map(|(image, _)| *image).collect()
    }
    #[cfg(not(feature = "embedded-mnist"))]
    (1..60)
        .map(|thickness| {
            std::array::from_fn(|at| {
                let (x, y) = ((at % IMAGE_SIDE) as f64, (at / IMAGE_SIDE) as f64);
                let off = ((x - 13.5).hypot(y - 14.) - 8.).abs() / f64::from(thickness) * 12.;
                (255. * (1. - off).max(0.)) as u8
            })
        })
        .collect()
}

/// A draw that does nothing.
fn still() -> Draw {
    Draw::new(&Augmentation::NONE, 1., 42, 1, 7)
}

fn applied(draw: &Draw, image: &[u8; IMAGE_PIXELS]) -> [u8; IMAGE_PIXELS] {
    let mut out = [99; IMAGE_PIXELS];
    draw.clone().apply(image, &mut out);
    out
}

/// The definition: undoes the shift, the rotation, the shear and the scale one after the other,
/// adds the displacement, and interpolates.
fn reference(draw: &Draw, image: &[u8; IMAGE_PIXELS]) -> Vec<f64> {
    let pixel = |x: i32, y: i32| {
        let inside = (0..28).contains(&x) && (0..28).contains(&y);
        if inside {
            f64::from(image[(28 * y + x) as usize])
        } else {
            0.
        }
    };
    let mut out = Vec::new();
    for at in 0..IMAGE_PIXELS {
        let (column, row) = ((at % IMAGE_SIDE) as f64, (at / IMAGE_SIDE) as f64);
        let (x, y) = (column - 13.5 - draw.shift[0], row - 13.5 - draw.shift[1]);
        // y points downwards: turning back clockwise.
        let (sine, cosine) = draw.rotation.sin_cos();
        let (x, y) = (x * cosine - y * sine, x * sine + y * cosine);
        let x = x - draw.shear * y;
        let (x, y) = (x / draw.scale[0], y / draw.scale[1]);
        let [dx, dy] = displacement(draw, column, row);
        let (x, y) = (x + 13.5 + dx, y + 13.5 + dy);
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (x - left, y - top);
        let (left, top) = (left as i32, top as i32);
        let upper = pixel(left, top) * (1. - u) + pixel(left + 1, top) * u;
        let lower = pixel(left, top + 1) * (1. - u) + pixel(left + 1, top + 1) * u;
        out.push(upper * (1. - v) + lower * v);
    }
    out
}

/// The sum over all knots.
fn displacement(draw: &Draw, column: f64, row: f64) -> [f64; 2] {
    if draw.elastic == 0. {
        return [0.; 2];
    }
    let side = draw.cells + 3;
    let numbers: Vec<i16> = draw.knots().collect();
    let per_pixel = draw.cells as f64 / IMAGE_SIDE as f64;
    [0, side * side].map(|axis| {
        let mut sum = 0.;
        for knot in 0..side * side {
            let (x, y) = ((knot % side) as f64 - 1., (knot / side) as f64 - 1.);
            let weight =
                spline((column + 0.5) * per_pixel - x) * spline((row + 0.5) * per_pixel - y);
            sum += weight * f64::from(numbers[axis + knot]) / 32_768. * draw.elastic;
        }
        sum
    })
}

/// The uniform cubic B-spline.
fn spline(t: f64) -> f64 {
    match t.abs() {
        t if t < 1. => 2. / 3. - t * t + t * t * t / 2.,
        t if t < 2. => (2. - t).powi(3) / 6.,
        _ => 0.,
    }
}

/// Compares with the reference on all images; levels of grey.
#[track_caller]
fn close(draws: &[Draw], largest: f64, mean: f64) {
    let (mut worst, mut sum, mut count) = (0_f64, 0., 0);
    let images = images();
    let pairs = std::iter::zip(images.iter().cycle(), draws.iter().cycle());
    for (image, draw) in pairs.take(images.len().max(draws.len())) {
        let found = applied(draw, image);
        for (found, expected) in std::iter::zip(found, reference(draw, image)) {
            let error = (f64::from(found) - expected).abs();
            worst = worst.max(error);
            sum += error;
            count += 1;
        }
    }
    let found = sum / f64::from(count);
    assert!(
        worst <= largest && found <= mean,
        "largest {worst}, mean {found}"
    );
}

fn draws(change: impl Fn(&mut Draw, f64)) -> Vec<Draw> {
    let steps = (0..20).map(|step| f64::from(step) / 9.5 - 1.);
    let with = |part| {
        let mut draw = still();
        change(&mut draw, part);
        draw
    };
    steps.map(with).collect()
}

// A coordinate is the sum of two that are rounded to 1/256 pixel, so it is off by up to 1/256, which
// changes a pixel by up to 255/256 level an axis; rounding to a level adds 0.5, and 0.25 to the mean
// of those pixels, less than half of an image, that are neither black nor white. A mistake of a tenth
// of a pixel would be 25 levels somewhere, and one of a hundredth 0.3 on average.
const LARGEST: f64 = 2.55;
const MEAN: f64 = 0.15;

#[test]
fn affine_maps() {
    type Change<'a> = &'a dyn Fn(&mut Draw, f64);
    let changes: [Change<'_>; 7] = [
        &|draw, part| draw.shift = [3. * part, -1.3 * part],
        &|draw, part| draw.shift = [-14. * part, 28. * part],
        &|draw, part| draw.rotation = 0.3 * part,
        &|draw, part| draw.rotation = std::f64::consts::PI * part,
        &|draw, part| draw.scale = [1. + 0.5 * part, 1. - 0.2 * part],
        &|draw, part| draw.shear = 0.5 * part,
        &|draw, part| {
            draw.shift = [-2. * part, 3.];
            draw.rotation = 0.5 * part;
            draw.scale = [1. + 0.3 * part, 0.9];
            draw.shear = 0.4;
        },
    ];
    for change in changes {
        close(&draws(change), LARGEST, MEAN);
    }
}

/// Displacements are off by a few steps more: each of the two passes adds four products that are
/// rounded down, to 1/1024 and 1/512 pixel.
#[test]
fn elastic_distortions() {
    let affine = Augmentation {
        rotation: 30.,
        scale: 0.3,
        shear: 0.3,
        shift: 4.,
        ..Augmentation::NONE
    };
    for (base, elastic, elastic_sigma) in [
        (&Augmentation::NONE, 1., 4.),
        (&Augmentation::NONE, 3., 2.),
        (&Augmentation::NONE, 6., 3.2),
        (&Augmentation::NONE, 10., 4.),
        (&Augmentation::NONE, 8., 16.),
        (&affine, 3., 4.),
    ] {
        let settings = Augmentation {
            elastic,
            elastic_sigma,
            ..base.clone()
        };
        let draws: Vec<Draw> = (0..20)
            .map(|index| Draw::new(&settings, 1., 1, 2, index))
            .collect();
        close(&draws, 5., 0.2);
    }
}

/// Each range is uniform: reached to its ends, never left, with the mean and the mean magnitude of a
/// uniform number. 20,000 draws: the mean's standard deviation is 0.004 of the range.
#[test]
fn magnitudes_are_uniform_within_their_ranges() {
    let settings = Augmentation {
        rotation: 180.,
        scale: 0.5,
        shear: 0.4,
        shift: 3.,
        erase: 0.25,
        erase_area: [0.1, 0.3],
        ..Augmentation::NONE
    };
    for strength in [1., 0.5] {
        let draws: Vec<Draw> = (0..20_000)
            .map(|index| Draw::new(&settings, strength, 3, 1, index))
            .collect();
        let uniform = |name: &str, of: &dyn Fn(&Draw) -> f64, end: f64| {
            let values: Vec<f64> = draws.iter().map(|draw| of(draw) / end / strength).collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let magnitude = values.iter().map(|v| v.abs()).sum::<f64>() / count;
            let low = values.iter().copied().fold(0., f64::min);
            let high = values.iter().copied().fold(0., f64::max);
            assert!(low >= -1. && high <= 1., "{name}: {low} {high}");
            assert!(low < -0.999 && high > 0.999, "{name}: {low} {high}");
            let near = mean.abs() < 0.02 && (magnitude - 0.5).abs() < 0.01;
            assert!(near, "{name}: {mean} {magnitude}");
        };
        uniform("rotation", &|draw| draw.rotation, std::f64::consts::PI);
        uniform("scale x", &|draw| draw.scale[0] - 1., 0.5);
        uniform("scale y", &|draw| draw.scale[1] - 1., 0.5);
        uniform("shear", &|draw| draw.shear, 0.4);
        uniform("shift x", &|draw| draw.shift[0], 3.);
        uniform("shift y", &|draw| draw.shift[1], 3.);
        assert!(draws.iter().all(|draw| draw.shift[0] != draw.shift[1]));
        assert!(draws.iter().all(|draw| draw.scale[0] != draw.scale[1]));
        let areas: Vec<f64> = draws.iter().filter_map(|draw| draw.erased_area).collect();
        let part = areas.len() as f64 / draws.len() as f64;
        assert!((part - 0.25 * strength).abs() < 0.015, "{part}");
        assert!(areas.iter().all(|area| (0.1..=0.3).contains(area)));
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((mean - 0.2).abs() < 0.005, "{mean}");
    }
}

/// A mirrored image has its rows the other way round, at any strength, and as often as it should.
#[test]
fn mirrored_images() {
    let settings = Augmentation {
        mirror: 0.3,
        ..Augmentation::NONE
    };
    let image: [u8; IMAGE_PIXELS] = std::array::from_fn(|at| (at % 251) as u8);
    let mut mirrored = image;
    let (rows, _) = mirrored.as_chunks_mut::<28>();
    rows.iter_mut().for_each(|row| row.reverse());
    let mut count = 0;
    for index in 0..3_000 {
        let mut out = [0; IMAGE_PIXELS];
        let strength = if index % 2 == 0 { 0. } else { 1. };
        settings.apply(strength, 5, 1, index, &image, &mut out);
        assert!(out == image || out == mirrored, "{index}");
        count += u32::from(out == mirrored);
    }
    // 900 are expected, with a standard deviation of 25.
    assert!((800..1_000).contains(&count), "{count}");
}
