//! Logits become probabilities.

/// exp(x) / sum(exp(x)), with the largest taken off first so that none overflows.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_large_logits() {
        let probabilities = softmax(&[1_000., 999., -1_000.]);
        let expected = [0.731_058_6, 0.268_941_43, 0.];
        for (probability, expected) in std::iter::zip(probabilities, expected) {
            assert!(
                (probability - expected).abs() < 1e-6,
                "{probability} {expected}"
            );
        }
    }
}
