//! MNIST for the Rust peers: the raw IDX files that `peer write-data` wrote, and the order of an
//! epoch.

use std::fs;
use std::path::Path;

use crate::protocol::Result;

pub const PIXELS: usize = 28 * 28;

/// Images and labels, in memory as bytes.
pub struct Set {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Set {
    /// The set of this name, `train` or `t10k`. The files are our own, so that a header of the
    /// right size is trusted.
    pub fn read(folder: &Path, name: &str) -> Result<Self> {
        let read = |kind: &str, header: usize| {
            let path = folder.join(format!("{name}-{kind}-ubyte"));
            match fs::read(&path) {
                Ok(mut bytes) if bytes.len() > header => Ok(bytes.split_off(header)),
                Ok(_) => Err(format!("{} is too short", path.display())),
                Err(error) => Err(format!("cannot read {}: {error}", path.display())),
            }
        };
        let pixels = read("images-idx3", 16)?;
        let labels = read("labels-idx1", 8)?;
        if pixels.len() != labels.len() * PIXELS {
            return Err(format!("{name}: not as many images as labels").into());
        }
        Ok(Self { pixels, labels })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The pixels of these images in [0, 1], and their labels.
    pub fn gather<L: From<u8>>(&self, indices: &[usize]) -> (Vec<f32>, Vec<L>) {
        let mut pixels = Vec::with_capacity(indices.len() * PIXELS);
        for index in indices {
            let image = &self.pixels[index * PIXELS..][..PIXELS];
            pixels.extend(image.iter().map(|&pixel| f32::from(pixel) * (1. / 255.)));
        }
        let labels = indices.iter().map(|&index| L::from(self.labels[index]));
        (pixels, labels.collect())
    }
}

/// The full batches of the training set without end, in a new order each epoch.
pub struct Batches {
    order: Vec<usize>,
    batch: usize,
    at: usize,
    /// Of splitmix64. A generator of a few lines, for the quality of the shuffle decides nothing
    /// here and a dependency is more to compile.
    state: u64,
}

impl Batches {
    /// Over the first images, as many as make full batches.
    pub fn new(images: usize, batch: usize) -> Self {
        let order: Vec<usize> = (0..images / batch * batch).collect();
        Self {
            at: order.len(),
            order,
            batch,
            state: 42,
        }
    }

    /// The indices of the next batch.
    pub fn next(&mut self) -> &[usize] {
        if self.at == self.order.len() {
            self.at = 0;
            for last in (1..self.order.len()).rev() {
                let other = (self.random() % (last as u64 + 1)) as usize;
                self.order.swap(last, other);
            }
        }
        self.at += self.batch;
        &self.order[self.at - self.batch..self.at]
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The indices of so many batches over a set, from its first image on and round again.
pub fn rounds(images: usize, batch: usize, batches: usize) -> impl Iterator<Item = Vec<usize>> {
    let full = (images / batch).max(1);
    (0..batches).map(move |n| {
        let first = n % full * batch;
        (first..first + batch).map(|index| index % images).collect()
    })
}
