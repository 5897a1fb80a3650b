//! NEON: 4 floats in a register, 32 registers.

use std::arch::aarch64::*;

use super::{Simd, by_instruction, by_memory};

/// 4 floats.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

const BITS: [u32; 4] = [1, 2, 4, 8];

impl Simd for Neon {
    const WIDTH: usize = 4;
    const WIDE: bool = true;

    by_memory!(vld1q_f32, vst1q_f32, vdupq_n_f32);
    by_instruction! {
        add(self, b: Self) => vaddq_f32(self.0, b.0);
        sub(self, b: Self) => vsubq_f32(self.0, b.0);
        mul(self, b: Self) => vmulq_f32(self.0, b.0);
        div(self, b: Self) => vdivq_f32(self.0, b.0);
        sqrt(self) => vsqrtq_f32(self.0);
        fma(self, a: Self, b: Self) => vfmaq_f32(self.0, a.0, b.0);
        // NEON's own maximum is NaN if either is.
        max(self, b: Self) => vbslq_f32(vcgtq_f32(self.0, b.0), self.0, b.0);
        min(self, b: Self) => vbslq_f32(vcltq_f32(self.0, b.0), self.0, b.0);
        select(self, bits: u16) => {
            let mask = vtstq_u32(vdupq_n_u32(u32::from(bits)), vld1q_u32(BITS.as_ptr()));
            vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(self.0)))
        };
        flush_below(self, limit: f32) => {
            // NaN is not less, and is kept.
            let less = vcaltq_f32(self.0, vdupq_n_f32(limit));
            vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(self.0), less))
        };
        exp2_of_integer(self) => {
            let biased = vaddq_s32(vcvtnq_s32_f32(self.0), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        };
        round(self) => vrndnq_f32(self.0);
    }

    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        // SAFETY: NEON is enabled, and there are four bits.
        unsafe { vaddvq_u32(vandq_u32(vcgtzq_f32(self.0), vld1q_u32(BITS.as_ptr()))) as u16 }
    }
}
