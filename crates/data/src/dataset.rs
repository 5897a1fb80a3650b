//! Images with their labels, as bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::order::{split_order, test_order};
use crate::{Error, Result};
use lenet_picture::{IMAGE_PIXELS, IMAGE_SIDE, Preparation};

/// n images of 28x28 bytes, their labels and the names of the classes; immutable.
///
/// Subsets share the pixels of the set that they were taken from: splitting MNIST copies none of
/// its 47 MB.
#[derive(Debug, Clone)]
pub struct Dataset {
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u8>>,
    /// The files that the shared images come from; empty if each is not one.
    files: Arc<Vec<PathBuf>>,
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
    /// The images to choose the best epoch by, if they are separate.
    pub validation: Option<Dataset>,
    /// How the pictures became these images, and how others become images for a network that is
    /// trained on them.
    pub preparation: Preparation,
}

impl Dataset {
    /// A set from pixels (n x 784, 0 is the background) and n labels, 0 for the first class.
    ///
    /// # Errors
    /// [`Kind::Input`](lenet_files::Kind::Input): no images, a part of an image, another number of
    /// labels, a label that is not a class, no class or more than 256.
    pub fn new<S: Into<String>>(
        pixels: Vec<u8>,
        labels: Vec<u8>,
        class_names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        Self::numbered(pixels, labels, 0, class_names)
    }

    /// [`Dataset::new`] with labels that count from `first`.
    pub(crate) fn numbered<S: Into<String>>(
        pixels: Vec<u8>,
        labels: impl IntoIterator<Item = impl Into<i32>>,
        first: i32,
        class_names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let class_names: Arc<[String]> = class_names.into_iter().map(Into::into).collect();
        let classes = class_names.len();
        if !(1..=256).contains(&classes) {
            return Err(Error::input(format!(
                "{classes} classes, there must be between 1 and 256"
            )));
        }
        let class_of = |(index, label): (usize, i32)| match u8::try_from(label - first) {
            Ok(class) if usize::from(class) < classes => Ok(class),
            _ => Err(Error::input(format!(
                "label {label} at index {index}, the {classes} classes are {first} to {}",
                first + classes as i32 - 1
            ))),
        };
        let labels = labels.into_iter().map(Into::into).enumerate();
        let labels: Vec<u8> = labels.map(class_of).collect::<Result<_>>()?;
        let (count, rest) = (pixels.len() / IMAGE_PIXELS, pixels.len() % IMAGE_PIXELS);
        if rest > 0 {
            return Err(Error::input(format!(
                "{} bytes of pixels: the last image has only {rest} of {IMAGE_PIXELS}",
                pixels.len()
            )));
        }
        if count != labels.len() {
            return Err(Error::input(format!(
                "{count} images but {} labels",
                labels.len()
            )));
        }
        if count == 0 {
            return Err(Error::input(
                "0 images: there is nothing to train on or to evaluate",
            ));
        }
        Ok(Self {
            rows: (0..count as u32).collect(),
            pixels: Arc::new(pixels),
            labels: Arc::new(labels),
            files: Arc::default(),
            class_names,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the set has no image, as the validation split of a training without validation.
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
        Some((&images[row], self.labels[row]))
    }

    /// The set of these files, one an image.
    pub(crate) fn with_files(self, files: Vec<PathBuf>) -> Self {
        let files = Arc::new(files);
        Self { files, ..self }
    }

    /// The file that the image at an index comes from, if each has one.
    pub fn file(&self, index: usize) -> Option<&Path> {
        let file = self.files.get(*self.rows.get(index)? as usize)?;
        Some(file)
    }

    /// The images of this set and of another with the same classes, whose pixels are copied.
    ///
    /// # Errors
    /// Labels of the other set that are not classes of this one.
    pub fn joined(&self, other: &Self) -> Result<Self> {
        let pixels = self.iter().chain(other.iter()).flat_map(|(image, _)| image);
        let labels = self.iter().chain(other.iter()).map(|(_, label)| label);
        let joined = Self::new(
            pixels.copied().collect(),
            labels.collect(),
            self.class_names(),
        )?;
        let file = |set: &Self, index| set.file(index).map(Path::to_owned);
        let files = (0..self.len()).map(|index| file(self, index));
        let files = files.chain((0..other.len()).map(|index| file(other, index)));
        let files = files.collect::<Option<_>>().unwrap_or_default();
        Ok(joined.with_files(files))
    }

    /// Every image with its label, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; IMAGE_PIXELS], u8)> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The first `count` images, or all if there are fewer.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        self.with_rows(self.rows.iter().copied().take(count).collect())
    }

    /// Holds `held_out` images out, drawn at random, and returns `(training, validation)`. Equal
    /// seeds hold out the same images. Both keep the order of the set.
    ///
    /// At least one image stays for training: `held_out` is reduced to `len() - 1` if it is more.
    pub fn split(&self, held_out: usize, seed: u64) -> (Self, Self) {
        let held_out = held_out.min(self.len().saturating_sub(1));
        let mut is_held_out = vec![false; self.len()];
        for &index in &split_order(seed, self.len())[..held_out] {
            is_held_out[index as usize] = true;
        }
        self.divide(&is_held_out)
    }

    /// Holds a fifth of each class's images out, drawn at random, and returns `(training, test)`; at
    /// least one image in all if there are two. The fifth is the same whatever a training's seed is:
    /// it stands for a test split, which all trainings share. Both keep the order of the set.
    pub(crate) fn hold_out_fifth(&self) -> (Self, Self) {
        let order = test_order(self.len());
        let mut quotas: Vec<usize> = self.class_counts().iter().map(|n| n / 5).collect();
        let mut is_test = vec![false; self.len()];
        if self.len() > 1 && quotas.iter().all(|&n| n == 0) {
            is_test[order[0] as usize] = true;
        }
        for index in order.into_iter().map(|index| index as usize) {
            let quota = &mut quotas[usize::from(self.labels[self.rows[index] as usize])];
            if *quota > 0 {
                *quota -= 1;
                is_test[index] = true;
            }
        }
        self.divide(&is_test)
    }

    /// How many images each class has, in the order of the labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for (_, label) in self.iter() {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Mean and standard deviation of the pixels on the scale of 0 to 1, as [`Normalization`]
    /// takes them.
    ///
    /// [`Normalization`]: lenet_picture::Normalization
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
    pub fn divide(&self, flags: &[bool]) -> (Self, Self) {
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
