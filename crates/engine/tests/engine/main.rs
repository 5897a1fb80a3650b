//! The engine agrees with the references on every instruction set of the machine, and with itself
//! for any number of threads; the references agree with candle, and with examples by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod by_hand;
mod candle_parity;
mod common;
mod equal_bits;
mod errors;
mod fused;
mod gradients;
mod layers;
mod network;
mod optimizers;
mod single;
mod threads;
mod values;

use std::sync::Arc;

use lenet_engine::Isa;
use lenet_engine::engine::{Engine, FloatImages, Precision, Purpose, Setup};
use lenet_engine::pool::Pool;
use network::Network;

/// An engine for training with the network's parameters, on this many threads.
fn engine(network: &Network, most_images: usize, threads: usize, isa: Isa) -> Engine {
    engine_for(Purpose::Training, network, most_images, threads, isa)
}

fn engine_for(
    purpose: Purpose,
    network: &Network,
    most_images: usize,
    threads: usize,
    isa: Isa,
) -> Engine {
    engine_on(Pool::exactly(threads), purpose, network, most_images, isa)
}

fn engine_on(
    pool: Pool,
    purpose: Purpose,
    network: &Network,
    most_images: usize,
    isa: Isa,
) -> Engine {
    let setup = Setup {
        purpose,
        precision: Precision::F32,
        most_images,
        pool: Arc::new(pool),
        isa,
    };
    let mut engine = Engine::new(network.layers(), setup).unwrap();
    engine.set_parameters(&slices(&network.values())).unwrap();
    engine
}

fn slices(values: &[Vec<f32>]) -> Vec<&[f32]> {
    values.iter().map(Vec::as_slice).collect()
}

/// Images and labels, as the engine takes them.
struct Batch {
    pixels: Vec<f32>,
    size: usize,
    labels: Vec<u32>,
}

impl Batch {
    fn new(network: &Network, images: usize, seed: u64) -> Self {
        let size = network.layers().pixels();
        let mut values = common::Values::new(seed);
        Self {
            pixels: common::cast(&values.eighths(&[images, size])),
            size,
            labels: values.labels(images, network.layers().classes()),
        }
    }

    fn images(&self) -> FloatImages<'_> {
        FloatImages {
            pixels: &self.pixels,
            size: self.size,
        }
    }

    fn pixels(&self) -> Vec<f64> {
        common::cast_up(&self.pixels)
    }
}

/// Copies of an engine's arrays, all parameters one after the other.
fn flat<'a>(arrays: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
    arrays.flatten().copied().collect()
}

/// The bits of numbers, among which NaN equals itself and 0 is not -0.
fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
