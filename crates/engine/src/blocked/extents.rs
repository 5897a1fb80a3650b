//! Where the input of a block is not 0.
//!
//! Handwritten digits are surrounded by nothing: in MNIST, two fifths of the products of the first
//! convolution have a factor that is 0 in all 16 images of a block, and leaving them out changes no
//! bit of a sum. Pictures without an empty border cost one look at each row.

use crate::simd::LANES;

/// Columns from the first that is not 0 to the end of the last; none if `first` is not below `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: usize,
    pub(crate) end: usize,
}

impl Extent {
    /// All columns, however many there are.
    const ALL: Self = Self {
        first: 0,
        end: usize::MAX,
    };

    /// Whether a column of `first..end` may not be 0.
    #[inline(always)]
    pub(crate) fn meets(self, first: usize, end: usize) -> bool {
        first < self.end && end > self.first
    }
}

/// The extent of each row of a padded block, over all channels; empty where nothing is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extents<'a>(pub(crate) &'a [Extent]);

impl Extents<'_> {
    /// Nothing is known of the input.
    pub(crate) const UNKNOWN: Self = Self(&[]);

    #[inline(always)]
    pub(crate) fn is_unknown(self) -> bool {
        self.0.is_empty()
    }

    #[inline(always)]
    pub(crate) fn of_row(self, row: usize) -> Extent {
        match self.0.get(row) {
            Some(&extent) => extent,
            None => Extent::ALL,
        }
    }

    /// From the first column of any of the rows to the end of the last.
    #[inline(always)]
    pub(crate) fn of_rows(self, first: usize, end: usize) -> Extent {
        let mut all = self.of_row(first);
        for row in first + 1..end {
            let own = self.of_row(row);
            all.first = all.first.min(own.first);
            all.end = all.end.max(own.end);
        }
        all
    }
}

/// Finds the extents of a padded block (C, H, W, 16), one for each row.
///
/// # Safety
/// The block must have these sizes.
pub(crate) unsafe fn find(
    channels: usize,
    height: usize,
    width: usize,
    block: *const f32,
    extents: &mut [Extent],
) {
    for (y, extent) in extents.iter_mut().enumerate().take(height) {
        let mut first = width;
        let mut end = 0;
        for channel in 0..channels {
            // SAFETY: row y of a channel lies in the block.
            let row = unsafe { block.add((channel * height + y) * width * LANES) };
            let mut x = 0;
            // SAFETY: column x is below the row's width.
            while x < first && unsafe { is_zero(row.add(x * LANES)) } {
                x += 1;
            }
            first = first.min(x);
            let mut x = width;
            // SAFETY: column x - 1 is below the row's width.
            while x > end && unsafe { is_zero(row.add((x - 1) * LANES)) } {
                x -= 1;
            }
            end = end.max(x);
        }
        *extent = Extent { first, end };
    }
}

/// Whether 16 floats are 0, of either sign.
///
/// # Safety
/// `line` must hold 16 floats.
#[inline(always)]
unsafe fn is_zero(line: *const f32) -> bool {
    let mut bits = 0;
    for lane in 0..LANES {
        // SAFETY: a line has 16 floats.
        bits |= unsafe { *line.add(lane) }.to_bits();
    }
    bits << 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_reach_from_the_first_to_the_last() {
        let (channels, height, width) = (2, 3, 5);
        let mut block = vec![0.0; channels * height * width * LANES];
        let mut set = |c: usize, y: usize, x: usize, lane: usize, value| {
            block[((c * height + y) * width + x) * LANES + lane] = value;
        };
        set(0, 0, 1, 15, 0.5);
        set(1, 0, 3, 0, -1e-40);
        set(1, 2, 4, 7, f32::NAN);
        set(0, 1, 2, 3, -0.0);
        let mut extents = [Extent::ALL; 3];
        // SAFETY: the block has these sizes.
        unsafe { find(channels, height, width, block.as_ptr(), &mut extents) };
        let expected = [(1, 4), (5, 0), (4, 5)].map(|(first, end)| Extent { first, end });
        assert_eq!(extents, expected);

        let extents = Extents(&extents);
        assert_eq!(extents.of_rows(0, 3), Extent { first: 1, end: 5 });
        assert!(extents.of_row(0).meets(0, 2) && extents.of_row(0).meets(3, 9));
        assert!(!extents.of_row(0).meets(0, 1) && !extents.of_row(0).meets(4, 9));
        assert!(!extents.of_row(1).meets(0, 5));
        assert!(Extents::UNKNOWN.of_rows(0, 9).meets(100, 101));
    }
}
