//! A network of one's own from the operations on tensors, inside ordinary candle code, beside the
//! same one of candle's own: `cargo run --release -p lenet-engine --example small_net`.

use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use lenet_engine::Activation::{Identity, Tanh};
use lenet_engine::ops::{self, Adam, ConvOptions};
use lenet_engine::reference::adam::Settings;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

const BATCH: usize = 64;
const SMOOTHING: f64 = 0.1;

/// Weights and biases of two convolutions of 3x3, the second without pooling, and a linear layer.
fn parameters() -> Result<[Var; 6]> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut weight = |shape: &[usize]| {
        let bound = (6. / shape[1..].iter().product::<usize>() as f32).sqrt();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| bound * uniform(&mut random)).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
    };
    let bias = |count: usize| Var::zeros(count, DType::F32, &Device::Cpu);
    let [k1, k2, linear] = [&[8, 1, 3, 3][..], &[16, 8, 3, 3], &[3, 16 * 36]].map(&mut weight);
    Ok([k1?, bias(8)?, k2?, bias(16)?, linear?, bias(3)?])
}

/// The loss by the operations of this crate.
fn loss_of_ours(net: &[Var; 6], images: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let [k1, b1, k2, b2, weight, bias] = net;
    let options = |padding, pool| ConvOptions {
        padding,
        activation: Tanh,
        pool,
    };
    let x = ops::conv2d(images, k1, b1, options(1, true))?; // (N, 8, 8, 8)
    let x = ops::conv2d(&x, k2, b2, options(0, false))?; // (N, 16, 6, 6)
    let logits = ops::linear(&x.flatten_from(1)?, weight, bias, Identity)?; // (N, 3)
    ops::cross_entropy(&logits, labels, SMOOTHING)
}

/// The same loss by candle's own operations.
fn loss_of_candle(net: &[Var; 6], images: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let [k1, b1, k2, b2, weight, bias] = net;
    let column = |bias: &Var| bias.reshape((1, (), 1, 1));
    let x = images.conv2d(k1, 1, 1, 1, 1)?.broadcast_add(&column(b1)?)?;
    let x = x.tanh()?.avg_pool2d(2)?;
    let x = x.conv2d(k2, 0, 1, 1, 1)?.broadcast_add(&column(b2)?)?;
    let x = x.tanh()?.flatten_from(1)?;
    let logits = x.matmul(&weight.t()?)?.broadcast_add(bias)?;
    let log_p = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
    let of_label = log_p.gather(&labels.unsqueeze(1)?, 1)?.mean_all()?;
    (of_label * (SMOOTHING - 1.))? - (log_p.mean_all()? * SMOOTHING)?
}

/// Between -1 and 1.
fn uniform(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.
}

/// A bar, a cross or a box of 7x7 somewhere in 16x16 pixels of noise.
fn batch(random: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let [label, left, top] = [3, 9, 9].map(|below| random.next_u32() % below);
        for pixel in 0..256 {
            let (y, x) = (pixel / 16 - top as i32, pixel % 16 - left as i32);
            let is_inside = (0..7).contains(&y) && (0..7).contains(&x);
            let is_drawn = match label {
                0 => y == 3,
                1 => y == 3 || x == 3,
                _ => y % 6 == 0 || x % 6 == 0,
            };
            pixels.push(f32::from(is_inside && is_drawn) + 0.3 * uniform(random));
        }
        labels.push(label);
    }
    let images = Tensor::from_vec(pixels, (BATCH, 1, 16, 16), &Device::Cpu)?;
    Ok((images, Tensor::new(labels, &Device::Cpu)?))
}

fn main() -> Result<()> {
    let (ours, candles) = (parameters()?, parameters()?);
    let mut our_adam = Adam::new(ours.to_vec(), Settings::default());
    let settings = ParamsAdamW {
        weight_decay: 0.,
        ..ParamsAdamW::default()
    };
    let mut candles_adam = AdamW::new(candles.to_vec(), settings)?;
    let (mut random, mut times) = (ChaCha8Rng::seed_from_u64(2), [0.; 2]);
    for step in 0..=300 {
        let (images, labels) = batch(&mut random)?;
        let mut begun = Instant::now();
        let our_loss = loss_of_ours(&ours, &images, &labels)?;
        our_adam.step(&our_loss.backward()?)?;
        times[0] += begun.elapsed().as_secs_f64();
        begun = Instant::now();
        let candles_loss = loss_of_candle(&candles, &images, &labels)?;
        candles_adam.step(&candles_loss.backward()?)?;
        times[1] += begun.elapsed().as_secs_f64();
        if step % 50 == 0 {
            let [a, b] = [our_loss, candles_loss].map(|loss| loss.to_scalar::<f32>());
            let (a, b) = (a?, b?);
            println!("step {step:3}: loss {a:.5}, by candle's own operations {b:.5}");
            assert!(step > 0 || (a - b).abs() < 1e-5, "they begin apart");
            assert!(step < 300 || a.max(b) < 0.7, "one has not learned"); // ln 3 = 1.10 at first
        }
    }
    let [ours, candles] = times;
    let ratio = candles / ours;
    println!("{ours:.2} s and {candles:.2} s: {ratio:.1} times as fast");
    Ok(())
}
