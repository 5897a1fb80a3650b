//! Our side of `cargo xtask bench --peers`: the training loop and the network as the program has
//! them, behind the protocol that every peer speaks.
//!
//! `peer write-data FOLDER` writes MNIST's four IDX files out of the program, for the peers to read.
#![forbid(unsafe_code)]

#[path = "../../peers/protocol.rs"]
mod protocol;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use lenet_data::registry::MNIST;
use lenet_data::{Dataset, batches, embedded};
use lenet_model::LeNet5;
use lenet_train::{Config, Ending, Event, Progress, evaluate, fit};

use protocol::{Arguments, Peer, Result, Trained};

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder] = &given[..]
        && command == "write-data"
    {
        return write_data(Path::new(folder));
    }
    let arguments = Arguments::parse(given.into_iter())?;
    let engine = Engine::new(&arguments)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    let mut peer = Lenet::new(arguments.batch)?;
    protocol::serve(&mut peer, arguments.batch, &engine.about(&arguments))
}

/// What computes, and how; to be handed to [`Config`] as soon as there is a choice.
#[derive(Debug)]
struct Engine {
    engine: String,
    precision: String,
    isa: String,
}

impl Engine {
    fn new(arguments: &Arguments) -> Result<Self> {
        let mut chosen = Self {
            engine: "candle".to_owned(),
            precision: "f32".to_owned(),
            isa: "auto".to_owned(),
        };
        for (name, value) in &arguments.others {
            match name.as_str() {
                "engine" => chosen.engine.clone_from(value),
                "precision" => chosen.precision.clone_from(value),
                "isa" => chosen.isa.clone_from(value),
                _ => return Err(format!("no argument --{name}").into()),
            }
        }
        Ok(chosen)
    }

    fn about(&self, arguments: &Arguments) -> String {
        format!(
            "version {} mode {},{},{} threads {}",
            env!("CARGO_PKG_VERSION"),
            self.engine,
            self.precision,
            self.isa,
            arguments.threads
        )
    }
}

struct Lenet {
    config: Config,
    model: LeNet5,
    train: Dataset,
    test: Dataset,
    progress: Progress,
    /// Where in the test images inference is.
    next_image: usize,
}

impl Lenet {
    fn new(batch_size: usize) -> Result<Self> {
        let mnist = embedded::mnist()?;
        let config = Config {
            batch_size,
            epochs: Config::MAX_EPOCHS,
            ..Config::default()
        };
        let architecture = config.architecture(10);
        Ok(Self {
            model: LeNet5::new(&architecture, config.init, config.seed, &Device::Cpu)?,
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

    /// The logits of these test images.
    fn logits(&self, indices: impl ExactSizeIterator<Item = u32>) -> Result<Tensor> {
        let count = indices.len();
        let batch = batches(&self.test, indices, count, self.config.normalization())
            .next()
            .ok_or("no image was asked for")??;
        Ok(self.model.forward(&batch.images)?)
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
            &self.train,
            &self.train.take(0),
            &self.config,
            &mut self.progress,
            &mut |_, _| Ok(()),
            &mut [&mut observe],
        )?;
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
        self.logits([index].into_iter())?;
        Ok(())
    }

    fn accuracy(&mut self) -> Result<f64> {
        let metrics = evaluate(&self.model, &self.test, self.config.normalization())?;
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
