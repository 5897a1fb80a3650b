//! Some images of a set, as the engines ask for them.

use lenet_data::{Augmentation, Dataset};
use lenet_engine::Pixels;
use lenet_engine::engine::Images;
use lenet_files::Result;
use lenet_picture::IMAGE_PIXELS;

/// Some images of a set as they are.
pub(crate) struct Rows<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) rows: &'a [u32],
    pub(crate) table: &'a [f32; 256],
}

impl Rows<'_> {
    /// The labels of the images, into memory that is used again.
    pub(crate) fn labels(&self, labels: &mut Vec<u32>) {
        labels_of(self.dataset, self.rows, labels);
    }
}

fn labels_of(dataset: &Dataset, rows: &[u32], labels: &mut Vec<u32>) {
    labels.clear();
    labels.extend(rows.iter().map(|&row| {
        let found = dataset.get(row as usize);
        found.map_or(0, |(_, label)| u32::from(label))
    }));
}

impl Images for Rows<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        match self.dataset.get(self.rows[image] as usize) {
            Some((pixels, _)) => Pixels::Bytes(pixels, self.table),
            None => Pixels::Bytes(&[], self.table),
        }
    }

    fn prefetch(&self, image: usize) {
        self.pixels(image, &mut []).prefetch();
    }
}

/// A batch of a training: some images of a set, altered.
pub(crate) struct Altered<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) rows: &'a [u32],
    pub(crate) augmentation: &'a Augmentation,
    /// A part of 1.
    pub(crate) strength: f32,
    pub(crate) seed: u64,
    pub(crate) epoch: u32,
}

impl Altered<'_> {
    pub(crate) fn labels(&self, labels: &mut Vec<u32>) {
        labels_of(self.dataset, self.rows, labels);
    }

    /// Writes an image, altered, whichever thread asks for it.
    fn write(&self, image: usize, room: &mut [u8; IMAGE_PIXELS]) {
        let row = self.rows[image];
        if let Some((pixels, _)) = self.dataset.get(row as usize) {
            self.augmentation
                .apply(self.strength, self.seed, self.epoch, row, pixels, room);
        }
    }

    /// The images as a set of their own.
    ///
    /// # Errors
    /// None for rows that the set has.
    pub(crate) fn to_dataset(&self) -> Result<Dataset> {
        let mut pixels = vec![0; self.rows.len() * IMAGE_PIXELS];
        let (rooms, _) = pixels.as_chunks_mut::<IMAGE_PIXELS>();
        for (image, room) in rooms.iter_mut().enumerate() {
            self.write(image, room);
        }
        let mut labels = Vec::new();
        self.labels(&mut labels);
        let labels = labels.into_iter().map(|label| label as u8).collect();
        let names = self.dataset.class_names().to_vec();
        Ok(Dataset::new(pixels, labels, names)?)
    }

    /// As the fused engine asks for them, with the number of each byte.
    pub(crate) fn images<'a>(&'a self, table: &'a [f32; 256]) -> AlteredImages<'a> {
        AlteredImages { batch: self, table }
    }
}

/// A batch with what its bytes stand for.
pub(crate) struct AlteredImages<'a> {
    batch: &'a Altered<'a>,
    table: &'a [f32; 256],
}

impl Images for AlteredImages<'_> {
    fn pixels<'a>(&'a self, image: usize, room: &'a mut [u8]) -> Pixels<'a> {
        let batch = self.batch;
        if batch.augmentation.is_none() {
            return match batch.dataset.get(batch.rows[image] as usize) {
                Some((pixels, _)) => Pixels::Bytes(pixels, self.table),
                None => Pixels::Bytes(&[], self.table),
            };
        }
        if let Some(room) = room.first_chunk_mut() {
            batch.write(image, room);
        }
        Pixels::Bytes(room, self.table)
    }

    fn prefetch(&self, image: usize) {
        if let Some((pixels, _)) = self.batch.dataset.get(self.batch.rows[image] as usize) {
            Pixels::Bytes(pixels, self.table).prefetch();
        }
    }
}
