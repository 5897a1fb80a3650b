//! A network of one's own in ordinary candle code, trained by candle's `backward()` and candle-nn's
//! AdamW: as one fused operation, beside the same network of candle's own operations.
//!
//! ```sh
//! cargo run --release --package lenet-engine --example small_net
//! ```

use std::time::{Duration, Instant};

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use lenet_engine::Activation::Relu;
use lenet_engine::pool::Pool;
use lenet_engine::{ConvLayer, FusedNetwork, Layers, LinearLayer};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

const BATCH: usize = 64;
const STEPS: usize = 200;

/// One convolution of 8 channels with pooling, and two linear layers to three classes.
fn network() -> Result<FusedNetwork> {
    let conv = ConvLayer {
        in_channels: 1,
        height: 28,
        width: 28,
        out_channels: 8,
        padding: 0,
        activation: Relu,
    };
    let linear = |in_features, out_features, activation| LinearLayer {
        in_features,
        out_features,
        activation,
    };
    let linears = vec![linear(8 * 144, 32, Some(Relu)), linear(32, 3, None)];
    FusedNetwork::new(Layers::new(vec![conv], linears)?, Pool::global().clone())
}

fn parameters() -> Result<Vec<Var>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let shapes: [&[usize]; 6] = [&[8, 1, 5, 5], &[8], &[32, 8 * 144], &[32], &[3, 32], &[3]];
    let var = |shape: &&[usize]| {
        let fan_in: usize = shape[1..].iter().product();
        let bound = 1. / (fan_in as f32).sqrt();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| bound * uniform(&mut random)).collect();
        Var::from_vec(values, *shape, &Device::Cpu)
    };
    shapes.iter().map(var).collect()
}

/// The same network by candle's own operations.
fn plain(images: &Tensor, parameters: &[&Tensor]) -> Result<Tensor> {
    let &[conv, conv_bias, fc1, bias1, fc2, bias2] = parameters else {
        candle_core::bail!("there should be six parameters")
    };
    let x = images.conv2d(conv, 0, 1, 1, 1)?; // (B, 8, 24, 24)
    let x = x
        .broadcast_add(&conv_bias.reshape((1, (), 1, 1))?)?
        .relu()?;
    let x = x.avg_pool2d(2)?.flatten_from(1)?; // (B, 1152)
    let x = x.matmul(&fc1.t()?)?.broadcast_add(bias1)?.relu()?; // (B, 32)
    x.matmul(&fc2.t()?)?.broadcast_add(bias2) // (B, 3)
}

/// Between -1 and 1.
fn uniform(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.
}

/// A bar, a cross or a box of 13x13 somewhere in 28x28 pixels of noise.
fn batch(random: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let [label, left, top] = [3, 15, 15].map(|below| random.next_u32() % below);
        for pixel in 0..784 {
            let (y, x) = (pixel / 28 - top as i32, pixel % 28 - left as i32);
            let is_inside = (0..13).contains(&y) && (0..13).contains(&x);
            let is_drawn = match label {
                0 => y == 6,
                1 => y == 6 || x == 6,
                _ => y % 12 == 0 || x % 12 == 0,
            };
            pixels.push(f32::from(is_inside && is_drawn) + 0.3 * uniform(random));
        }
        labels.push(label);
    }
    let images = Tensor::from_vec(pixels, (BATCH, 1, 28, 28), &Device::Cpu)?;
    Ok((images, Tensor::new(labels, &Device::Cpu)?))
}

/// The time of a training, of it that of the optimiser, and the loss of its last step.
fn train(
    forward: impl Fn(&Tensor, &[&Tensor]) -> Result<Tensor>,
) -> Result<(Duration, Duration, f32)> {
    let vars = parameters()?;
    let mut adam = AdamW::new(vars.clone(), ParamsAdamW::default())?;
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let (mut whole, mut optimizer, mut last) = (Duration::ZERO, Duration::ZERO, 0.);
    for step in 0..STEPS {
        let (images, labels) = batch(&mut random)?;
        let begun = Instant::now();
        let parameters: Vec<&Tensor> = vars.iter().map(Var::as_tensor).collect();
        let loss = cross_entropy(&forward(&images, &parameters)?, &labels)?;
        let gradients = loss.backward()?;
        let before = begun.elapsed();
        adam.step(&gradients)?;
        // The first step reserves memory.
        if step > 0 {
            whole += begun.elapsed();
            optimizer += begun.elapsed() - before;
        }
        last = loss.to_scalar()?;
    }
    Ok((whole, optimizer, last))
}

fn main() -> Result<()> {
    let network = network()?;
    let fused = train(|images, parameters| network.forward(images, parameters))?;
    let plain = train(plain)?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / (STEPS - 1) as f64;
    println!("a step of {BATCH} images, in microseconds");
    println!("{:14} {:>8} {:>8} {:>8}", "", "whole", "AdamW", "loss");
    for (name, (whole, optimizer, loss)) in [("fused", fused), ("plain candle", plain)] {
        let [whole, optimizer] = [whole, optimizer].map(micros);
        println!("{name:14} {whole:8.0} {optimizer:8.0} {loss:8.4}");
    }
    let ratio = plain.0.as_secs_f64() / fused.0.as_secs_f64();
    let rest = |(whole, optimizer, _): (Duration, Duration, f32)| (whole - optimizer).as_secs_f64();
    let without = rest(plain) / rest(fused);
    println!("{ratio:.1} times as fast; {without:.1} times without candle-nn's AdamW");
    // ln 3 = 1.10 at first.
    if fused.2.max(plain.2) > 0.5 {
        candle_core::bail!("one has not learned");
    }
    Ok(())
}
