//! What one thread can do at best: nothing but multiply-adds in registers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use lenet_engine::Isa;

/// Multiply-adds of a chain: a third of a millisecond, and exact as a float.
const LINKS: usize = 1 << 16;

/// Floating-point operations a second of one thread, two a multiply-add: the roof under which every
/// kernel stays. None for instruction sets other than AVX-512 and AVX2.
///
/// The best of many short runs, so that what else happens on the machine lowers it little.
pub fn fma_roof(isa: Isa) -> Option<f64> {
    let run: unsafe fn(f32) -> (usize, f32) = match isa.name() {
        #[cfg(target_arch = "x86_64")]
        "avx512" => x86::avx512,
        #[cfg(target_arch = "x86_64")]
        "avx2" => x86::avx2,
        _ => return None,
    };
    let mut best = 0_f64;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(200) {
        let start = Instant::now();
        // SAFETY: an `Isa` exists only if the machine has its instructions.
        let (elements, sum) = unsafe { run(black_box(1.)) };
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(sum, LINKS as f32, "the time was not that of the work");
        best = best.max((2 * elements * LINKS) as f64 / seconds);
    }
    Some(best)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Counts up in CHAINS registers, by `one + sum * one`, which the compiler does not know to be
    /// a count; returns how many elements there are, and the first count. More chains than an
    /// operation's latency times the machine's units for it.
    macro_rules! chains {
        ($name:ident, $features:literal, $chains:literal, $width:literal,
         $splat:ident, $fma:ident, $first:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(one: f32) -> (usize, f32) {
                let one = $splat(one);
                let mut sums = [$splat(0.); $chains];
                for _ in 0..super::LINKS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, one, one);
                    }
                }
                let firsts = sums.map(|sum| $first(sum));
                assert!(firsts.iter().all(|first| *first == firsts[0]));
                ($chains * $width, firsts[0])
            }
        };
    }
    chains!(
        avx512,
        "avx512f",
        24,
        16,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_cvtss_f32
    );
    chains!(
        avx2,
        "avx2,fma",
        12,
        8,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_cvtss_f32
    );
}
