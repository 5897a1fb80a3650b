//! The mean of the parameters after the last steps, which is nearer to the minimum that they circle
//! than any of them: Polyak and Juditsky 1992, <https://doi.org/10.1137/0330046>; Izmailov et al. 2018,
//! <https://arxiv.org/abs/1803.05407>.

use serde::{Deserialize, Serialize};

/// A running mean of parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Number of steps.
    pub count: u64,
    /// Their mean, in the order of the parameters; empty before the first.
    #[serde(skip)]
    pub means: Vec<Vec<f32>>,
}

impl Average {
    /// Adds the parameters after a step.
    pub(crate) fn add<'a>(&mut self, parameters: impl Iterator<Item = &'a [f32]>) {
        self.count += 1;
        if self.count == 1 {
            self.means = parameters.map(<[f32]>::to_vec).collect();
            return;
        }
        let weight = 1. / self.count as f32;
        for (mean, values) in std::iter::zip(&mut self.means, parameters) {
            for (mean, &value) in std::iter::zip(mean, values) {
                *mean += (value - *mean) * weight;
            }
        }
    }
}
