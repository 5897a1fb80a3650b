//! Cross-entropy of logits against labels, mean over the batch.
//!
//! With label smoothing ε and K classes the target of class k is `t[n,k] = (1-ε) [k = label n] +
//! ε/K`, as in
//! [PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html) and
//! Szegedy et al. 2016 (<https://arxiv.org/abs/1512.00567>, section 7): the label's own class has a
//! share in ε, too.

use super::check;
use crate::Float;

/// The sizes of the logits, (N, K).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images, N; at least 1.
    pub batch: usize,
    /// Classes, K.
    pub classes: usize,
}

impl Shape {
    /// (N, K).
    pub fn logits(&self) -> [usize; 2] {
        [self.batch, self.classes]
    }

    /// (N).
    pub fn labels(&self) -> [usize; 1] {
        [self.batch]
    }
}

/// `loss = 1/N Σ_n Σ_k t[n,k] (log Σ_j exp z[n,j] - z[n,k])`.
///
/// The greatest logit is subtracted from all before the exponential, so that no logit is too large.
///
/// # Panics
/// If a label is not below K.
pub fn forward<T: Float>(shape: &Shape, logits: &[T], labels: &[u32], label_smoothing: f64) -> T {
    check("logits", &shape.logits(), logits);
    check("labels", &shape.labels(), labels);
    let [on_label, on_all]: [T; 2] = target_shares(shape, label_smoothing);
    let mut loss = T::ZERO;
    for (row, &label) in logits.chunks(shape.classes).zip(labels) {
        let log_sum = log_sum_exp(row);
        loss += on_label * (log_sum - row[label as usize]);
        // Without smoothing a logit of minus infinity is a legitimate certainty, and 0 times
        // infinity would be NaN.
        if label_smoothing > 0.0 {
            for &logit in row {
                loss += on_all * (log_sum - logit);
            }
        }
    }
    loss / T::from_f64(shape.batch as f64)
}

/// `d_z[n,k] = (p[n,k] - t[n,k]) / N`, with the softmax `p[n,k] = exp z[n,k] / Σ_j exp z[n,j]`.
///
/// # Panics
/// If a label is not below K.
pub fn backward<T: Float>(
    shape: &Shape,
    logits: &[T],
    labels: &[u32],
    label_smoothing: f64,
) -> Vec<T> {
    check("logits", &shape.logits(), logits);
    check("labels", &shape.labels(), labels);
    let [on_label, on_all]: [T; 2] = target_shares(shape, label_smoothing);
    let batch = T::from_f64(shape.batch as f64);
    let mut d_logits = Vec::new();
    for (row, &label) in logits.chunks(shape.classes).zip(labels) {
        let log_sum = log_sum_exp(row);
        for (k, &logit) in row.iter().enumerate() {
            let probability = (logit - log_sum).exp();
            let target = if k == label as usize {
                on_label + on_all
            } else {
                on_all
            };
            d_logits.push((probability - target) / batch);
        }
    }
    d_logits
}

/// The share of the target that the label's class has for being the label, `1-ε`, and that of every
/// class, `ε/K`.
fn target_shares<T: Float>(shape: &Shape, label_smoothing: f64) -> [T; 2] {
    let on_all = label_smoothing / shape.classes as f64;
    [T::from_f64(1.0 - label_smoothing), T::from_f64(on_all)]
}

/// `log Σ_j exp z[j]` as `m + log Σ_j exp(z[j] - m)` with the greatest logit m.
fn log_sum_exp<T: Float>(row: &[T]) -> T {
    let mut greatest = row[0];
    for &logit in row {
        if logit > greatest {
            greatest = logit;
        }
    }
    let mut sum = T::ZERO;
    for &logit in row {
        sum += (logit - greatest).exp();
    }
    greatest + sum.ln()
}
