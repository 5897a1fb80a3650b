//! Softmax and cross-entropy in one operation.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{floats, write_features};
use crate::blocked::{Lines, cross_entropy, pack};
use crate::engine::memory_features as features;
use crate::error::{check_label_smoothing, check_labels};
use crate::simd::LANES;
use crate::{Error, Isa};

const OP: &str = "cross_entropy";

/// The mean cross-entropy of logits (N, K) against labels (N) u32, a scalar.
///
/// With label smoothing ε the target is `(1-ε) [k = label] + ε/K`. The definition is
/// [`reference::cross_entropy`](crate::reference::cross_entropy).
///
/// # Errors
/// Logits that are not f32 on the CPU, labels that are not u32, no images, a label that is not
/// below K, and an ε that is not between 0 and 1.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    let labels = labels.to_vec1::<u32>()?;
    if labels.len() != batch {
        candle_core::bail!(
            "{OP}: {} labels for logits of shape {:?}",
            labels.len(),
            logits.shape()
        );
    }
    if labels.is_empty() {
        return Err(Error::EmptyBatch { op: OP }.into());
    }
    check_label_smoothing(OP, label_smoothing)?;
    check_labels(OP, &labels, classes)?;
    logits.apply_op1(CrossEntropy {
        classes,
        labels,
        smoothing: label_smoothing,
        d_logits: Mutex::default(),
    })
}

struct CrossEntropy {
    classes: usize,
    labels: Vec<u32>,
    smoothing: f64,
    /// The gradient, which falls off in the forward pass.
    d_logits: Mutex<Vec<f32>>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = floats(OP, logits, layout)?;
        let (classes, batch) = (self.classes, self.labels.len());
        let mut d_logits = vec![0.0; batch * classes];
        let mut block = Lines::floats(features(classes));
        let mut d_block = Lines::floats(features(classes));
        let mut sum = 0.0;
        let parts = std::iter::zip(
            d_logits.chunks_mut(LANES * classes),
            self.labels.chunks(LANES),
        );
        for (index, (d_logits, labels)) in parts.enumerate() {
            let mut losses = [0.0; LANES];
            // SAFETY: blocks have room for the classes, and labels were checked.
            unsafe {
                write_features(&logits, classes, index, labels.len(), block.as_mut_ptr());
                let operands = cross_entropy::Block {
                    classes,
                    logits: block.as_ptr(),
                    labels: labels.as_ptr(),
                    images: labels.len(),
                    smoothing: self.smoothing as f32,
                    scale: 1.0 / batch as f32,
                };
                cross_entropy::cross_entropy(
                    Isa::current(),
                    &operands,
                    d_block.as_mut_ptr(),
                    losses.as_mut_ptr(),
                );
                pack::read_images(d_block.as_ptr(), classes, d_logits);
            }
            sum += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
        *self
            .d_logits
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = d_logits;
        let mean = (sum / batch as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, d_loss: &Tensor) -> Result<Option<Tensor>> {
        let d_loss = d_loss.to_scalar::<f32>()?;
        let mut d_logits = self
            .d_logits
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        for d in &mut d_logits {
            *d *= d_loss;
        }
        Tensor::from_vec(d_logits, logits.shape(), logits.device()).map(Some)
    }
}
