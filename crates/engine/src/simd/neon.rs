//! NEON: 4 floats in a register, 32 registers.

use std::arch::aarch64::*;

use super::Simd;

/// 4 floats.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

const BITS: [u32; 4] = [1, 2, 4, 8];

// SAFETY of every block below: the trait's callers vouch for the instruction set and the pointers.
impl Simd for Neon {
    const WIDTH: usize = 4;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as above.
        Self(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as above.
        Self(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vsqrtq_f32(self.0) })
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vfmaq_f32(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: as above. NEON's own maximum is no number where either is.
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        // SAFETY: as above.
        unsafe { vaddvq_u32(vandq_u32(vcgtzq_f32(self.0), vld1q_u32(BITS.as_ptr()))) as u16 }
    }
    #[inline(always)]
    unsafe fn select(self, bits: u16) -> Self {
        // SAFETY: as above.
        unsafe {
            let mask = vtstq_u32(vdupq_n_u32(u32::from(bits)), vld1q_u32(BITS.as_ptr()));
            Self(vreinterpretq_f32_u32(vandq_u32(
                mask,
                vreinterpretq_u32_f32(self.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn flush_below(self, limit: f32) -> Self {
        // SAFETY: as above. What is no number is not less, and is kept.
        unsafe {
            let less = vcaltq_f32(self.0, vdupq_n_f32(limit));
            Self(vreinterpretq_f32_u32(vbicq_u32(
                vreinterpretq_u32_f32(self.0),
                less,
            )))
        }
    }
    #[inline(always)]
    unsafe fn exp2_of_integer(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let biased = vaddq_s32(vcvtnq_s32_f32(self.0), vdupq_n_s32(127));
            Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
        }
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vrndnq_f32(self.0) })
    }
}
