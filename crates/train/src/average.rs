//! The mean of the parameters after the last steps, which is nearer to the minimum that they circle
//! than any of them: Polyak and Juditsky 1992, <https://doi.org/10.1137/0330046>; Izmailov et al. 2018,
//! <https://arxiv.org/abs/1803.05407>.

/// A running mean of parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Average {
    /// How many there were.
    pub count: u64,
    /// Their mean, in the order of the parameters; empty before the first.
    pub means: Vec<Vec<f32>>,
}

impl Average {
    /// Takes the parameters as they are now in.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_mean() {
        let mut average = Average::default();
        for values in [[[1., 8.]], [[2., 0.]], [[6., 1.]]] {
            average.add(values.iter().map(|values: &[f32; 2]| &values[..]));
        }
        assert_eq!(average.count, 3);
        assert_eq!(average.means, [[3., 3.]]);
    }
}
