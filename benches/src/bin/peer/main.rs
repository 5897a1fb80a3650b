//! Our side of `cargo xtask bench --peers`, the training loop and the network as the program has
//! them; and stock candle.
//!
//! `peer write-data FOLDER` writes MNIST's four IDX files for all peers to read.
#![forbid(unsafe_code)]

mod candle;
#[path = "../../../peers/harness.rs"]
mod harness;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use lenet_data::registry::MNIST;
use lenet_data::{Dataset, embedded};
use lenet_engine::engine::{Engine, Images, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{Isa, Pixels};
use lenet_model::LeNet5;
use lenet_train::{Backend, Config, Event, Precision, Progress, fit};

use harness::{Arguments, PIXELS, Peer, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if let [_, command, folder] = &words[..]
        && command == "write-data"
    {
        return write_data(Path::new(folder));
    }
    let arguments = Arguments::read()?;
    let precision = match arguments.mode.as_str() {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        "candle" => return harness::run(&mut candle::Candle::new()?, arguments, "0.11.1"),
        mode => return Err(format!("no mode {mode:?}").into()),
    };
    let pool = Arc::new(Pool::exactly(arguments.threads));
    let mut peer = Lenet::new(arguments.batch, precision, pool)?;
    let about = format!("{} {}", arguments.mode, Isa::current());
    harness::run(&mut peer, arguments, &about)
}

struct Lenet {
    config: Config,
    progress: Progress,
    train: Dataset,
    model: LeNet5,
    backend: Backend,
    engine: Engine,
    single: Single,
    /// From a pixel to the network's input.
    table: [f32; 256],
}

impl Lenet {
    fn new(batch_size: usize, precision: Precision, pool: Arc<Pool>) -> Result<Self> {
        let config = Config {
            batch_size,
            epochs: Config::MAX_EPOCHS,
            precision,
            ..Config::default()
        };
        let architecture = config.architecture(10);
        let model = LeNet5::new(&architecture, config.init, config.seed, &Device::Cpu)?;
        let train = embedded::mnist()?.train;
        Ok(Self {
            engine: model.to_engine(
                Purpose::Inference,
                batch_size,
                precision.into(),
                Arc::clone(&pool),
            )?,
            backend: Backend::Fused(pool),
            single: model.to_single()?,
            table: config.normalization().table(),
            // As with the peers, every batch of an epoch is full.
            train: train.take(train.len() / batch_size * batch_size),
            progress: Progress::default(),
            model,
            config,
        })
    }
}

impl Peer for Lenet {
    /// Not called: the program trains in its own loop.
    fn step(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        Err("lenet trains by `fit`".into())
    }

    /// The clock runs from the end of the first step, for [`fit`] prepares itself before it.
    fn train(&mut self, _: &mut Arguments, steps: usize, time: Duration) -> Result<f64> {
        let mut done = 0;
        let mut begun = Instant::now();
        let mut observe = |event: &Event| {
            if let Event::Step(_) = event {
                if done == 0 {
                    begun = Instant::now();
                } else if done >= steps && begun.elapsed() >= time {
                    return ControlFlow::Break(());
                }
                done += 1;
            }
            ControlFlow::Continue(())
        };
        fit(
            &self.model,
            &self.backend,
            &self.train,
            &self.train.take(0),
            &self.config,
            &mut self.progress,
            &mut |_, _| Ok(()),
            &mut [&mut observe],
        )?;
        let seconds = begun.elapsed().as_secs_f64();
        let values = self.model.parameters().values()?;
        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        self.engine.set_parameters(&values)?;
        self.single = self.model.to_single()?;
        Ok((done * self.config.batch_size) as f64 / seconds)
    }

    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>> {
        if pixels.len() == PIXELS {
            let pixels = Pixels::Bytes(pixels, &self.table);
            return Ok(self.single.logits(pixels).to_vec());
        }
        let images = Bytes(pixels, &self.table);
        self.engine.forward(&images, pixels.len() / PIXELS)?;
        Ok(self.engine.logits().flatten().collect())
    }
}

/// Images as the peers have them.
struct Bytes<'a>(&'a [u8], &'a [f32; 256]);

impl Images for Bytes<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Bytes(&self.0[image * PIXELS..][..PIXELS], self.1)
    }

    fn prefetch(&self, image: usize) {
        self.pixels(image, &mut []).prefetch();
    }
}

/// Writes the decompressed files under the names that the mirrors use.
fn write_data(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (file, bytes) in std::iter::zip(&MNIST.files, embedded::files()?) {
        fs::write(folder.join(file.name), bytes)?;
    }
    Ok(())
}
