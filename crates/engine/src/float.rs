//! The two element types.

use std::fmt::Debug;
use std::ops::{AddAssign, SubAssign};

/// An element type: `f32`, in which networks are trained, or `f64`, in which gradients are checked.
pub trait Float:
    num_traits::Float + AddAssign + SubAssign + Into<f64> + Debug + Send + Sync + 'static
{
    /// Zero, with which sums begin.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The value of this type that is nearest to `value`.
    fn from_f64(value: f64) -> Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }
}
