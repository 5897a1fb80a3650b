//! Each instruction set against plain Rust, element by element.

use super::{LANES, Simd, dispatch};
use crate::Isa;

/// An operation on each element of an array whose length is a multiple of 16.
macro_rules! elementwise {
    ($name:ident, $generic:ident, |$x:ident| $result:expr) => {
        dispatch! {
            fn $name(from: &[f32], to: &mut [f32]) => $generic
        }

        #[inline(always)]
        unsafe fn $generic<V: Simd>(from: &[f32], to: &mut [f32]) {
            assert!(from.len() == to.len() && from.len().is_multiple_of(LANES));
            for i in (0..from.len()).step_by(V::WIDTH) {
                // SAFETY: a register's width of both is left.
                unsafe {
                    let $x = V::load(from.as_ptr().add(i));
                    $result.store(to.as_mut_ptr().add(i));
                }
            }
        }
    };
}

elementwise!(exp, exp_generic, |x| super::exp(x));
elementwise!(tanh, tanh_generic, |x| super::tanh(x));
elementwise!(round, round_generic, |x| x.round());
elementwise!(exp2, exp2_generic, |x| x.exp2_of_integer());
elementwise!(flush, flush_generic, |x| x.flush_below(LIMIT));
elementwise!(max_of_0, max_of_0_generic, |x| V::splat(0.0).max(x));
elementwise!(min_of_0, min_of_0_generic, |x| V::splat(0.0).min(x));
elementwise!(and_max_0, and_max_0_generic, |x| x.max(V::splat(0.0)));
elementwise!(sqrt, sqrt_generic, |x| x.sqrt());
elementwise!(arithmetic, arithmetic_generic, |x| {
    x.add(V::splat(3.0)).mul(x).sub(V::splat(0.5)).div(x)
});
// The mask, as a number.
dispatch! {
    fn positive(from: &[f32], to: &mut Vec<u16>) => positive_generic
}
dispatch! {
    fn select(from: &[f32], masks: &[u16], to: &mut [f32]) => select_generic
}
dispatch! {
    fn sum_rows(rows: &[f32; 256], sums: &mut [f32; 16]) => sum_rows_generic
}
dispatch! {
    fn transpose(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) => transpose_generic
}
dispatch! {
    fn fma(operands: [f32; 3], result: &mut f32) => fma_generic
}
const LIMIT: f32 = 1e-30;

#[inline(always)]
unsafe fn positive_generic<V: Simd>(from: &[f32], to: &mut Vec<u16>) {
    assert!(from.len().is_multiple_of(LANES));
    for i in (0..from.len()).step_by(V::WIDTH) {
        // SAFETY: a register's width is left.
        to.push(unsafe { V::load(from.as_ptr().add(i)).positive() });
    }
}

/// A mask for each register.
#[inline(always)]
unsafe fn select_generic<V: Simd>(from: &[f32], masks: &[u16], to: &mut [f32]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(LANES));
    for i in (0..from.len()).step_by(V::WIDTH) {
        // SAFETY: a register's width of both is left.
        unsafe {
            let x = V::load(from.as_ptr().add(i));
            x.select(masks[i / V::WIDTH]).store(to.as_mut_ptr().add(i));
        }
    }
}

#[inline(always)]
unsafe fn sum_rows_generic<V: Simd>(rows: &[f32; 256], sums: &mut [f32; 16]) {
    // SAFETY: 16 rows of 16, and 16 sums.
    unsafe { V::sum_rows(rows.as_ptr(), sums.as_mut_ptr()) }
}

#[inline(always)]
unsafe fn transpose_generic<V: Simd>(
    from: &[f32],
    from_stride: usize,
    to: &mut [f32],
    to_stride: usize,
) {
    assert!(from.len() >= 15 * from_stride + 16 && to.len() >= 15 * to_stride + 16);
    // SAFETY: there are 16 rows of 16 on both sides.
    unsafe { V::transpose(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride) }
}

#[inline(always)]
unsafe fn fma_generic<V: Simd>([sum, a, b]: [f32; 3], result: &mut f32) {
    let mut lanes = [0.0; LANES];
    // SAFETY: a register has at most 16 lanes.
    unsafe {
        V::splat(sum)
            .fma(V::splat(a), V::splat(b))
            .store(lanes.as_mut_ptr());
    }
    *result = lanes[0];
}

/// An operation of this module.
type Elementwise = unsafe fn(Isa, &[f32], &mut [f32]);

/// The operation of as many numbers as there are, whatever their number.
fn run(isa: Isa, operation: Elementwise, numbers: &[f32]) -> Vec<f32> {
    let mut padded = numbers.to_vec();
    padded.resize(numbers.len().next_multiple_of(LANES), 1.0);
    let mut result = vec![f32::NAN; padded.len()];
    // SAFETY: the arrays are equally long, their length is a multiple of 16.
    unsafe { operation(isa, &padded, &mut result) };
    result.truncate(numbers.len());
    result
}

