//! Our side of `cargo xtask bench --peers`: the training loop and the network as the program has
//! them, behind the protocol that every peer speaks.
//!
//! `peer write-data FOLDER` writes MNIST's four IDX files out of the program, for the peers to read.
#![forbid(unsafe_code)]

#[path = "../../peers/protocol.rs"]
mod protocol;

use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;
use lenet_data::registry::MNIST;
use lenet_data::{Dataset, batches, embedded};
use lenet_engine::engine::{Images, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{Isa, Pixels};
use lenet_model::LeNet5;
use lenet_train::{Backend, Config, Ending, Event, Precision, Progress, evaluate, fit};

use protocol::{Arguments, Peer, Result, Trained};

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder] = &given[..]
        && command == "write-data"
    {
        return write_data(Path::new(folder));
    }
    let arguments = Arguments::parse(given.into_iter())?;
    let chosen = Chosen::new(&arguments)?;
    let threads = Pool::set_global_threads(arguments.threads);
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    let about = chosen.about(threads);
    let mut peer = Lenet::new(arguments.batch, chosen)?;
    protocol::serve(&mut peer, arguments.batch, &about)
}

/// What computes, and in what.
#[derive(Debug, Clone)]
struct Chosen {
    engine: Backend,
    precision: Precision,
}

impl Chosen {
    fn new(arguments: &Arguments) -> Result<Self> {
        let mut chosen = Self {
            engine: Backend::default(),
            precision: Precision::F32,
        };
        for (name, value) in &arguments.others {
            match (name.as_str(), value.as_str()) {
                ("engine", "fused") => chosen.engine = Backend::default(),
                ("engine", "candle") => chosen.engine = Backend::Candle,
                ("precision", "f32") => chosen.precision = Precision::F32,
                ("precision", "bf16") => chosen.precision = Precision::Bf16,
                _ => return Err(format!("no argument --{name} {value}").into()),
            }
        }
        Ok(chosen)
    }

    fn about(&self, threads: usize) -> String {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        };
        format!(
            "version {} mode {},{precision},{} threads {threads}",
            env!("CARGO_PKG_VERSION"),
            self.engine,
            Isa::current(),
        )
    }
}

/// Some test images, as the engine asks for them.
struct Rows<'a> {
    dataset: &'a Dataset,
    first: usize,
    table: &'a [f32; 256],
}

impl Images for Rows<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        let found = self.dataset.get(self.first + image);
        Pixels::Bytes(found.map_or(&[], |(pixels, _)| &pixels[..]), self.table)
    }

    fn prefetch(&self, image: usize) {
        self.pixels(image, &mut []).prefetch();
    }
}

struct Lenet {
    config: Config,
    model: LeNet5,
    backend: Backend,
    /// For inference, where the network runs on the fused engine.
    fused: Option<lenet_engine::engine::Engine>,
    /// For one image at a time.
    single: Option<Single>,
    table: [f32; 256],
    train: Dataset,
    test: Dataset,
    progress: Progress,
    /// Where in the test images inference is.
    next_image: usize,
}

impl Lenet {
    fn new(batch_size: usize, chosen: Chosen) -> Result<Self> {
        let mnist = embedded::mnist()?;
        let config = Config {
            batch_size,
            epochs: Config::MAX_EPOCHS,
            precision: chosen.precision,
            ..Config::default()
        };
        let architecture = config.architecture(10);
        let model = LeNet5::new(&architecture, config.init, config.seed, &Device::Cpu)?;
        let (fused, single) = match &chosen.engine {
            Backend::Fused(pool) => {
                let precision = chosen.precision.into();
                let pool = Arc::clone(pool);
                let engine = model.to_engine(Purpose::Inference, batch_size, precision, pool)?;
                (Some(engine), Some(model.to_single()?))
            }
            Backend::Candle => (None, None),
        };
        Ok(Self {
            backend: chosen.engine,
            fused,
            single,
            table: config.normalization().table(),
            model,
            // As the peers do: every batch of an epoch is full.
            train: mnist
                .train
                .take(mnist.train.len() / batch_size * batch_size),
            test: mnist.test,
            config,
            progress: Progress::default(),
            next_image: 0,
        })
    }

    /// Computes the logits of these test images.
    fn logits(&mut self, indices: Range<u32>) -> Result<()> {
        let count = indices.len();
        if let Some(engine) = &mut self.fused {
            let rows = Rows {
                dataset: &self.test,
                first: indices.start as usize,
                table: &self.table,
            };
            return Ok(engine.forward(&rows, count)?);
        }
        let batch = batches(&self.test, indices, count, self.config.normalization())
            .next()
            .ok_or("no image was asked for")??;
        self.model.forward(&batch.images)?;
        Ok(())
    }
}

impl Peer for Lenet {
    /// The time is from the end of a step to that of another. The step before is made but not
    /// timed, for [`fit`] prepares itself ahead of it.
    fn train(&mut self, steps: usize) -> Result<Trained> {
        let mut ends = 0;
        let mut begun = Instant::now();
        let mut trained = None;
        let mut observe = |event: &Event| {
            let Event::Step(step) = event else {
                return ControlFlow::Continue(());
            };
            ends += 1;
            if ends == 1 {
                begun = Instant::now();
            }
            if ends <= steps {
                return ControlFlow::Continue(());
            }
            trained = Some(Trained {
                time: begun.elapsed(),
                loss: step.loss,
            });
            ControlFlow::Break(())
        };
        let ending = fit(
            &self.model,
            &self.backend,
            &self.train,
            &self.train.take(0),
            &self.config,
            &mut self.progress,
            &mut |_, _| Ok(()),
            &mut [&mut observe],
        )?;
        if let Some(engine) = &mut self.fused {
            let values = self.model.parameters().values()?;
            let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            engine.set_parameters(&values)?;
            self.single = Some(self.model.to_single()?);
        }
        match (ending, trained) {
            (Ending::Stopped, Some(trained)) => Ok(trained),
            _ => Err("the training has come to its last epoch".into()),
        }
    }

    fn infer(&mut self, count: usize) -> Result<()> {
        let size = self.config.batch_size.min(self.test.len());
        for _ in 0..count {
            if self.next_image + size > self.test.len() {
                self.next_image = 0;
            }
            let images = self.next_image as u32..(self.next_image + size) as u32;
            self.logits(images)?;
            self.next_image += size;
        }
        Ok(())
    }

    fn infer_one(&mut self, index: usize) -> Result<()> {
        let index = (index % self.test.len()) as u32;
        if let Some(single) = &mut self.single
            && let Some((pixels, _)) = self.test.get(index as usize)
        {
            single.logits(Pixels::Bytes(pixels, &self.table));
            return Ok(());
        }
        self.logits(index..index + 1)?;
        Ok(())
    }

    fn accuracy(&mut self) -> Result<f64> {
        let metrics = evaluate(
            &self.model,
            &self.backend,
            &self.test,
            self.config.normalization(),
        )?;
        Ok(metrics.accuracy().ok_or("no test image")?)
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
