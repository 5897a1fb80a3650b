//! What the peers written in Rust share: MNIST, the measurements, and the answer, a line of JSON.
//! peers.py is its twin.
//!
//! Whatever is timed begins with the u8 pixels of the set and ends with numbers that were computed,
//! not promised.

use std::error::Error;
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub const PIXELS: usize = 28 * 28;

/// Steps before the clock starts: enough for caches and memory pools.
const WARM_UP: usize = 10;

/// A network in some library, with its optimiser.
pub trait Peer {
    /// One step of training on these images of u8 pixels.
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()>;

    /// Called between training and inference.
    fn trained(&mut self) -> Result<()> {
        Ok(())
    }

    /// The logits of these images, one row after another.
    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>>;
}

/// The arguments that every peer is called with, and the data that they name.
pub struct Arguments {
    pub batch: usize,
    pub threads: usize,
    pub mode: String,
    /// Training lasts as many steps and seconds, whichever is longer.
    steps: usize,
    time: Duration,
    train: (Vec<u8>, Vec<u8>),
    test: (Vec<u8>, Vec<u8>),
}

impl Arguments {
    /// Reads `FOLDER BATCH THREADS STEPS SECONDS [MODE]`.
    pub fn read() -> Result<Self> {
        let words: Vec<String> = std::env::args().collect();
        let [_, folder, batch, threads, steps, seconds, mode @ ..] = &words[..] else {
            return Err("FOLDER BATCH THREADS STEPS SECONDS [MODE]".into());
        };
        // The files are our own: headers of 16 and 8 bytes are trusted.
        let read = |name: &str, header| -> Result<Vec<u8>> {
            Ok(std::fs::read(format!("{folder}/{name}-ubyte"))?.split_off(header))
        };
        Ok(Self {
            batch: batch.parse()?,
            threads: threads.parse()?,
            mode: mode.first().cloned().unwrap_or_default(),
            steps: steps.parse()?,
            time: Duration::try_from_secs_f64(seconds.parse()?)?,
            train: (
                read("train-images-idx3", 16)?,
                read("train-labels-idx1", 8)?,
            ),
            test: (read("t10k-images-idx3", 16)?, read("t10k-labels-idx1", 8)?),
        })
    }
}

/// The pixels scaled to [0, 1].
pub fn scaled(pixels: &[u8]) -> Vec<f32> {
    let scaled = |&pixel: &u8| f32::from(pixel) * (1. / 255.);
    pixels.iter().map(scaled).collect()
}

/// Trains on full batches in a new order each epoch; returns images a second.
fn train(peer: &mut impl Peer, arguments: &Arguments) -> Result<f64> {
    let (images, labels) = &arguments.train;
    let mut order: Vec<usize> = (0..labels.len() / arguments.batch * arguments.batch).collect();
    let (mut done, mut random, mut begun) = (0, 42_u64, Instant::now());
    loop {
        for last in (1..order.len()).rev() {
            // Knuth's generator; nothing here depends on how well it shuffles.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            order.swap(last, (random >> 33) as usize % (last + 1));
        }
        for batch in order.chunks(arguments.batch) {
            if done == WARM_UP {
                begun = Instant::now();
            }
            if done >= WARM_UP + arguments.steps && begun.elapsed() >= arguments.time {
                let images = (done - WARM_UP) * arguments.batch;
                return Ok(images as f64 / begun.elapsed().as_secs_f64());
            }
            let image = |&index: &usize| &images[index * PIXELS..][..PIXELS];
            let pixels: Vec<u8> = batch.iter().flat_map(image).copied().collect();
            let labels: Vec<u8> = batch.iter().map(|&index| labels[index]).collect();
            peer.step(&pixels, &labels)?;
            done += 1;
        }
    }
}

/// Measures the peer and prints the answer.
pub fn run(peer: &mut impl Peer, arguments: Arguments, version: &str) -> Result<()> {
    let rate = train(peer, &arguments)?;
    peer.trained()?;

    let (pixels, labels) = &arguments.test;
    let full = labels.len() / arguments.batch * arguments.batch;
    let (mut images, mut right) = (0, 0);
    let begun = Instant::now();
    // Once through the test images at least, in full batches.
    while images < full || begun.elapsed() < arguments.time / 4 {
        let first = images % full;
        let logits = peer.logits(&pixels[first * PIXELS..][..arguments.batch * PIXELS])?;
        let rows = logits.chunks(logits.len() / arguments.batch);
        for (row, &label) in rows.zip(&labels[first..]) {
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
    let latency = times[times.len() / 2];
    let accuracy = right as f64 / images as f64;
    let about = format!(
        "{version} {}, {} threads",
        arguments.mode, arguments.threads
    );
    println!(
        r#"{{"version":"{about}","train":{rate},"infer":{infer},"latency":{latency},"accuracy":{accuracy}}}"#
    );
    Ok(())
}
