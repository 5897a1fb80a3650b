//! A vector of floats, for each instruction set.
//!
//! The kernels are written once, generic over [`Simd`], and compiled once for each instruction set
//! by [`dispatch!`](crate::dispatch). Everything on the way from there to an instruction is
//! `#[inline(always)]` and none of it is a closure, for a closure does not inherit the
//! instruction set of the function that it stands in.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
#[cfg(test)]
mod tests;

/// Images of a block: the innermost axis of the [blocked layout](crate::blocked), whatever the
/// width of a register is.
pub const LANES: usize = 16;

/// `WIDTH` floats in a register.
///
/// # Safety
/// Every function must only be called where the type's instruction set is enabled and the machine
/// has it; pointers must be valid for `WIDTH` floats, but need no alignment.
pub(crate) trait Simd: Copy {
    /// Floats of a register; divides [`LANES`].
    const WIDTH: usize;
    /// Whether there are 32 registers, so that tiles of 24 sums fit; else there are 16.
    const WIDE: bool;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `self + a * b`, rounded once where the machine can.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// `other` where it is greater or no number, else `self`.
    unsafe fn max(self, other: Self) -> Self;
    /// `other` where it is less or no number, else `self`.
    unsafe fn min(self, other: Self) -> Self;
    /// A bit for each element that is greater than 0.
    unsafe fn positive(self) -> u16;
    /// The elements whose bit is set, and 0 for the others.
    unsafe fn select(self, bits: u16) -> Self;
    /// 0 where the magnitude is below `limit`.
    unsafe fn flush_below(self, limit: f32) -> Self;
    /// 2 to the power of integers between -126 and 127.
    unsafe fn exp2_of_integer(self) -> Self;
    /// The nearest integer, of halves the even one.
    unsafe fn round(self) -> Self;

    /// Register and pointer as they are, but the compiler reads behind the pointer only when it has
    /// the register. Where all registers are in use, a compiler that reads ahead has to store one.
    #[inline(always)]
    unsafe fn before(self, pointer: *const f32) -> (Self, *const f32) {
        (self, pointer)
    }

    /// Sums the rows of a matrix of 16x16 floats: lane i to lane i+8, then i+4, i+2, i+1, the same
    /// tree on each instruction set, so that they give the same bits.
    #[inline(always)]
    unsafe fn sum_rows(rows: *const f32, sums: *mut f32) {
        for row in 0..LANES {
            // SAFETY: the caller vouches for 16x16 floats and 16 sums.
            unsafe { *sums.add(row) = sum_lanes(rows.add(row * LANES)) }
        }
    }

    /// Transposes 16x16 floats from rows `from_stride` apart to rows `to_stride` apart.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..LANES {
            for column in 0..LANES {
                // SAFETY: the caller vouches for 16 rows of 16 floats on both sides.
                unsafe {
                    *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
                }
            }
        }
    }
}

/// The sum of 16 floats by the tree of [`Simd::sum_rows`].
#[inline(always)]
pub(crate) unsafe fn sum_lanes(row: *const f32) -> f32 {
    let mut lanes = [0.0; LANES];
    // SAFETY: the caller vouches for 16 floats.
    unsafe { std::ptr::copy_nonoverlapping(row, lanes.as_mut_ptr(), LANES) };
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `e^x` to about one unit in the last place, 0 below -87.3 (where f32 has no normal number left)
/// and e^88 above 88.
///
/// Cephes' `expf` (Moshier 1989, <https://www.netlib.org/cephes/>): `x = n ln 2 + r`, a polynomial
/// of degree 7 in r, times `2^n`; ln 2 in two parts, so that r is exact.
#[inline(always)]
pub(crate) unsafe fn exp<V: Simd>(x: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let clamped = V::splat(88.0).min(V::splat(-87.3).max(x));
        let n = clamped.mul(V::splat(std::f32::consts::LOG2_E)).round();
        let r = clamped
            .fma(n, V::splat(-0.693_359_4))
            .fma(n, V::splat(2.121_944_4e-4));
        let mut p = V::splat(1.987_569_1e-4);
        for coefficient in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            0.166_666_65,
            0.5,
        ] {
            p = V::splat(coefficient).fma(p, r);
        }
        let y = V::splat(1.0).add(r).fma(p, r.mul(r));
        let y = y.mul(n.exp2_of_integer());
        // Probabilities below 1e-37 would become denormal numbers in the backward pass, which cost
        // a hundred times as much; they are nothing beside the others.
        y.flush_below(1e-37)
    }
}

