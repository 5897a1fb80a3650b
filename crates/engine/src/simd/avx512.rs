//! AVX-512: 16 floats in a register, 32 registers.

use std::arch::x86_64::*;

use super::{Simd, by_instruction, by_memory};

/// 16 floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

impl Simd for Avx512 {
    const WIDTH: usize = 16;
    const WIDE: bool = true;

    by_memory!(_mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps);
    by_instruction! {
        add(self, b: Self) => _mm512_add_ps(self.0, b.0);
        sub(self, b: Self) => _mm512_sub_ps(self.0, b.0);
        mul(self, b: Self) => _mm512_mul_ps(self.0, b.0);
        div(self, b: Self) => _mm512_div_ps(self.0, b.0);
        sqrt(self) => _mm512_sqrt_ps(self.0);
        fma(self, a: Self, b: Self) => _mm512_fmadd_ps(a.0, b.0, self.0);
        max(self, b: Self) => _mm512_max_ps(self.0, b.0);
        min(self, b: Self) => _mm512_min_ps(self.0, b.0);
        select(self, bits: u16) => _mm512_maskz_mov_ps(bits, self.0);
        flush_below(self, limit: f32) => {
            // Not-less-than keeps NaN.
            let (size, limit) = (_mm512_abs_ps(self.0), _mm512_set1_ps(limit));
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(size, limit), self.0)
        };
        exp2_of_integer(self) => {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        };
        round(self) => _mm512_roundscale_ps::<0>(self.0);
    }

    #[inline(always)]
    unsafe fn positive(self) -> u16 {
        // SAFETY: AVX-512 is enabled.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps()) }
    }

    /// Folds pairs of rows into one register, level by level: 30 shuffles for 16 rows.
    #[inline(always)]
    unsafe fn sum_rows(rows: *const f32, sums: *mut f32) {
        // SAFETY: AVX-512 is enabled, `rows` valid for 16 rows of 16 floats and `sums` for 16.
        unsafe {
            macro_rules! row {
                ($r:expr) => {
                    _mm512_loadu_ps(rows.add($r * 16))
                };
            }
            // Lanes i and i + 8 of two rows.
            macro_rules! halves {
                ($r:expr) => {{
                    let (a, b) = (row!($r), row!($r + 1));
                    _mm512_add_ps(
                        _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b),
                        _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b),
                    )
                }};
            }
            // Lanes i and i + 4 of four rows; then a row has four lanes.
            macro_rules! quarters {
                ($r:expr) => {{
                    let (a, b) = (halves!($r), halves!($r + 2));
                    _mm512_add_ps(
                        _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                        _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                    )
                }};
            }
            // Lanes i and i + 2 of eight rows.
            macro_rules! eighths {
                ($r:expr) => {{
                    let (a, b) = (quarters!($r), quarters!($r + 4));
                    _mm512_add_ps(
                        _mm512_shuffle_ps::<0b01_00_01_00>(a, b),
                        _mm512_shuffle_ps::<0b11_10_11_10>(a, b),
                    )
                }};
            }
            let (a, b) = (eighths!(0), eighths!(8));
            let sum = _mm512_add_ps(
                _mm512_shuffle_ps::<0b10_00_10_00>(a, b),
                _mm512_shuffle_ps::<0b11_01_11_01>(a, b),
            );
            // Lane 4q + j now belongs to row q + 4j.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_storeu_ps(sums, _mm512_permutexvar_ps(order, sum));
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: AVX-512 is enabled, both pointers valid for 16 rows of 16 floats.
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for i in 0..16 {
                r[i] = _mm512_loadu_ps(from.add(i * from_stride));
            }
            let mut t = r;
            // Pairs of rows, then quadruples, within quarters of a register.
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..4 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]];
                r[4 * i] = _mm512_shuffle_ps::<0b01_00_01_00>(a, c);
                r[4 * i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(a, c);
                r[4 * i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(b, d);
                r[4 * i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(b, d);
            }
            // Quarters of registers.
            for i in 0..4 {
                let [a, b, c, d] = [r[i], r[i + 4], r[i + 8], r[i + 12]];
                let ab_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                let ab_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
                let cd_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
                let cd_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
                t[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_even, cd_even);
                t[i + 8] = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_even, cd_even);
                t[i + 4] = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_odd, cd_odd);
                t[i + 12] = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_odd, cd_odd);
            }
            for i in 0..16 {
                _mm512_storeu_ps(to.add(i * to_stride), t[i]);
            }
        }
    }
}
