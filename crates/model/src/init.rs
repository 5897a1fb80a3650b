//! The values that the parameters start from: a pure function of (seed, tensor's name).

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// How the parameters are drawn before training.
///
/// fan_in is the number of inputs that an output sums over, fan_out the number of outputs that an
/// input reaches, each counted with the kernel's area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Weights uniform in ±sqrt(6 / (fan_in + fan_out)), biases 0: what Keras does by default.
    ///
    /// Glorot and Bengio 2010, <https://proceedings.mlr.press/v9/glorot10a.html>, equation 16;
    /// fans as in `compute_fans` of
    /// <https://github.com/keras-team/keras/blob/v3.12.0/keras/src/initializers/random_initializers.py>.
    #[default]
    GlorotUniform,
    /// Weights and biases uniform in ±1 / sqrt(fan_in): what PyTorch does by default, as
    /// `reset_parameters` of
    /// <https://github.com/pytorch/pytorch/blob/v2.9.0/torch/nn/modules/linear.py> and `conv.py`
    /// come to with `kaiming_uniform_(a=sqrt(5))`.
    #[serde(rename = "pytorch")]
    PyTorch,
    /// Weights uniform in ±sqrt(6 / fan_in), biases 0: keeps the variance from layer to layer although
    /// ReLU cuts off half. He et al. 2015, <https://arxiv.org/abs/1502.01852>,
    /// equation 10.
    HeUniform,
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Init::GlorotUniform => "glorot-uniform",
            Init::PyTorch => "pytorch",
            Init::HeUniform => "he-uniform",
        })
    }
}

impl Init {
    /// The values of one tensor. `weight_dims` is the shape of the layer's weight, from which the
    /// bias takes its bound too.
    pub(crate) fn values(
        self,
        seed: u64,
        name: &str,
        count: usize,
        weight_dims: &[usize],
    ) -> Vec<f32> {
        let (fan_in, fan_out) = fans(weight_dims);
        let is_bias = name.ends_with(".bias");
        let bound = match self {
            Init::GlorotUniform | Init::HeUniform if is_bias => return vec![0.; count],
            Init::HeUniform => (6. / fan_in as f64).sqrt(),
            Init::GlorotUniform => (6. / (fan_in + fan_out) as f64).sqrt(),
            Init::PyTorch => 1. / (fan_in as f64).sqrt(),
        };
        let mut rng = stream(seed, name);
        let mut draw = || {
            // The upper 24 bits are a number in [0, 1) that f32 holds exactly.
            let unit = f64::from(rng.next_u32() >> 8) / f64::from(1 << 24);
            ((2. * unit - 1.) * bound) as f32
        };
        (0..count).map(|_| draw()).collect()
    }
}

/// (fan_in, fan_out) of a weight of shape (out, in) or (out, in, rows, columns).
fn fans(weight_dims: &[usize]) -> (usize, usize) {
    let area: usize = weight_dims.iter().skip(2).product();
    match weight_dims {
        [outputs, inputs, ..] => (inputs * area, outputs * area),
        _ => (1, 1),
    }
}

/// The random numbers of one tensor. Each name has its own stream: adding, removing or resizing a
/// tensor does not change the others.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fnv1a(name));
    rng
}

/// FNV-1a, 64 bits: <https://datatracker.ietf.org/doc/html/rfc9923>.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vectors of FNV-1a.
    #[test]
    fn fnv1a_vectors() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn fans_count_the_kernel() {
        assert_eq!(fans(&[16, 6, 5, 5]), (150, 400));
        assert_eq!(fans(&[84, 120]), (120, 84));
    }

    /// A uniform distribution in ±b has the standard deviation b / sqrt(3); 48,000 draws show it to
    /// one part in 300, and a bound with fan_in alone would differ by half.
    #[test]
    fn bounds_and_spread() {
        for (init, name, bound) in [
            (Init::GlorotUniform, "fc1.weight", (6_f64 / 520.).sqrt()),
            (Init::HeUniform, "fc1.weight", (6_f64 / 400.).sqrt()),
            (Init::PyTorch, "fc1.weight", 0.05),
            // By the fan_in of the layer.
            (Init::PyTorch, "fc1.bias", 0.05),
            (Init::GlorotUniform, "fc1.bias", 0.),
            (Init::HeUniform, "fc1.bias", 0.),
        ] {
            let values = init.values(1, name, 48_000, &[120, 400]);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let largest = values.iter().fold(0_f64, |max, value| max.max(value.abs()));
            assert!(
                largest <= bound && largest >= 0.999 * bound,
                "{init} {name}: {largest}"
            );
            let moment =
                |power| values.iter().map(|value| value.powi(power)).sum::<f64>() / 48_000.;
            let spread = bound / 3_f64.sqrt();
            assert!(
                moment(1).abs() <= 5. * spread / 48_000_f64.sqrt(),
                "{init} {name}"
            );
            assert!(
                (moment(2).sqrt() - spread).abs() <= 0.01 * spread,
                "{init} {name}"
            );
        }
    }

    #[test]
    fn depends_on_seed_and_name_alone() {
        let draw = |seed, name| Init::GlorotUniform.values(seed, name, 8, &[8, 1]);
        assert_eq!(draw(1, "fc1.weight"), draw(1, "fc1.weight"));
        assert_ne!(draw(1, "fc1.weight"), draw(2, "fc1.weight"));
        assert_ne!(draw(1, "fc1.weight"), draw(1, "fc2.weight"));
    }
}
