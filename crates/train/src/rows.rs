//! Some images of a set, as the engine and candle's operations take them.

use candle_core::{Device, Tensor};
use lenet_data::{Augmentation, Dataset};
use lenet_engine::Pixels;
use lenet_engine::engine::Images;
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

/// How the images of a batch are altered: together with an image's index, this decides its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Alteration<'a> {
    pub(crate) augmentation: &'a Augmentation,
    /// A fraction of the augmentation's full strength.
    pub(crate) strength: f32,
    pub(crate) seed: u64,
    pub(crate) epoch: u32,
}

impl Alteration<'_> {
    /// Leaves every image as it is.
    pub(crate) const NONE: Self = Alteration {
        augmentation: &Augmentation::NONE,
        strength: 0.,
        seed: 0,
        epoch: 0,
    };
}

/// Some images of a set, by their indices.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) dataset: &'a Dataset,
    /// Indices of the set, each below its length.
    pub(crate) rows: &'a [u32],
    /// The network's input for each byte.
    pub(crate) table: &'a [f32; 256],
    pub(crate) alteration: Alteration<'a>,
}

impl<'a> Rows<'a> {
    /// Images as they are in the set.
    pub(crate) fn plain(dataset: &'a Dataset, rows: &'a [u32], table: &'a [f32; 256]) -> Self {
        Self {
            dataset,
            rows,
            table,
            alteration: Alteration::NONE,
        }
    }

    /// Replaces `labels` by those of the images.
    pub(crate) fn labels(&self, labels: &mut Vec<u32>) {
        labels.clear();
        labels.extend((0..self.rows.len()).map(|image| u32::from(self.get(image).1)));
    }

    /// Shows each image's bytes.
    pub(crate) fn each(&self, mut look: impl FnMut(&[u8; IMAGE_PIXELS])) {
        let mut buffer = [0; IMAGE_PIXELS];
        for image in 0..self.rows.len() {
            look(self.bytes(image, &mut buffer));
        }
    }

    /// The images (B, 1, 28, 28) and their labels (B) on a device.
    pub(crate) fn tensors(&self, device: &Device) -> candle_core::Result<(Tensor, Tensor)> {
        let count = self.rows.len();
        let mut pixels = Vec::with_capacity(count * IMAGE_PIXELS);
        let mut buffer = [0; IMAGE_PIXELS];
        for image in 0..count {
            let bytes = self.bytes(image, &mut buffer);
            pixels.extend(bytes.iter().map(|&byte| self.table[usize::from(byte)]));
        }
        let mut labels = Vec::with_capacity(count);
        self.labels(&mut labels);
        let images = Tensor::from_vec(pixels, (count, 1, IMAGE_SIDE, IMAGE_SIDE), device)?;
        Ok((images, Tensor::from_vec(labels, count, device)?))
    }

    /// An image as it is in the set, and its label.
    fn get(&self, image: usize) -> (&[u8; IMAGE_PIXELS], u8) {
        let found = self.dataset.get(self.rows[image] as usize);
        found.expect("rows are indices of the set")
    }

    /// An image, altered in `buffer` if it is to be altered.
    fn bytes<'b>(
        &'b self,
        image: usize,
        buffer: &'b mut [u8; IMAGE_PIXELS],
    ) -> &'b [u8; IMAGE_PIXELS] {
        let (pixels, _) = self.get(image);
        let own = &self.alteration;
        if own.augmentation.is_none() {
            return pixels;
        }
        let row = self.rows[image];
        own.augmentation
            .apply(own.strength, own.seed, own.epoch, row, pixels, buffer);
        buffer
    }
}

impl Images for Rows<'_> {
    fn pixels<'a>(&'a self, image: usize, buffer: &'a mut [u8]) -> Pixels<'a> {
        let buffer = buffer.first_chunk_mut();
        let buffer = buffer.expect("the engine's buffer holds an image");
        Pixels::Bytes(self.bytes(image, buffer), self.table)
    }

    fn prefetch(&self, image: usize) {
        Pixels::Bytes(self.get(image).0, self.table).prefetch();
    }
}
