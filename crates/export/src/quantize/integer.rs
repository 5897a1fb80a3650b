//! Inference in integers only: the reference of the exports.

use super::{Affine, Layer, Output, Quantized};
use lenet_model::Architecture;

/// Bits of the logits after the binary point.
pub const FRACTION_BITS: u32 = 16;

/// A positive real factor as `mantissa / 2^shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Multiplier {
    /// 31 bits unless the factor is tiny.
    pub mantissa: i32,
    /// 1 to 62, so that the product of two 32-bit numbers can be rounded in 64 bits.
    pub shift: u8,
}

impl Multiplier {
    pub(super) fn new(factor: f64) -> Self {
        for shift in (1..=62).rev() {
            let mantissa = (factor * 2_f64.powi(i32::from(shift))).round();
            if mantissa <= f64::from(i32::MAX) {
                return Self {
                    mantissa: mantissa as i32,
                    shift,
                };
            }
        }
        // More than 2^30: every value but 0 saturates.
        Self {
            mantissa: i32::MAX,
            shift: 1,
        }
    }

    /// The product, rounded to the nearest integer, halves up, saturating in 32 bits.
    pub(super) fn times(self, value: i32) -> i32 {
        let half = 1_i64 << (self.shift - 1);
        let product = (i64::from(value) * i64::from(self.mantissa) + half) >> self.shift;
        product.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }
}

/// What inference needs of a layer in addition to its weight.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// For each output channel: the bias less the input's zero point times the weights, so that
    /// sums run over the integers themselves.
    pub bias: Vec<i32>,
    /// For each output channel: from sums to the output's integers.
    pub multipliers: Vec<Multiplier>,
    /// Added after the multiplication.
    pub zero_point: i32,
    /// The hyperbolic tangent of each integer from -128 on.
    pub table: Option<Vec<i8>>,
    /// The mean of four integers, for layers with pooling.
    pub pool: Pool,
}

/// From the sum of four integers to their mean in the pooling's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool {
    /// Added to the sum: the zero point times -4.
    pub offset: i32,
    /// A quarter, and from one scale to the other.
    pub multiplier: Multiplier,
    /// Added after the multiplication.
    pub zero_point: i32,
}

impl Pool {
    fn new(from: Affine, to: Affine) -> Self {
        let factor = f64::from(from.scale) / (4. * f64::from(to.scale));
        Self {
            offset: -4 * i32::from(from.zero_point),
            multiplier: Multiplier::new(factor),
            zero_point: to.zero_point.into(),
        }
    }

    fn mean(self, sum: i32) -> i8 {
        let scaled = self.multiplier.times(sum + self.offset);
        scaled.saturating_add(self.zero_point).clamp(-128, 127) as i8
    }
}

impl Plan {
    pub(super) fn new(layer: &Layer) -> Self {
        let fan_in = layer.weight.len() / layer.bias.len();
        let zero = i32::from(layer.input.zero_point);
        let bias = |(bias, weights): (&i32, &[i8])| {
            let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
            bias.saturating_sub(zero * sum)
        };
        let (scale, zero_point, table) = match layer.output {
            Output::Relu(after) => (after.scale, after.zero_point, None),
            Output::Tanh { before, after } => {
                (before.scale, before.zero_point, Some(tanh(before, after)))
            }
            Output::Logits => (1. / (1 << FRACTION_BITS) as f32, 0, None),
        };
        let multiplier = |unit: &f32| Multiplier::new(f64::from(*unit) / f64::from(scale));
        Self {
            bias: std::iter::zip(&layer.bias, layer.weight.chunks(fan_in))
                .map(bias)
                .collect(),
            multipliers: layer.bias_scales().iter().map(multiplier).collect(),
            zero_point: zero_point.into(),
            table,
            pool: Pool::new(layer.activated(), layer.outgoing()),
        }
    }
}

/// The function for each integer from -128 on.
fn tanh(before: Affine, after: Affine) -> Vec<i8> {
    let value = |q: i16| {
        let x = f64::from(before.scale) * f64::from(q - i16::from(before.zero_point));
        let y = (x.tanh() / f64::from(after.scale)).round_ties_even();
        (y + f64::from(after.zero_point)).clamp(-128., 127.) as i8
    };
    (-128..=127).map(value).collect()
}

impl Layer {
    /// What inference needs in addition to the weight.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The sum of an output channel over its inputs, as many as the channel has weights.
    fn sum(&self, channel: usize, inputs: &[i8]) -> i32 {
        let weights = &self.weight[channel * inputs.len()..][..inputs.len()];
        let products = std::iter::zip(weights, inputs)
            .map(|(&weight, &input)| i32::from(weight) * i32::from(input));
        self.plan.bias[channel] + products.sum::<i32>()
    }

    /// The output's integer for a sum. The zero point of ReLU is -128 or, where all is 0, any
    /// sum gives it: the bounds of int8 are the function.
    fn activate(&self, channel: usize, sum: i32) -> i8 {
        let scaled = self.plan.multipliers[channel].times(sum);
        let value = scaled.saturating_add(self.plan.zero_point).clamp(-128, 127) as i8;
        match &self.plan.table {
            Some(table) => table[(i16::from(value) + 128) as usize],
            None => value,
        }
    }

