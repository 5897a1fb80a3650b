//! Images and labels of a set, some at a time, as tensors.

use candle_core::{Device, Tensor};

use crate::{Dataset, Result};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, Normalization};

/// Some images with their labels.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The normalised images, (B, 1, 28, 28) f32.
    pub images: Tensor,
    /// Their labels, (B) u32.
    pub labels: Tensor,
}

impl Batch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.elem_count()
    }

    /// Whether there is no image; [`batches`] makes no empty batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The batches of a set in this order, which [`order`](crate::order()) returns, or `0..n`. The last
/// batch holds the rest; indices that the set does not have are skipped. A `batch_size` of 0 is
/// taken as 1.
///
/// An image and its label are fetched here, by the same index, and bytes become floats.
pub fn batches(
    dataset: &Dataset,
    order: impl IntoIterator<Item = u32>,
    batch_size: usize,
    normalization: Normalization,
) -> impl Iterator<Item = Result<Batch>> {
    let table = normalization.table();
    let mut order = order.into_iter();
    let mut bytes = Vec::new();
    std::iter::from_fn(move || {
        let capacity = batch_size.min(dataset.len());
        let mut labels = Vec::with_capacity(capacity);
        // A shuffled image may be anywhere in memory, and fetching it takes longer than converting it to
        // floats. When many are fetched first, their latencies overlap.
        bytes.clear();
        bytes.reserve(capacity * IMAGE_PIXELS);
        for index in order.by_ref().take(batch_size.max(1)) {
            if let Some((image, label)) = dataset.get(index as usize) {
                bytes.extend_from_slice(image);
                labels.push(u32::from(label));
            }
        }
        #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
        let pixels = bytes
            .iter()
            .map(|&pixel| table[usize::from(pixel)])
            .collect();
        (!labels.is_empty()).then(|| batch(pixels, labels))
    })
}

fn batch(pixels: Vec<f32>, labels: Vec<u32>) -> Result<Batch> {
    let count = labels.len();
    let shape = (count, 1, IMAGE_SIDE, IMAGE_SIDE);
    Ok(Batch {
        images: Tensor::from_vec(pixels, shape, &Device::Cpu)?,
        labels: Tensor::from_vec(labels, count, &Device::Cpu)?,
    })
}
