//! From f32 to the layouts of bf16 that tiles are loaded from.

use std::arch::x86_64::*;

use crate::simd::avx512::Avx512;
use crate::simd::{LANES, Simd};

/// Bytes of 16 pairs of bf16: what two lines of floats become.
pub(crate) const PAIRS: usize = 64;

/// Two lines, one behind the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn both(first: *const f32, second: *const f32) -> __m512i {
    // SAFETY: the caller vouches for 16 floats at each.
    unsafe {
        let both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(second), _mm512_loadu_ps(first));
        std::mem::transmute::<__m512bh, __m512i>(both)
    }
}

/// Two lines as 16 pairs: an image's two numbers side by side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs(first: *const f32, second: *const f32) -> __m512i {
    // Word i of the first line, then word i of the second.
    const ORDER: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 16 {
            order[2 * i] = i as u16;
            order[2 * i + 1] = 16 + i as u16;
            i += 1;
        }
        order
    };
    // SAFETY: the caller's, and the order is 64 bytes.
    unsafe {
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        _mm512_permutexvar_epi16(order, both(first, second))
    }
}

/// Lines (count, 16) to pairs (count / 2, 16, 2), with zeros behind an odd last line.
///
/// # Safety
/// AMX must be available, `from` hold the lines and `to` have room.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) unsafe fn line_pairs(count: usize, from: *const f32, to: *mut u8) {
    let zeros = [0.0_f32; LANES];
    for pair in 0..count.div_ceil(2) {
        // SAFETY: the caller's.
        unsafe {
            let first = from.add(2 * pair * LANES);
            let second = match 2 * pair + 1 < count {
                true => first.add(LANES),
                false => zeros.as_ptr(),
            };
            _mm512_storeu_si512(to.add(pair * PAIRS).cast(), pairs(first, second));
        }
    }
}

/// A map (C, positions, 16) to pairs of channels (positions, C / 2, 16, 2). Rows of `width`
/// positions are written `to_stride` bytes apart. C is even.
///
/// # Safety
/// AMX must be available, `from` hold the map and `to` have room.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) unsafe fn channel_pairs(
    channels: usize,
    height: usize,
    width: usize,
    from: *const f32,
    to: *mut u8,
    to_stride: usize,
) {
    let map = height * width * LANES;
    for y in 0..height {
        for x in 0..width {
            for pair in 0..channels / 2 {
                // SAFETY: the caller's.
                unsafe {
                    let first = from.add(2 * pair * map + (y * width + x) * LANES);
                    let to = to.add(y * to_stride + (x * channels / 2 + pair) * PAIRS);
                    _mm512_storeu_si512(to.cast(), pairs(first, first.add(map)));
                }
            }
        }
    }
}

/// A map (C, H, W, 16) to pairs of rows (C, H / 2, W, 2, 16). H is even.
///
/// # Safety
/// AMX must be available, `from` hold the map and `to` have room.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) unsafe fn row_pairs(
    channels: usize,
    height: usize,
    width: usize,
    from: *const f32,
    to: *mut u8,
) {
    for row in 0..channels * height / 2 {
        for x in 0..width {
            // SAFETY: the caller's.
            unsafe {
                let first = from.add((2 * row * width + x) * LANES);
                let to = to.add((row * width + x) * PAIRS);
                _mm512_storeu_si512(to.cast(), both(first, first.add(width * LANES)));
            }
        }
    }
}

/// Bytes of a row of [`image_pairs`]: 4 for each column, and room for whole registers.
pub(crate) const fn image_pair_stride(columns: usize) -> usize {
    columns.next_multiple_of(LANES) * 4
}

/// Columns of two groups of 16 images, transposed: column i of the first group is the line
/// `column(i)`, of the second the line `second` floats behind it. Writes 16 rows, one for each pair
/// of images, `stride` bytes apart; a row holds a pair of numbers for each column.
///
/// # Safety
/// AMX must be available, the lines must exist and `to` have room for whole registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn image_pairs_of(
    count: usize,
    lines: [*const f32; LANES],
    second: usize,
    to: *mut u8,
    stride: usize,
) {
    let mut words = [0.0_f32; LANES * LANES];
    // SAFETY: the caller's. Pairs of bf16 are moved as the floats that they are not: moves and
    // shuffles do not look at the value.
    unsafe {
        for (i, &line) in lines[..count].iter().enumerate() {
            let both = both(line, line.add(second));
            _mm512_storeu_si512(words.as_mut_ptr().add(i * LANES).cast(), both);
        }
        Avx512::transpose(words.as_ptr(), LANES, to.cast(), stride / 4);
    }
}

