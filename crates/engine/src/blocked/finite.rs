//! Whether numbers are finite.

use crate::simd::{Simd, dispatch};

dispatch! {
    /// Clears `all` if one of `count` floats is infinite or NaN.
    ///
    /// # Safety
    /// `numbers` must hold `count` floats.
    pub(crate) fn all_finite(numbers: *const f32, count: usize, all: &mut bool) => all_finite_generic
}

#[inline(always)]
unsafe fn all_finite_generic<V: Simd>(numbers: *const f32, count: usize, all: &mut bool) {
    let whole = count / V::WIDTH * V::WIDTH;
    // SAFETY: all indices are below `count`.
    unsafe {
        // 0 times a finite number is 0, times any other it is NaN, and so is the sum from then on.
        let mut sum = V::splat(0.0);
        let mut i = 0;
        while i < whole {
            sum = sum.fma(V::load(numbers.add(i)), V::splat(0.0));
            i += V::WIDTH;
        }
        let mut lanes = [0.0_f32; 16];
        sum.store(lanes.as_mut_ptr());
        *all &= lanes.iter().all(|lane| *lane == 0.0);
        while i < count {
            *all &= (*numbers.add(i)).is_finite();
            i += 1;
        }
    }
}
