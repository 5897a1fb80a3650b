//! Plain Rust: 8 floats in an array, for any machine; the compiler makes of it what it can.
//!
//! Multiplications and additions round separately: where there is no instruction for both at once,
//! imitating it takes a hundred times as long.

use super::Simd;

const WIDTH: usize = 4;

/// 8 floats.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; WIDTH]);

/// Applies an operation to each pair of elements.
macro_rules! elementwise {
    ($a:expr, $b:expr, $x:ident, $y:ident => $result:expr) => {{
        let mut result = [0.0; WIDTH];
        for i in 0..WIDTH {
            let ($x, $y) = ($a.0[i], $b.0[i]);
            result[i] = $result;
        }
        Portable(result)
    }};
}

impl Simd for Portable {
    const WIDTH: usize = WIDTH;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for 8 floats.
        Self(unsafe { from.cast::<[f32; WIDTH]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for 8 floats.
        unsafe { to.cast::<[f32; WIDTH]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        elementwise!(self, other, a, b => a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        elementwise!(self, other, a, b => a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        elementwise!(self, other, a, b => a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        elementwise!(self, other, a, b => a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        elementwise!(self, self, a, _b => a.sqrt())
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        let mut result = self.0;
        for i in 0..WIDTH {
            result[i] += a.0[i] * b.0[i];
        }
        Self(result)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        elementwise!(self, other, a, b => if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        elementwise!(self, other, a, b => if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        let mut bits = 0;
        for i in 0..WIDTH {
            bits |= u16::from(self.0[i] > 0.0) << i;
        }
        bits
    }
    #[inline(always)]
    unsafe fn select(self, bits: u16) -> Self {
        let mut result = self.0;
        for i in 0..WIDTH {
            if bits >> i & 1 == 0 {
                result[i] = 0.0;
            }
        }
        Self(result)
    }
    #[inline(always)]
    unsafe fn flush_below(self, limit: f32) -> Self {
        elementwise!(self, self, a, _b => if a.abs() < limit { 0.0 } else { a })
    }
    #[inline(always)]
    unsafe fn exp2_of_integer(self) -> Self {
        elementwise!(self, self, a, _b => f32::from_bits(((a as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        elementwise!(self, self, a, _b => a.round_ties_even())
    }
}