/// `tanh x` to within 4e-7, or 7 units in the last place where the result is no less than 1e-34: the
/// rational function of degree 13 by 6 that Eigen uses (<https://gitlab.com/libeigen/eigen>,
/// `generic_fast_tanh_float`). From 7.9 on it is 0.9999999, never more than 1.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Simd>(x: V) -> V {
    const NUMERATOR: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619e-4,
        4.893_524_6e-3,
    ];
    const DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let x = V::splat(7.905_311).min(V::splat(-7.905_311).max(x));
        let x2 = x.mul(x);
        let mut p = V::splat(NUMERATOR[0]);
        let mut i = 1;
        while i < NUMERATOR.len() {
            p = V::splat(NUMERATOR[i]).fma(p, x2);
            i += 1;
        }
        let mut q = V::splat(DENOMINATOR[0]);
        i = 1;
        while i < DENOMINATOR.len() {
            q = V::splat(DENOMINATOR[i]).fma(q, x2);
            i += 1;
        }
        x.mul(p).div(q)
    }
}

/// Functions of [`Simd`] from registers to a register, each by an expression of the machine's type.
macro_rules! by_instruction {
    ($($name:ident($this:ident $(, $arg:ident: $type:ty)*) => $result:expr;)*) => {$(
        #[inline(always)]
        unsafe fn $name($this $(, $arg: $type)*) -> Self {
            // SAFETY: the trait's bound: the instruction set is enabled.
            Self(unsafe { $result })
        }
    )*};
}
pub(crate) use by_instruction;

/// The functions of [`Simd`] between registers and memory, each by an instruction.
macro_rules! by_memory {
    ($load:ident, $store:ident, $splat:ident) => {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the trait's bounds: the instruction set is enabled, `from` valid for a register.
            Self(unsafe { $load(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the trait's bounds: the instruction set is enabled, `to` valid for a register.
            unsafe { $store(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the trait's bound: the instruction set is enabled.
            Self(unsafe { $splat(value) })
        }
    };
}
pub(crate) use by_memory;

/// Compiles a generic kernel for every instruction set, and chooses among them at run time.
macro_rules! dispatch {
    ($(#[$attribute:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) => $generic:ident) => {
        $(#[$attribute])*
        $vis unsafe fn $name(isa: $crate::Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512($($arg: $type),*) {
                // SAFETY: the instruction set is enabled here; the rest is the caller's.
                unsafe { $generic::<$crate::simd::avx512::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $type),*) {
                // SAFETY: the instruction set is enabled here; the rest is the caller's.
                unsafe { $generic::<$crate::simd::avx2::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($arg: $type),*) {
                // SAFETY: the instruction set is enabled here; the rest is the caller's.
                unsafe { $generic::<$crate::simd::neon::Neon>($($arg),*) }
            }
            // SAFETY: an `Isa` exists only where the machine has it; the rest is the caller's.
            unsafe {
                match isa.kind {
                    #[cfg(target_arch = "x86_64")]
                    $crate::isa::Kind::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::isa::Kind::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::isa::Kind::Neon => neon($($arg),*),
                    $crate::isa::Kind::Portable => {
                        $generic::<$crate::simd::portable::Portable>($($arg),*)
                    }
                }
            }
        }
    };
}
pub(crate) use dispatch;
