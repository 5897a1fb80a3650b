//! What the tests of the operations share: values, tolerances and central differences.

use std::ops::Range;

use lenet_engine::Float;
use lenet_engine::reference::conv2d;
use proptest::strategy::Strategy;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Draws values whose magnitude is between 1/2 and 1, with either sign.
///
/// No value is near 0, so that every product of two has a magnitude of at least 1/4: a sum that
/// lacks a term, or has one with the wrong factor or sign, is visibly wrong. ReLU's kink stays at
/// least 1/2 away.
pub struct Values(ChaCha8Rng);

impl Values {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn array(&mut self, shape: &[usize]) -> Vec<f64> {
        (0..shape.iter().product()).map(|_| self.next()).collect()
    }

    /// As [`Values::array`], but multiples of 1/8: a product of two is a multiple of 1/64, and f32
    /// adds 2¹⁸ of them without rounding. Then the order of additions changes nothing, no sum near 0
    /// has the wrong sign, and results are compared for equality.
    pub fn eighths(&mut self, shape: &[usize]) -> Vec<f64> {
        let count = shape.iter().product();
        let eighth = |bits: u32| {
            let magnitude = 0.5 + f64::from(bits >> 1 & 3) / 8.0;
            if bits & 1 == 0 { magnitude } else { -magnitude }
        };
        (0..count).map(|_| eighth(self.0.next_u32() >> 8)).collect()
    }

    pub fn labels(&mut self, count: usize, classes: usize) -> Vec<u32> {
        (0..count)
            .map(|_| self.0.next_u32() % classes as u32)
            .collect()
    }

    fn next(&mut self) -> f64 {
        let bits = self.0.next_u32();
        // 23 random bits and a sign: exact in f32, so that both element types see the same values.
        let magnitude = 0.5 + f64::from(bits >> 9) / f64::from(1_u32 << 24);
        if bits & 1 == 0 { magnitude } else { -magnitude }
    }
}

/// How far two arrays may lie apart: `|actual - expected| <= atol + rtol |expected|`.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub rtol: f64,
    pub atol: f64,
}

pub fn assert_close<T: Float>(what: &str, actual: &[T], expected: &[f64], tolerance: Tolerance) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let actual: f64 = actual.into();
        let difference = (actual - expected).abs();
        let allowed = tolerance.atol + tolerance.rtol * expected.abs();
        // Written so that not-a-number fails.
        assert!(
            difference <= allowed,
            "{what}[{i}]: {actual} should be {expected}, off by {difference:e}, allowed {allowed:e}"
        );
    }
}

/// The derivative of `scalar` at `point`: `(scalar(x + step) - scalar(x - step)) / (2 step)`, one
/// element after the other.
pub fn central_differences(
    point: &[f64],
    step: f64,
    mut scalar: impl FnMut(&[f64]) -> f64,
) -> Vec<f64> {
    let mut moved = point.to_vec();
    let mut differences = Vec::new();
    for (i, &x) in point.iter().enumerate() {
        moved[i] = x + step;
        let above = scalar(&moved);
        moved[i] = x - step;
        let below = scalar(&moved);
        moved[i] = x;
        differences.push((above - below) / (2.0 * step));
    }
    differences
}

/// `Σ a b`: the scalar behind an operation whose output has the derivative `a`.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The same values in an element type.
pub fn cast<T: Float>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&value| T::from_f64(value)).collect()
}

/// Any convolution whose kernel fits, with heights and widths drawn from `sizes`; many kernels are
/// larger than the image without its padding.
pub fn conv2d_shapes(
    batches: Range<usize>,
    sizes: Range<usize>,
) -> impl Strategy<Value = conv2d::Shape> {
    let image = (batches, 1..4_usize, sizes.clone(), sizes);
    let kernel = (1..4_usize, 0..5_usize, 0..5_usize, 0..4_usize);
    (image, kernel).prop_map(
        |((batch, in_channels, height, width), (out_channels, r, s, padding))| conv2d::Shape {
            batch,
            in_channels,
            height,
            width,
            out_channels,
            kernel_height: 1 + r % (height + 2 * padding),
            kernel_width: 1 + s % (width + 2 * padding),
            padding,
        },
    )
}

/// f32 as f64.
pub fn cast_up(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
