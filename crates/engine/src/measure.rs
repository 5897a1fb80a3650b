//! For benches: each kernel by itself, and what one thread of the machine can do at best.
//!
//! A feature of its own, `measure`, for nothing but a bench needs it.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Isa;
pub use crate::engine::kernels::{Kernel, Kernels, Work};
use crate::simd::{LANES, Simd, dispatch};

/// Chains of one call of [`chains`], at most.
const CHAINS: usize = 24;
/// Links of a chain: a third of a millisecond, and exact as a float.
const LINKS: usize = 1 << 16;

/// Floating-point operations a second of one thread that does nothing but multiply and add in
/// registers, two operations each: the roof under which every kernel stays.
///
/// The best of many short runs, so that what else happens on the machine lowers it little.
///
/// # Panics
/// If the sums are wrong: then the time was not that of the work.
pub fn fma_roof(isa: Isa, time: Duration) -> f64 {
    let (mut best, mut few) = (0_f64, false);
    let begun = Instant::now();
    while best == 0.0 || begun.elapsed() < time {
        let mut sums = [[0_f32; LANES]; CHAINS];
        let mut elements = 0;
        let start = Instant::now();
        // SAFETY: there is room for the chains in registers of up to 16 floats.
        unsafe { chains(isa, few, black_box(1.0), &mut sums, &mut elements) };
        let seconds = start.elapsed().as_secs_f64();
        let sums = sums.as_flattened();
        let expected = |chain: usize| (chain + LINKS) as f32;
        assert!(sums[..elements].iter().all(|sum| *sum >= expected(0)));
        assert_eq!(sums[0], expected(0));
        assert!(sums[elements..].iter().all(|sum| *sum == 0.0));
        best = best.max((2 * elements * LINKS) as f64 / seconds);
        few = !few;
    }
    best
}

dispatch! {
    /// Counts up from 0, 1, 2 ... in one register each, by `one + sum * one`, which the compiler
    /// does not know to be a count; and says how many elements there are in all registers.
    fn chains(
        few: bool,
        one: f32,
        sums: &mut [[f32; LANES]; CHAINS],
        elements: &mut usize,
    ) => chains_generic
}

#[inline(always)]
unsafe fn chains_generic<V: Simd>(
    few: bool,
    one: f32,
    sums: &mut [[f32; LANES]; CHAINS],
    elements: &mut usize,
) {
    // More chains than an operation's latency times the machine's units for it, but no more than
    // there are registers, of which the portable vector takes two.
    // SAFETY: the caller's.
    unsafe {
        match (V::WIDE, few) {
            (true, false) => chain::<V, CHAINS>(one, sums, elements),
            (_, false) => chain::<V, 12>(one, sums, elements),
            (_, true) => chain::<V, 6>(one, sums, elements),
        }
    }
}

#[inline(always)]
unsafe fn chain<V: Simd, const N: usize>(
    one: f32,
    sums: &mut [[f32; LANES]; CHAINS],
    elements: &mut usize,
) {
    // SAFETY: N registers have room in `sums`.
    unsafe {
        let one = V::splat(one);
        let mut chains = [one; N];
        for n in 0..N {
            chains[n] = V::splat(n as f32);
        }
        for _ in 0..LINKS {
            for n in 0..N {
                chains[n] = one.fma(chains[n], one);
            }
        }
        let to = sums.as_flattened_mut().as_mut_ptr();
        for n in 0..N {
            chains[n].store(to.add(n * V::WIDTH));
        }
        *elements = N * V::WIDTH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roof_is_above_a_tenth_of_a_gflops() {
        for isa in Isa::available() {
            let roof = fma_roof(isa, Duration::ZERO);
            assert!(roof > 1e8, "{isa}: {roof}");
        }
    }
}
