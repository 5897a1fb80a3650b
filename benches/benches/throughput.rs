//! Images a second through LeNet-5 on MNIST, by batch size: the forward pass, forward and backward,
//! and the whole step of the training loop.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use lenet_data::{Batch, Dataset, batches, embedded, order};
use lenet_model::LeNet5;
use lenet_train::{Config, Ending, Event, Progress, evaluate, fit};

const BATCH_SIZES: [usize; 4] = [1, 32, 128, 512];

fn main() {
    let mnist = embedded::mnist().unwrap();
    // Every batch of an epoch is full, whatever the batch size.
    let train = mnist.train.take(59_904);
    for size in BATCH_SIZES {
        assert_eq!(train.len() % size, 0);
    }

    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    forward(&mut criterion, &train);
    forward_backward(&mut criterion, &train);
    train_step(&mut criterion, &train, &mnist.test.take(500));
    criterion.final_summary();
}

/// Images to logits. The graph for a backward pass is recorded, as it always is with parameters
/// that can be trained.
fn forward(criterion: &mut Criterion, train: &Dataset) {
    let mut group = group(criterion, "forward");
    for size in BATCH_SIZES {
        let config = config(size);
        let model = model(&config);
        let images = first_batch(&config, train).images;

        let logits = model.forward(&images).unwrap();
        assert_eq!(logits.dims(), [size, 10]);
        let squares = sum_of_squares(&logits);
        assert!(squares.is_finite() && squares > 0., "{squares}");

        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("images", size), |bencher| {
            bencher.iter(|| model.forward(&images).unwrap());
        });
    }
    group.finish();
}

/// Images and labels to the gradients of the loss.
fn forward_backward(criterion: &mut Criterion, train: &Dataset) {
    let mut group = group(criterion, "forward_backward");
    for size in BATCH_SIZES {
        let config = config(size);
        let model = model(&config);
        let batch = first_batch(&config, train);
        let gradients = || {
            let logits = model.forward(&batch.images).unwrap();
            let loss = cross_entropy(&logits, &batch.labels).unwrap();
            loss.backward().unwrap()
        };

        let found = gradients();
        for (name, var) in model.parameters().iter() {
            let gradient = found.get(var).unwrap();
            assert_eq!(gradient.dims(), var.dims(), "{name}");
            let squares = sum_of_squares(gradient);
            assert!(squares.is_finite() && squares > 0., "{name}: {squares}");
        }

        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("images", size), |bencher| {
            bencher.iter(gradients);
        });
    }
    group.finish();
}

/// A step in the loop of [`fit`]: the batch out of the shuffled set, forward, backward, metrics,
/// the check for numbers that are none, Adam.
fn train_step(criterion: &mut Criterion, train: &Dataset, test: &Dataset) {
    let mut group = group(criterion, "train_step");
    for size in BATCH_SIZES {
        let mut training = Training::new(config(size), train);

        let before = training.loss(test);
        training.steps((1_024 / size as u64).max(8));
        let after = training.loss(test);
        assert!(after < before, "batches of {size}: {before} became {after}");

        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("images", size), |bencher| {
            bencher.iter_custom(|steps| training.steps(steps));
        });
    }
    group.finish();
}

/// A training that goes on for as many steps as it is asked for.
struct Training<'a> {
    config: Config,
    model: LeNet5,
    train: &'a Dataset,
    no_validation: Dataset,
    progress: Progress,
}

impl<'a> Training<'a> {
    fn new(config: Config, train: &'a Dataset) -> Self {
        Self {
            model: model(&config),
            config,
            train,
            no_validation: train.take(0),
            progress: Progress::default(),
        }
    }

    /// The wall time of so many steps: from the end of a step to that of another. The step before
    /// is made but not timed, for [`fit`] prepares itself ahead of it.
    fn steps(&mut self, steps: u64) -> Duration {
        let mut ends = 0;
        let mut begun = Instant::now();
        let mut time = None;
        let mut observe = |event: &Event| {
            if !matches!(event, Event::Step(_)) {
                return ControlFlow::Continue(());
            }
            ends += 1;
            if ends == 1 {
                begun = Instant::now();
            }
            if ends <= steps {
                return ControlFlow::Continue(());
            }
            time = Some(begun.elapsed());
            ControlFlow::Break(())
        };
        let ending = fit(
            &self.model,
            self.train,
            &self.no_validation,
            &self.config,
            &mut self.progress,
            &mut |_, _| Ok(()),
            &mut [&mut observe],
        );
        assert_eq!(ending.unwrap(), Ending::Stopped);
        time.unwrap()
    }

    fn loss(&self, dataset: &Dataset) -> f64 {
        evaluate(&self.model, dataset, self.config.normalization())
            .unwrap()
            .loss()
            .unwrap()
    }
}

fn config(batch_size: usize) -> Config {
    Config {
        batch_size,
        epochs: Config::MAX_EPOCHS,
        ..Config::default()
    }
}

fn model(config: &Config) -> LeNet5 {
    LeNet5::new(
        &config.architecture(10),
        config.init,
        config.seed,
        &Device::Cpu,
    )
    .unwrap()
}

fn first_batch(config: &Config, train: &Dataset) -> Batch {
    let order = order(config.seed, 1, train.len());
    batches(train, order, config.batch_size, config.normalization())
        .next()
        .unwrap()
        .unwrap()
}

/// Finite only if every element is.
fn sum_of_squares(tensor: &Tensor) -> f32 {
    let squares = tensor.sqr().unwrap().sum_all().unwrap();
    squares.to_scalar().unwrap()
}

/// A group of benches in which every sample makes equally many iterations: growing samples, the
/// default, would take minutes where an iteration takes a third of a second.
fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}