    /// (C, side, side) to (K, side' / 2, side' / 2): convolution of 5x5, activation, mean of 2x2.
    fn conv(&self, image: &[i8], side: usize, padding: usize) -> Vec<i8> {
        let (maps, channels) = (self.dims[1], self.dims[0]);
        let wide = side + 2 * padding - 4;
        let pooled = wide / 2;
        let mut sums = vec![0_i32; channels * pooled * pooled];
        let mut patch = vec![0; maps * 25];
        for row in 0..2 * pooled {
            for column in 0..2 * pooled {
                for (place, cell) in patch.iter_mut().enumerate() {
                    let (map, tap) = (place / 25, place % 25);
                    let row = (row + tap / 5).wrapping_sub(padding);
                    let column = (column + tap % 5).wrapping_sub(padding);
                    *cell = if row < side && column < side {
                        image[(map * side + row) * side + column]
                    } else {
                        self.input.zero_point
                    };
                }
                for channel in 0..channels {
                    let value = self.activate(channel, self.sum(channel, &patch));
                    sums[(channel * pooled + row / 2) * pooled + column / 2] += i32::from(value);
                }
            }
        }
        let pool = self.plan.pool;
        sums.into_iter().map(|sum| pool.mean(sum)).collect()
    }

    fn linear(&self, inputs: &[i8]) -> Vec<i8> {
        let channels = 0..self.bias.len();
        channels
            .map(|channel| self.activate(channel, self.sum(channel, inputs)))
            .collect()
    }
}

impl Quantized {
    /// The logits of an image, in units of 2^-16; they are those of the exports, to the last bit
    /// in C and up to a rounding here and there in ONNX.
    pub fn logits(&self, pixels: &[u8; 784]) -> Vec<i32> {
        let Architecture { padding, .. } = self.metadata.architecture;
        let [conv1, conv2, fc1, fc2, fc3] = &self.layers;
        let side = 28 + 2 * padding.pixels() - 4;
        let x = pixels.map(|pixel| (i16::from(pixel) - 128) as i8); // (1, 28, 28)
        let x = conv1.conv(&x, 28, padding.pixels()); // (6, 14, 14)  [12, 12]
        let x = conv2.conv(&x, side / 2, 0); // (16, 5, 5)  [4, 4]
        let x = fc1.linear(&x); // (120)
        let x = fc2.linear(&x); // (84)
        let channels = 0..fc3.bias.len();
        channels
            .map(|class| fc3.plan.multipliers[class].times(fc3.sum(class, &x)))
            .collect()
    }

    /// The class of the largest logit, the first of equal ones.
    pub fn classify(&self, pixels: &[u8; 784]) -> usize {
        let logits = self.logits(pixels);
        // Of equal logits `max_by_key` takes the last: backwards, that is the first class.
        let best = (0..logits.len()).rev().max_by_key(|&class| logits[class]);
        best.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_are_exact_to_31_bits() {
        for factor in [1e-9, 0.000_3, 0.5, 0.999_999_9, 1., 3.7, 70_000.] {
            let multiplier = Multiplier::new(factor);
            assert!(multiplier.mantissa >= 1 << 30, "{multiplier:?}");
            for value in [-100_000, -3, 0, 1, 12_345] {
                let exact = (f64::from(value) * factor).clamp(-2_147_483_648., 2_147_483_647.);
                let found = f64::from(multiplier.times(value));
                // Half a unit of rounding, and 31 bits of the factor.
                let most = 0.5 + exact.abs() / f64::from(1 << 30);
                assert!((found - exact).abs() <= most, "{factor} * {value}: {found}");
            }
        }
        assert_eq!(Multiplier::new(0.).times(i32::MAX), 0);
        assert_eq!(Multiplier::new(1e-30).times(i32::MIN), 0);
        assert_eq!(Multiplier::new(1e12).times(-5), i32::MIN);
        assert_eq!(Multiplier::new(0.5).times(3), 2);
        assert_eq!(Multiplier::new(0.5).times(-3), -1);
    }

    /// Every sum of four integers, against arithmetic in real numbers.
    #[test]
    fn means_of_four() {
        let affine = |scale, zero_point| Affine { scale, zero_point };
        for (from, to) in [
            (affine(0.1, -128), affine(0.07, -128)),
            (affine(1. / 128., 1), affine(0.0069, -5)),
        ] {
            let pool = Pool::new(from, to);
            for sum in -512..=508 {
                let zero = f64::from(from.zero_point);
                let mean = f64::from(from.scale) * (f64::from(sum) / 4. - zero);
                let exact = mean / f64::from(to.scale) + f64::from(to.zero_point);
                let found = f64::from(pool.mean(sum));
                let expected = exact.clamp(-128., 127.);
                assert!(
                    (found - expected).abs() <= 0.5 + 1e-6,
                    "{sum}: {found} {exact}"
                );
            }
        }
    }
}
