//! Plain Rust: 4 floats in an array, for any machine; the compiler makes of it what it can.
//!
//! Multiplications and additions round separately: where there is no instruction for both at once,
//! imitating it takes a hundred times as long.

use super::{Simd, by_instruction, by_memory};

const WIDTH: usize = 4;

type Array = [f32; WIDTH];

/// 4 floats.
#[derive(Clone, Copy)]
pub(crate) struct Portable(Array);

/// # Safety
/// `from` must be valid for 4 floats.
#[inline(always)]
unsafe fn load(from: *const f32) -> Array {
    // SAFETY: `from` is valid for 4 floats.
    unsafe { from.cast::<Array>().read_unaligned() }
}

/// # Safety
/// `to` must be valid for 4 floats.
#[inline(always)]
unsafe fn store(to: *mut f32, array: Array) {
    // SAFETY: `to` is valid for 4 floats.
    unsafe { to.cast::<Array>().write_unaligned(array) }
}

#[inline(always)]
unsafe fn splat(value: f32) -> Array {
    [value; WIDTH]
}

/// Applies an operation to each element, with its index.
macro_rules! elementwise {
    ($i:ident => $result:expr) => {{
        let mut result = [0.0; WIDTH];
        for $i in 0..WIDTH {
            result[$i] = $result;
        }
        result
    }};
}

#[allow(unused_unsafe, reason = "only other instruction sets need it")]
impl Simd for Portable {
    const WIDTH: usize = WIDTH;
    const WIDE: bool = false;

    by_memory!(load, store, splat);
    by_instruction! {
        add(self, b: Self) => elementwise!(i => self.0[i] + b.0[i]);
        sub(self, b: Self) => elementwise!(i => self.0[i] - b.0[i]);
        mul(self, b: Self) => elementwise!(i => self.0[i] * b.0[i]);
        div(self, b: Self) => elementwise!(i => self.0[i] / b.0[i]);
        sqrt(self) => elementwise!(i => self.0[i].sqrt());
        fma(self, a: Self, b: Self) => elementwise!(i => self.0[i] + a.0[i] * b.0[i]);
        max(self, b: Self) => elementwise!(i => if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] });
        min(self, b: Self) => elementwise!(i => if self.0[i] < b.0[i] { self.0[i] } else { b.0[i] });
        select(self, bits: u16) => elementwise!(i => if bits >> i & 1 == 1 { self.0[i] } else { 0.0 });
        flush_below(self, limit: f32) => {
            elementwise!(i => if self.0[i].abs() < limit { 0.0 } else { self.0[i] })
        };
        exp2_of_integer(self) => {
            elementwise!(i => f32::from_bits(((self.0[i] as i32 + 127) as u32) << 23))
        };
        round(self) => elementwise!(i => self.0[i].round_ties_even());
    }

    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        let mut bits = 0;
        for i in 0..WIDTH {
            bits |= u16::from(self.0[i] > 0.0) << i;
        }
        bits
    }
}
