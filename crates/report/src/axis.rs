//! Ranges and ticks of an axis, at round numbers.

/// An axis from `low` to `high` with ticks at multiples of `step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) step: f64,
}

/// Values beyond this are not drawn: their differences would not be finite.
const LARGEST: f64 = 1e100;

/// Whether a value has a place on an axis.
pub(crate) fn is_drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

impl Axis {
    /// For losses: from zero, unless the values all lie far above it.
    pub(crate) fn loss(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = bounds(values).unwrap_or((0.0, 1.0));
        let is_near_zero = 0.0 <= low && low < 0.6 * high;
        let low = if is_near_zero { 0.0 } else { low };
        Self::around(low, high, if high == 0.0 { 1.0 } else { 0.1 * high.abs() })
    }

    /// For accuracies in percent: as close to the values as round numbers allow, never above 100.
    pub(crate) fn accuracy(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = bounds(values).unwrap_or((0.0, 100.0));
        let axis = Self::around(low, high, 1.0);
        Self {
            low: axis.low.max(0.0),
            high: axis.high.min(100.0),
            ..axis
        }
    }

    /// For epochs: whole numbers, with some air at both ends, but no epoch 0.
    pub(crate) fn epochs(values: impl Iterator<Item = u32>) -> Self {
        let (low, high) = bounds(values.map(f64::from)).unwrap_or((1.0, 1.0));
        let air = ((high - low) * 0.03).clamp(0.3, 1e99);
        Self {
            low: low - air.min(0.9),
            high: high + air,
            step: round_step((high - low) / 10.0).max(1.0),
        }
    }

    /// The smallest range between ticks that holds the values and is no narrower than `least`.
    fn around(low: f64, high: f64, least: f64) -> Self {
        let air = ((least - (high - low)) / 2.0).max(0.0);
        let (low, high) = (low - air, high + air);
        let step = round_step((high - low) / 5.0);
        // The fraction of a step keeps a value that is a tick from opening another step.
        let (first, last) = ((low / step + 1e-6).floor(), (high / step - 1e-6).ceil());
        Self {
            low: first * step,
            high: last * step,
            step,
        }
    }

    /// The ticks from low to high.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let first = (self.low / self.step - 1e-6).ceil();
        let last = (self.high / self.step + 1e-6).floor();
        // A step that vanishes beside its values would make ticks without end.
        let count = (last - first + 1.0).clamp(0.0, 50.0) as usize;
        let tick = |index: usize| (first + index as f64) * self.step;
        (0..count).map(tick).collect()
    }

    /// Where a value stands: 0 at `low`, 1 at `high`.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A tick's number, with the decimals that tell it from the next.
    pub(crate) fn label(&self, tick: f64) -> String {
        let is_zero = tick.abs() < 1e-9 * self.step;
        let tick = if is_zero { 0.0 } else { tick };
        if self.high.abs().max(self.low.abs()) >= 1e6 || self.step < 1e-5 {
            let text = format!("{tick:.1e}");
            return if is_zero { "0".to_owned() } else { text };
        }
        let decimals = (-(self.step * 1.000_001).log10().floor()).max(0.0) as usize;
        format!("{tick:.decimals$}")
    }
}

/// Least and greatest of the drawable values.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let drawable = values.filter(|value| is_drawable(*value));
    let ends = drawable.map(|value| (value, value));
    ends.reduce(|(low, high), (value, _)| (value.min(low), value.max(high)))
}

/// The least of 1, 2, 5 times a power of ten that is at least the given step.
fn round_step(step: f64) -> f64 {
    if step <= 0.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(step.log10().floor());
    let mut factors = [1.0, 2.0, 5.0].into_iter();
    let factor = factors.find(|factor| factor * magnitude >= step * 0.999_999);
    factor.unwrap_or(10.0) * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks()
            .into_iter()
            .map(|tick| axis.label(tick))
            .collect()
    }

    #[test]
    fn axes_have_round_numbers_close_to_the_values() {
        let axis = Axis::accuracy([98.2, 99.97].into_iter());
        assert_eq!(labels(axis), ["98.0", "98.5", "99.0", "99.5", "100.0"]);
        // From zero, unless the values are far above it.
        let axis = Axis::loss([0.03, 0.41].into_iter());
        assert_eq!(labels(axis), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(Axis::loss([2.1, 2.3].into_iter()))[0], "2.05");
        assert!(Axis::loss([f64::NAN, 0.5, f64::INFINITY].into_iter()).high < 0.61);
    }

    #[test]
    fn every_axis_is_finite_and_ordered_whatever_the_values() {
        let losses = [
            0.0,
            1e-300,
            -1e-300,
            1.0,
            -5.0,
            1e99,
            -1e99,
            1e308,
            f64::NAN,
        ];
        // Curves leave out accuracies outside 0..=100 %.
        let accuracies = [0.0, 1e-300, 50.0, 99.999_999_9, 100.0, f64::NAN];
        let mut axes: Vec<Axis> = Vec::new();
        for (a, b) in losses
            .iter()
            .flat_map(|a| losses.iter().map(move |b| (*a, *b)))
        {
            axes.push(Axis::loss([a, b].into_iter()));
        }
        for (a, b) in accuracies
            .iter()
            .flat_map(|a| accuracies.iter().map(move |b| (*a, *b)))
        {
            let axis = Axis::accuracy([a, b].into_iter());
            assert!(axis.low >= 0.0 && axis.high <= 100.0, "{axis:?}");
            axes.push(axis);
        }
        for last in [1, 2, 7, 30, 1000, 100_000] {
            let axis = Axis::epochs([1, last].into_iter());
            assert!(
                axis.ticks()
                    .iter()
                    .all(|tick| tick.fract() == 0.0 && *tick >= 1.0)
            );
            axes.push(axis);
        }
        for axis in axes {
            assert!(axis.low < axis.high, "{axis:?}");
            assert!(axis.fraction(axis.high).is_finite(), "{axis:?}");
            assert!((1..=50).contains(&axis.ticks().len()), "{axis:?}");
        }
    }
}
