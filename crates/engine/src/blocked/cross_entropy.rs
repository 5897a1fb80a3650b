//! Softmax cross-entropy of one block: losses, gradient by the logits, and the class of each image.

use crate::simd::{LANES, Simd, dispatch, exp};

/// The operands for one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Classes, K.
    pub(crate) classes: usize,
    /// (K, 16).
    pub(crate) logits: *const f32,
    /// A label for each image.
    pub(crate) labels: *const u32,
    /// Lanes with an image.
    pub(crate) images: usize,
    /// ε of label smoothing.
    pub(crate) smoothing: f32,
    /// What the gradient is multiplied by: 1 / images of the batch.
    pub(crate) scale: f32,
}

dispatch! {
    /// Writes the gradient (K, 16), 0 for lanes without an image, and a loss for each lane.
    ///
    /// # Safety
    /// `logits` must hold (K, 16) floats and `labels` one below K for each image; `d_logits` must
    /// have space for (K, 16) floats, `losses` for 16.
    pub(crate) fn cross_entropy(
        block: &Block,
        d_logits: *mut f32,
        losses: *mut f32,
    ) => cross_entropy_generic
}

#[inline(always)]
unsafe fn cross_entropy_generic<V: Simd>(block: &Block, d_logits: *mut f32, losses: *mut f32) {
    let classes = block.classes;
    // SAFETY: classes and labels are below K, lanes below 16, and only lanes with an image have a
    // label.
    unsafe {
        for part in 0..LANES / V::WIDTH {
            let lane = part * V::WIDTH;
            let logits = block.logits.add(lane);
            let mut greatest = V::load(logits);
            for k in 1..classes {
                greatest = greatest.max(V::load(logits.add(k * LANES)));
            }
            let mut total = V::splat(0.0);
            let mut logit_sum = V::splat(0.0);
            for k in 0..classes {
                let shifted = V::load(logits.add(k * LANES)).sub(greatest);
                let e = exp(shifted);
                e.store(d_logits.add(k * LANES + lane));
                total = total.add(e);
                logit_sum = logit_sum.add(shifted);
            }
            // p - ε/K; the label's own share follows below.
            let on_all = V::splat(block.smoothing / classes as f32);
            let scale = V::splat(block.scale);
            for k in 0..classes {
                let d = d_logits.add(k * LANES + lane);
                V::load(d).div(total).sub(on_all).mul(scale).store(d);
            }
            let mut totals = [0.0; LANES];
            let mut greatests = [0.0; LANES];
            let mut logit_sums = [0.0; LANES];
            total.store(totals.as_mut_ptr());
            greatest.store(greatests.as_mut_ptr());
            logit_sum.store(logit_sums.as_mut_ptr());
            for i in 0..V::WIDTH {
                let image = lane + i;
                if image < block.images {
                    let label = *block.labels.add(image) as usize;
                    *d_logits.add(label * LANES + image) -= (1.0 - block.smoothing) * block.scale;
                    let log_sum = totals[i].ln();
                    let shifted = *block.logits.add(label * LANES + image) - greatests[i];
                    let mut loss = (1.0 - block.smoothing) * (log_sum - shifted);
                    if block.smoothing > 0.0 {
                        loss += block.smoothing * (log_sum - logit_sums[i] / classes as f32);
                    }
                    *losses.add(image) = loss;
                } else {
                    for k in 0..classes {
                        *d_logits.add(k * LANES + image) = 0.0;
                    }
                    *losses.add(image) = 0.0;
                }
            }
        }
    }
}

/// The class with the greatest logit of a lane, of equal ones the first.
///
/// # Safety
/// `logits` must hold (K, 16) floats, K be at least 1 and the lane below 16.
pub(crate) unsafe fn predicted(classes: usize, logits: *const f32, lane: usize) -> u32 {
    let mut best = 0;
    for k in 1..classes {
        // SAFETY: classes are below K, and the lane below 16.
        unsafe {
            if *logits.add(k * LANES + lane) > *logits.add(best * LANES + lane) {
                best = k;
            }
        }
    }
    best as u32
}
