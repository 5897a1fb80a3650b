//! The two element types.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// An element type: `f32`, in which networks are trained, or `f64`, in which gradients are checked.
///
/// The trait is sealed, and holds only what the operations of this crate need.
pub trait Float:
    sealed::Sealed
    + Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + SubAssign
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Into<f64>
    + Send
    + Sync
    + 'static
{
    /// Zero, with which sums begin.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The value of this type that is nearest to `value`.
    fn from_f64(value: f64) -> Self;
    /// `e` to the power of `self`.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
}

macro_rules! implement_float {
    ($float:ident) => {
        impl Float for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
        }

        impl sealed::Sealed for $float {}
    };
}

implement_float!(f32);
implement_float!(f64);

mod sealed {
    pub trait Sealed {}
}