/// Every 1,999th float there is, of both signs, infinite ones and NaN among them, and the borders
/// by name.
fn all_over() -> Vec<f32> {
    let step = (0..u32::MAX).step_by(1_999).map(f32::from_bits);
    let (nan, infinite, least) = (f32::NAN, f32::INFINITY, f32::MIN_POSITIVE);
    let below = LIMIT.next_down();
    let named = [
        0.0,
        -0.0,
        nan,
        infinite,
        -infinite,
        least,
        f32::MAX,
        f32::MIN,
    ];
    let named = named.into_iter().chain([LIMIT, -LIMIT, below, -below]);
    step.chain(named).collect()
}

/// From -200 to 200 in equal steps, where the functions live; the other floats are dense near 0.
fn even() -> Vec<f32> {
    (-2_000_000..2_000_000).map(|i| i as f32 * 1e-4).collect()
}

/// Units in the last place of f32 between a value and what it should be.
fn units(value: f32, exact: f64) -> f64 {
    let exact_f32 = (exact as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(exact_f32.next_up() - exact_f32);
    (f64::from(value) - exact).abs() / unit
}

#[test]
fn exp_over_the_whole_range() {
    for isa in Isa::available() {
        for numbers in [even(), all_over()] {
            for (x, y) in std::iter::zip(&numbers, run(isa, exp, &numbers)) {
                let exact = f64::from(*x).exp();
                if x.is_nan() {
                    assert!(y.is_nan(), "{isa}: exp of {x} is {y}");
                } else if *x > 88.0 {
                    let most = 88_f64.exp();
                    assert!(units(y, most) < 2.0, "{isa}: exp of {x} is {y}");
                } else if exact < 0.9e-37 {
                    assert_eq!(y, 0.0, "{isa}: exp of {x}");
                } else if exact > 1.1e-37 {
                    assert!(
                        units(y, exact) < 2.0,
                        "{isa}: exp of {x} is {y}, not {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn tanh_over_the_whole_range() {
    for isa in Isa::available() {
        for numbers in [even(), all_over()] {
            for (x, y) in std::iter::zip(&numbers, run(isa, tanh, &numbers)) {
                if x.is_nan() {
                    assert!(y.is_nan(), "{isa}: tanh of {x} is {y}");
                    continue;
                }
                let exact = f64::from(*x).tanh();
                let off = (f64::from(y) - exact).abs();
                // Products of numbers next to the least normal one lose digits.
                let near = units(y, exact) < 7.0 || exact.abs() < 1e-34;
                assert!(near && off < 4e-7, "{isa}: tanh of {x} is {y}, not {exact}");
                assert_eq!(
                    y.is_sign_negative(),
                    x.is_sign_negative(),
                    "{isa}: tanh of {x}"
                );
                // Beyond 1 the slope 1 - y² would have the wrong sign.
                assert!(y.abs() <= 1.0, "{isa}: tanh of {x} is {y}");
            }
        }
    }
}

#[test]
fn operations_are_those_of_plain_rust() {
    type Plain = fn(f32) -> f32;
    let operations: [(&str, Elementwise, Plain); 7] = [
        ("sqrt", sqrt, f32::sqrt),
        ("arithmetic", arithmetic, |x| ((x + 3.0) * x - 0.5) / x),
        (
            "flush_below",
            flush,
            |x| if x.abs() < LIMIT { 0.0 } else { x },
        ),
        ("max(0, x)", max_of_0, |x| if 0.0 > x { 0.0 } else { x }),
        ("min(0, x)", min_of_0, |x| if 0.0 < x { 0.0 } else { x }),
        // NaN is forgotten if it stands first.
        ("max(x, 0)", and_max_0, |x| if x > 0.0 { x } else { 0.0 }),
        ("round", round, f32::round_ties_even),
    ];
    let halves = (-200..200).map(|i| i as f32 / 2.0);
    let numbers: Vec<f32> = halves.chain(all_over()).collect();
    for isa in Isa::available() {
        for (name, operation, plain) in operations {
            for (x, y) in std::iter::zip(&numbers, run(isa, operation, &numbers)) {
                let expected = plain(*x);
                let same = y == expected || y.is_nan() && expected.is_nan();
                assert!(same, "{isa}: {name} of {x:e} is {y:e}, not {expected:e}");
            }
        }
    }
}

#[test]
fn powers_of_two() {
    let integers: Vec<f32> = (-126..=127).map(|i| i as f32).collect();
    for isa in Isa::available() {
        let powers = run(isa, exp2, &integers);
        for (n, power) in std::iter::zip(&integers, powers) {
            assert_eq!(power, n.exp2(), "{isa}: 2 to the power of {n}");
        }
    }
}

/// The portable one rounds twice, and says so.
#[test]
fn fma_rounds_once_where_the_machine_can() {
    // (1 + 2⁻¹²)² - (1 + 2⁻¹¹) is 2⁻²⁴, for which the product alone has too few digits.
    let x = 1.0 + 2_f32.powi(-12);
    for isa in Isa::available() {
        let mut result = f32::NAN;
        // SAFETY: it works on its own memory.
        unsafe { fma(isa, [-1.0 - 2_f32.powi(-11), x, x], &mut result) };
        let expected = match isa.name() {
            "portable" => 0.0,
            _ => 2_f32.powi(-24),
        };
        assert_eq!(result, expected, "{isa}");
    }
}

#[test]
fn masks_have_a_bit_for_each_lane() {
    let (nan, infinite) = (f32::NAN, f32::INFINITY);
    let numbers = [
        [1.0, 0.0, -1.0, nan, infinite, -0.0, 1e-45, -infinite],
        [2.0, 3.0, nan, -1e-45, 0.0, 4.0, f32::MAX, f32::MIN],
    ];
    let numbers = numbers.as_flattened();
    for isa in Isa::available() {
        let (width, mut masks) = (isa.width(), Vec::new());
        // SAFETY: 16 numbers.
        unsafe { positive(isa, numbers, &mut masks) };
        assert_eq!(masks.len(), LANES / width, "{isa}");
        let together = masks.iter().rev().fold(0_u32, |all, mask| {
            assert_eq!(
                u32::from(*mask) >> width,
                0,
                "{isa}: bits beyond the register"
            );
            all << width | u32::from(*mask)
        });
        let bits = (0..LANES).filter(|i| numbers[*i] > 0.0).map(|i| 1 << i);
        assert_eq!(together, bits.sum::<u32>(), "{isa}");

        let numbers: Vec<f32> = (1..=16).map(|i| i as f32).collect();
        for set in (0..=u16::MAX).step_by(37) {
            let part = |part: usize| (u32::from(set) >> (part * width) & ((1 << width) - 1)) as u16;
            let masks: Vec<u16> = (0..LANES / width).map(part).collect();
            let mut selected = [f32::NAN; LANES];
            // SAFETY: 16 numbers on both sides, and a mask for each register.
            unsafe { select(isa, &numbers, &masks, &mut selected) };
            for (i, selected) in selected.into_iter().enumerate() {
                let expected = if set >> i & 1 == 1 { numbers[i] } else { 0.0 };
                assert_eq!(selected, expected, "{isa}, {set:b}");
            }
        }
    }
}

/// In bits, for the tree of additions is the same everywhere: numbers of all magnitudes, so that
/// another tree rounds otherwise.
#[test]
fn rows_are_summed_by_one_tree() {
    let mut rows = [0.0_f32; 256];
    for (i, number) in rows.iter_mut().enumerate() {
        let hash = (i as u32 + 1).wrapping_mul(2_654_435_761);
        *number = (hash as f32 / 3e9 - 0.7) * (1 << (hash >> 28)) as f32;
    }
    let tree = |row: &[f32]| {
        let mut level = row.to_vec();
        while level.len() > 1 {
            let (low, high) = level.split_at(level.len() / 2);
            level = std::iter::zip(low, high).map(|(a, b)| a + b).collect();
        }
        level[0].to_bits()
    };
    let expected: Vec<u32> = rows.chunks(16).map(tree).collect();
    // Another order gives other bits, so that equality means something.
    let straight = rows.chunks(16).map(|row| row.iter().sum::<f32>().to_bits());
    assert!(straight.ne(expected.iter().copied()));
    for isa in Isa::available() {
        let mut sums = [f32::NAN; 16];
        // SAFETY: 16 rows of 16, and 16 sums.
        unsafe { sum_rows(isa, &rows, &mut sums) };
        assert_eq!(sums.map(f32::to_bits).to_vec(), expected, "{isa}");
        // SAFETY: 16 floats.
        let last = unsafe { super::sum_lanes(rows.as_ptr().add(240)) };
        assert_eq!(last.to_bits(), expected[15]);
    }
}

#[test]
fn transposition_keeps_to_its_rows() {
    for (from_stride, to_stride) in [(16, 16), (16, 48), (32, 16), (17, 19)] {
        let from: Vec<f32> = (0..16 * from_stride).map(|i| i as f32).collect();
        for isa in Isa::available() {
            let mut to = vec![-1.0; 16 * to_stride];
            // SAFETY: 16 rows of their stride.
            unsafe { transpose(isa, &from, from_stride, &mut to, to_stride) };
            for (i, number) in to.into_iter().enumerate() {
                let (row, column) = (i / to_stride, i % to_stride);
                let expected = match column {
                    0..16 => from[column * from_stride + row],
                    _ => -1.0,
                };
                assert_eq!(number, expected, "{isa}, row {row}, column {column}");
            }
        }
    }
}