/// A map (C, H, W, 16) to one row for each row of the map and pair of images, (H, 8, W, C, 2), each
/// of [`image_pair_stride`] bytes. H is even.
///
/// # Safety
/// AMX must be available, `from` hold the map and `to` have room.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn image_pairs(
    channels: usize,
    height: usize,
    width: usize,
    from: *const f32,
    to: *mut u8,
) {
    let columns = width * channels;
    let stride = image_pair_stride(columns);
    for y in (0..height).step_by(2) {
        for first in (0..columns).step_by(LANES) {
            let count = LANES.min(columns - first);
            let mut lines = [from; LANES];
            for (i, line) in lines[..count].iter_mut().enumerate() {
                let (x, c) = ((first + i) / channels, (first + i) % channels);
                // SAFETY: the caller's.
                *line = unsafe { from.add(((c * height + y) * width + x) * LANES) };
            }
            // SAFETY: the caller's.
            unsafe {
                let to = to.add(y * 8 * stride + first * 4);
                image_pairs_of(count, lines, width * LANES, to, stride);
            }
        }
    }
}

/// Features (count, 16) of two blocks, `second` floats apart, to a row for each pair of images,
/// (16, count, 2), each of [`image_pair_stride`] bytes.
///
/// # Safety
/// AMX must be available, `from` hold the features of both blocks and `to` have room.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn feature_rows(count: usize, from: *const f32, second: usize, to: *mut u8) {
    let stride = image_pair_stride(count);
    for first in (0..count).step_by(LANES) {
        let own = LANES.min(count - first);
        let mut lines = [from; LANES];
        for (i, line) in lines[..own].iter_mut().enumerate() {
            // SAFETY: the caller's.
            *line = unsafe { from.add((first + i) * LANES) };
        }
        // SAFETY: the caller's.
        unsafe { image_pairs_of(own, lines, second, to.add(first * 4), stride) }
    }
}

/// Features (count, 16) of two blocks, `second` floats apart, side by side: (count, 2, 16).
///
/// # Safety
/// AMX must be available, `from` hold the features of both blocks and `to` have room.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) unsafe fn block_pairs(count: usize, from: *const f32, second: usize, to: *mut u8) {
    for feature in 0..count {
        // SAFETY: the caller's.
        unsafe {
            let first = from.add(feature * LANES);
            let both = both(first, first.add(second));
            _mm512_storeu_si512(to.add(feature * PAIRS).cast(), both);
        }
    }
}

/// The bf16 that is nearest to a number, of equally near ones the even one.
pub(crate) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Packs a matrix into tiles of 16 rows by 32 columns, (rows / 16, columns / 32, 16, 32), with zeros
/// beyond its edges.
///
/// # Safety
/// AMX must be available, the matrix hold its numbers, and `packed` have room for whole tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn matrix_tiles(matrix: &crate::blocked::linear::Matrix, packed: *mut u16) {
    let mut tile = packed;
    for row in (0..matrix.rows).step_by(16) {
        for column in (0..matrix.columns).step_by(32) {
            let rows = 16.min(matrix.rows - row);
            let columns = 32.min(matrix.columns - column);
            let at = row * matrix.row_stride + column * matrix.column_stride;
            // SAFETY: the caller's; rows and columns are those of the matrix.
            unsafe {
                let from = matrix.data.add(at);
                if matrix.column_stride == 1 && rows == 16 && columns == 32 {
                    for r in 0..16 {
                        let from = from.add(r * matrix.row_stride);
                        _mm512_storeu_si512(tile.add(r * 32).cast(), both(from, from.add(16)));
                    }
                } else if matrix.row_stride == 1 && rows == 16 && columns == 32 {
                    let mut turned = [0.0_f32; 16 * 32];
                    for half in 0..2 {
                        let from = from.add(half * 16 * matrix.column_stride);
                        let to = turned.as_mut_ptr().add(half * 16);
                        Avx512::transpose(from, matrix.column_stride, to, 32);
                    }
                    for r in 0..16 {
                        let from = turned.as_ptr().add(r * 32);
                        _mm512_storeu_si512(tile.add(r * 32).cast(), both(from, from.add(16)));
                    }
                } else {
                    for r in 0..16 {
                        for c in 0..32 {
                            let at = r * matrix.row_stride + c * matrix.column_stride;
                            *tile.add(r * 32 + c) = match r < rows && c < columns {
                                true => bf16(*from.add(at)),
                                false => 0,
                            };
                        }
                    }
                }
                tile = tile.add(16 * 32);
            }
        }
    }
}
