//! How long one image takes, on each instruction set of this machine: median and 99th percentile.
//!
//! ```sh
//! cargo run --release --package lenet-engine --example latency
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use lenet_engine::single::Single;
use lenet_engine::{Activation, ConvLayer, Isa, Layers, LinearLayer, Pixels, Result};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const WARM_UP: usize = 2_000;
const IMAGES: usize = 20_000;

fn main() -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let layers = lenet()?;
    // As large as PyTorch would draw them for the largest layer, so that nothing overflows.
    let parameters: Vec<Vec<f32>> = layers
        .parameters()
        .into_iter()
        .map(|len| (0..len).map(|_| 0.1 * signed(&mut random)).collect())
        .collect();
    let parameters: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
    let mut table = [0.0; 256];
    for (value, byte) in table.iter_mut().zip(0_u8..=255) {
        *value = f32::from(byte) / 255.0;
    }
    // Other pixels each time, as in use.
    let images: Vec<Vec<u8>> = (0..64)
        .map(|_| {
            (0..layers.pixels())
                .map(|_| random.next_u32() as u8)
                .collect()
        })
        .collect();
    println!("one image, {IMAGES} times, in microseconds");
    println!("{:10} {:>8} {:>8}", "", "median", "p99");
    for isa in Isa::available() {
        let mut single = Single::new(layers.clone(), isa);
        single.set_parameters(&parameters)?;
        let mut times = Vec::with_capacity(IMAGES);
        for index in 0..WARM_UP + IMAGES {
            let pixels = Pixels::Bytes(&images[index % images.len()], &table);
            let start = Instant::now();
            black_box(single.logits(black_box(pixels)));
            let time = start.elapsed();
            if index >= WARM_UP {
                times.push(time);
            }
        }
        times.sort_unstable();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{:10} {:8.2} {:8.2}",
            isa.name(),
            micros(times[IMAGES / 2]),
            micros(times[IMAGES * 99 / 100])
        );
    }
    Ok(())
}

/// Between -1 and 1.
fn signed(random: &mut ChaCha8Rng) -> f32 {
    random.next_u32() as f32 / (u32::MAX / 2) as f32 - 1.0
}

/// LeNet-5 for digits, with zeros around the image.
fn lenet() -> Result<Layers> {
    let conv = |in_channels, side, out_channels, padding| ConvLayer {
        in_channels,
        height: side,
        width: side,
        out_channels,
        padding,
        activation: Activation::Relu,
    };
    let linear = |in_features, out_features, activation| LinearLayer {
        in_features,
        out_features,
        activation,
    };
    Layers::new(
        vec![conv(1, 28, 6, 2), conv(6, 14, 16, 0)],
        vec![
            linear(400, 120, Some(Activation::Relu)),
            linear(120, 84, Some(Activation::Relu)),
            linear(84, 10, None),
        ],
    )
}
