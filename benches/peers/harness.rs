//! What the peers written in Rust share: MNIST, the measurements, and the answer, a line of JSON.
//! peers.py is its twin.
//!
//! Whatever is timed begins with the u8 pixels of the set and ends with numbers that were computed,
//! not promised.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub const PIXELS: usize = 28 * 28;

/// Steps before the clock starts: enough for caches and memory pools.
const WARM_UP: usize = 10;

/// A network in some library, with its optimiser.
pub trait Peer {
    /// One step of training on these images of u8 pixels.
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()>;

    /// The logits of these images, one row after another.
    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>>;

    /// Trains until both `steps` and `time` are reached; returns images a second.
    fn train(&mut self, arguments: &mut Arguments, steps: usize, time: Duration) -> Result<f64> {
        let begun = Instant::now();
        let mut done = 0;
        while done < steps || begun.elapsed() < time {
            let (pixels, labels) = arguments.next_batch();
            self.step(&pixels, &labels)?;
            done += 1;
        }
        Ok((done * arguments.batch) as f64 / begun.elapsed().as_secs_f64())
    }
}

/// The arguments that every peer is called with, and what they name.
pub struct Arguments {
    pub batch: usize,
    pub threads: usize,
    /// The rest of the command line.
    pub mode: String,
    steps: usize,
    time: Duration,
    train: (Vec<u8>, Vec<u8>),
    test: (Vec<u8>, Vec<u8>),
    order: Vec<usize>,
    at: usize,
    random: u64,
}

impl Arguments {
    /// Reads `FOLDER BATCH THREADS STEPS SECONDS [MODE]`.
    pub fn read() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let mut next = || words.next().ok_or("an argument is missing");
        let folder = PathBuf::from(next()?);
        let batch: usize = next()?.parse()?;
        let threads = next()?.parse()?;
        let steps = next()?.parse()?;
        let time = Duration::try_from_secs_f64(next()?.parse()?)?;
        // The files are our own: headers of 16 and 8 bytes are trusted.
        let read = |name: &str, header| -> Result<Vec<u8>> {
            Ok(fs::read(folder.join(name))?.split_off(header))
        };
        let set = |name: &str| -> Result<_> {
            let images = read(&format!("{name}-images-idx3-ubyte"), 16)?;
            Ok((images, read(&format!("{name}-labels-idx1-ubyte"), 8)?))
        };
        let (train, test) = (set("train")?, set("t10k")?);
        let order: Vec<usize> = (0..train.1.len() / batch * batch).collect();
        Ok(Self {
            mode: next().unwrap_or_default(),
            at: order.len(),
            random: 42,
            batch,
            threads,
            steps,
            time,
            train,
            test,
            order,
        })
    }

    /// The next full batch of the training set, which is shuffled for each epoch.
    fn next_batch(&mut self) -> (Vec<u8>, Vec<u8>) {
        if self.at == self.order.len() {
            self.at = 0;
            for last in (1..self.order.len()).rev() {
                // Knuth's generator; nothing here depends on how well it shuffles.
                self.random = self
                    .random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let other = (self.random >> 33) as usize % (last + 1);
                self.order.swap(last, other);
            }
        }
        let indices = &self.order[self.at..self.at + self.batch];
        self.at += self.batch;
        let image = |&index: &usize| &self.train.0[index * PIXELS..][..PIXELS];
        let pixels = indices.iter().flat_map(image).copied().collect();
        (
            pixels,
            indices.iter().map(|&index| self.train.1[index]).collect(),
        )
    }
}

/// The pixels scaled to [0, 1].
pub fn scaled(pixels: &[u8]) -> Vec<f32> {
    pixels
        .iter()
        .map(|&pixel| f32::from(pixel) * (1. / 255.))
        .collect()
}

/// Measures the peer and prints the answer.
pub fn run(peer: &mut impl Peer, mut arguments: Arguments, version: &str) -> Result<()> {
    peer.train(&mut arguments, WARM_UP, Duration::ZERO)?;
    let (steps, time) = (arguments.steps, arguments.time);
    let train = peer.train(&mut arguments, steps, time)?;

    let (pixels, labels) = &arguments.test;
    let (mut images, mut right) = (0, 0);
    let begun = Instant::now();
    // Once through the test images at least, in full batches.
    while images < labels.len() / arguments.batch * arguments.batch || begun.elapsed() < time / 4 {
        let first = images % (labels.len() / arguments.batch * arguments.batch);
        let logits = peer.logits(&pixels[first * PIXELS..][..arguments.batch * PIXELS])?;
        for (row, &label) in logits
            .chunks(logits.len() / arguments.batch)
            .zip(&labels[first..])
        {
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            right += usize::from(best == Some(label.into()));
        }
        images += arguments.batch;
    }
    let infer = images as f64 / begun.elapsed().as_secs_f64();

    let mut times = Vec::new();
    for image in pixels.chunks(PIXELS).take(2_000) {
        let begun = Instant::now();
        peer.logits(image)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let accuracy = right as f64 / images as f64;
    let [latency, p99] = [times.len() / 2, times.len() * 99 / 100].map(|at| times[at]);
    println!(
        r#"{{"version":"{version}","train":{train:.1},"infer":{infer:.1},"latency":{latency:.2},"p99":{p99:.2},"accuracy":{accuracy:.4}}}"#
    );
    Ok(())
}
