//! Images with their labels, as bytes.

use std::sync::Arc;

use crate::order::split_order;
use crate::order::test_order;
use crate::{FormatError, idx};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE};

/// n images of 28x28 bytes, their labels and the names of the classes; immutable.
///
/// Subsets share the pixels of the set that they were taken from: splitting MNIST copies none of
/// its 47 MB.
#[derive(Debug, Clone)]
pub struct Dataset {
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u8>>,
    /// Which images of the shared pixels this set holds.
    rows: Vec<u32>,
    class_names: Arc<[String]>,
}

/// The two sets that a data set comes in.
#[derive(Debug, Clone)]
pub struct Splits {
    /// The images to train on and to hold out for validation.
    pub train: Dataset,
    /// The images of the final evaluation, never looked at for a choice.
    pub test: Dataset,
}

impl Dataset {
    /// A set from pixels (n x 784, 0 is the background) and n labels.
    ///
    /// # Errors
    /// No images, pixels that are no whole number of images, another number of labels, a label that
    /// is not a class, or a number of classes that a byte cannot tell apart.
    pub fn new<S: Into<String>>(
        pixels: Vec<u8>,
        labels: Vec<u8>,
        class_names: impl IntoIterator<Item = S>,
    ) -> Result<Self, FormatError> {
        let class_names: Arc<[String]> = class_names.into_iter().map(Into::into).collect();
        let classes = class_names.len();
        if !(1..=256).contains(&classes) {
            return Err(FormatError::ClassCount { found: classes });
        }
        let count = pixels.len() / IMAGE_PIXELS;
        if !pixels.len().is_multiple_of(IMAGE_PIXELS) {
            return Err(FormatError::TooShort {
                claimed: (count + 1) * IMAGE_PIXELS,
                found: pixels.len(),
            });
        }
        if count != labels.len() {
            return Err(FormatError::CountMismatch {
                images: count,
                labels: labels.len(),
            });
        }
        if count == 0 {
            return Err(FormatError::NoImages);
        }
        if let Some(index) = labels.iter().position(|&l| usize::from(l) >= classes) {
            return Err(FormatError::LabelOutOfRange {
                index,
                label: labels.get(index).copied().unwrap_or_default().into(),
                first: 0,
                classes,
            });
        }
        Ok(Self {
            rows: (0..count as u32).collect(),
            pixels: Arc::new(pixels),
            labels: Arc::new(labels),
            class_names,
        })
    }

    /// A set from the decompressed bytes of an IDX image file and an IDX label file. The bytes are
    /// taken over: the pixels are not copied.
    ///
    /// # Errors
    /// As [`idx::images`], [`idx::labels`] and [`Dataset::new`].
    pub fn from_idx(
        images: Vec<u8>,
        mut labels: Vec<u8>,
        class_names: &[&str],
    ) -> Result<Self, FormatError> {
        idx::labels(&labels)?;
        labels.drain(..idx::LABELS_HEADER);
        Self::from_images(images, labels, class_names, |_| ())
    }

    /// A set from the decompressed bytes of an IDX image file, in which `turn` may change each
    /// image, and labels from 0.
    pub(crate) fn from_images<S: Into<String> + Copy>(
        mut images: Vec<u8>,
        labels: Vec<u8>,
        class_names: &[S],
        turn: impl Fn(&mut [u8; IMAGE_PIXELS]),
    ) -> Result<Self, FormatError> {
        idx::images(&images)?;
        images.drain(..idx::IMAGES_HEADER);
        let (pixels, _) = images.as_chunks_mut::<IMAGE_PIXELS>();
        pixels.iter_mut().for_each(turn);
        Self::new(images, labels, class_names.iter().copied())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the set holds no image, as the validation split of a training without one.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The names of the classes, in the order of their labels.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The image at an index, 784 bytes row after row, and its label.
    pub fn get(&self, index: usize) -> Option<(&[u8; IMAGE_PIXELS], u8)> {
        let row = *self.rows.get(index)? as usize;
        let (images, _) = self.pixels.as_chunks::<IMAGE_PIXELS>();
        Some((images.get(row)?, *self.labels.get(row)?))
    }

    /// Every image with its label, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; IMAGE_PIXELS], u8)> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The first `count` images, or all where there are fewer.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        self.with_rows(self.rows.iter().copied().take(count).collect())
    }

    /// Holds `held_out` images out, drawn at random, and gives the others and those: `(training,
    /// validation)`. Equal seeds hold out the same images. Both keep the order of the set.
    ///
    /// At least one image stays for training: `held_out` is reduced to `len() - 1` where it is more.
    pub fn split(&self, held_out: usize, seed: u64) -> (Self, Self) {
        let held_out = held_out.min(self.len().saturating_sub(1));
        let mut is_held_out = vec![false; self.len()];
        for &index in split_order(seed, self.len()).iter().take(held_out) {
            if let Some(held) = is_held_out.get_mut(index as usize) {
                *held = true;
            }
        }
        self.divide(&is_held_out)
    }

    /// Holds a fifth of each class's images out, drawn at random by a seed of its own, and gives the
    /// others and those; at least one image in all where there are two. The fifth is the same
    /// whatever a training's seed is: it stands for a test split, which all trainings share. Both
    /// keep the order of the set.
    pub(crate) fn hold_out_fifth(&self) -> (Self, Self) {
        let order = test_order(self.len());
        let mut quotas: Vec<usize> = self.class_counts().iter().map(|n| n / 5).collect();
        let mut is_test = vec![false; self.len()];
        let first = order.first().filter(|_| quotas.iter().all(|&n| n == 0));
        if let Some(flag) = first.and_then(|&index| is_test.get_mut(index as usize)) {
            *flag = self.len() > 1;
        }
        for index in order {
            let index = index as usize;
            if let Some((_, label)) = self.get(index)
                && let Some(quota) = quotas.get_mut(usize::from(label)).filter(|n| **n > 0)
                && let Some(flag) = is_test.get_mut(index)
            {
                *quota -= 1;
                *flag = true;
            }
        }
        self.divide(&is_test)
    }

    /// How many images each class has, in the order of the labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for (_, label) in self.iter() {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }

    /// Mean and standard deviation of the pixels on the scale of 0 to 1, as [`Normalization`]
    /// takes them.
    ///
    /// [`Normalization`]: crate::Normalization
    pub fn pixel_statistics(&self) -> (f64, f64) {
        let mut sum = 0_u64;
        let mut squares = 0_u64;
        for (image, _) in self.iter() {
            for &pixel in image {
                sum += u64::from(pixel);
                squares += u64::from(pixel) * u64::from(pixel);
            }
        }
        let count = (self.len() * IMAGE_SIDE * IMAGE_SIDE) as f64;
        let mean = sum as f64 / count;
        let variance = squares as f64 / count - mean * mean;
        (mean / 255., variance.max(0.).sqrt() / 255.)
    }

    /// The images without a flag, and those with one.
    fn divide(&self, flags: &[bool]) -> (Self, Self) {
        let rows_where = |wanted: bool| {
            std::iter::zip(&self.rows, flags)
                .filter(|&(_, &flag)| flag == wanted)
                .map(|(&row, _)| row)
                .collect()
        };
        (
            self.with_rows(rows_where(false)),
            self.with_rows(rows_where(true)),
        )
    }

    fn with_rows(&self, rows: Vec<u32>) -> Self {
        Self {
            rows,
            ..self.clone()
        }
    }
}
