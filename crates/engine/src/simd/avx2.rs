//! AVX2 with FMA: 8 floats in a register, 16 registers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Simd, by_instruction, by_memory};

/// 8 floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// No instruction at all, but the compiler believes that the pointer depends on the register.
#[inline]
#[target_feature(enable = "avx2,fma")]
#[allow(
    clippy::pointers_in_nomem_asm_block,
    reason = "the pointer is handed on, not read from"
)]
fn before(mut register: __m256, mut pointer: *const f32) -> (__m256, *const f32) {
    // SAFETY: both stay as and where they are.
    unsafe {
        asm!(
            "/* {0} {1} */",
            inout(ymm_reg) register,
            inout(reg) pointer,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    (register, pointer)
}

impl Simd for Avx2 {
    const WIDTH: usize = 8;
    const WIDE: bool = false;

    by_memory!(_mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps);
    by_instruction! {
        add(self, b: Self) => _mm256_add_ps(self.0, b.0);
        sub(self, b: Self) => _mm256_sub_ps(self.0, b.0);
        mul(self, b: Self) => _mm256_mul_ps(self.0, b.0);
        div(self, b: Self) => _mm256_div_ps(self.0, b.0);
        sqrt(self) => _mm256_sqrt_ps(self.0);
        fma(self, a: Self, b: Self) => _mm256_fmadd_ps(a.0, b.0, self.0);
        max(self, b: Self) => _mm256_max_ps(self.0, b.0);
        min(self, b: Self) => _mm256_min_ps(self.0, b.0);
        select(self, bits: u16) => {
            let own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), own);
            _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, own)), self.0)
        };
        flush_below(self, limit: f32) => {
            // Not-less-than keeps NaN.
            let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0);
            let kept = _mm256_cmp_ps::<_CMP_NLT_UQ>(size, _mm256_set1_ps(limit));
            _mm256_and_ps(kept, self.0)
        };
        exp2_of_integer(self) => {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        };
        round(self) => _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0);
    }

    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        // SAFETY: AVX2 is enabled.
        unsafe {
            let greater = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
            _mm256_movemask_ps(greater) as u16
        }
    }

    #[inline(always)]
    unsafe fn before(self, pointer: *const f32) -> (Self, *const f32) {
        // SAFETY: AVX2 and FMA are enabled.
        let (register, pointer) = unsafe { before(self.0, pointer) };
        (Self(register), pointer)
    }
}
