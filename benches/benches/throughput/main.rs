//! Images a second through LeNet-5 on MNIST, by batch size: the forward pass, forward and backward,
//! and the whole step of the training loop; the fused engine and candle's own operations in turns.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[allow(unsafe_code, reason = "it measures single instructions")]
mod roof;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use lenet_data::{Batch, Dataset, batches, embedded, order};
use lenet_engine::Isa;
use lenet_engine::engine::{Engine, FloatImages, Precision, Purpose, Setup};
use lenet_engine::optimizer::{Adam, Optimizer};
use lenet_engine::pool::Pool;
use lenet_model::{Init, LeNet5};
use lenet_run::Event;
use lenet_train::{Backend, Config, Draft, Ending, Progress, evaluate, fit};

use roof::fma_roof;

const BATCH_SIZES: [usize; 5] = [1, 16, 128, 512, 1_024];

fn main() {
    let mnist = embedded::mnist().unwrap();
    // Every batch of an epoch is full, whatever the batch size.
    let train = mnist.train.take(59_392);
    for size in BATCH_SIZES {
        assert_eq!(train.len() % size, 0);
    }

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    forward(&mut criterion, &train);
    forward_backward(&mut criterion, &train);
    train_step(&mut criterion, &train, &mnist.test.take(500));
    criterion.final_summary();

    let is = |flag| std::env::args().any(|argument| argument == flag);
    if is("--bench") && !is("--test") && !is("--list") {
        roof(&train);
    }
}

/// The engine's training step of 128 images on the threads that the program uses, beside what these
/// could do at best.
fn roof(train: &Dataset) {
    let config = config(128);
    let Batch { images, labels } = first_batch(&config, train);
    let pixels = values(&images);
    let images = FloatImages {
        pixels: &pixels,
        size: 28 * 28,
    };
    let labels = labels.to_vec1::<u32>().unwrap();
    let optimizer = Optimizer::Adam(Adam::default());
    println!("| a training step of 128 images | us | GFLOP/s | of the roof |");
    println!("|---|---:|---:|---:|");
    for isa in Isa::available() {
        let setup = Setup {
            purpose: Purpose::Training,
            precision: Precision::F32,
            most_images: labels.len(),
            pool: Arc::clone(Pool::global()),
            isa,
        };
        let model = model(&config);
        let mut engine = Engine::new(model.architecture().layers().unwrap(), setup).unwrap();
        let parameters = model.parameters().values().unwrap();
        let parameters: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
        engine.set_parameters(&parameters).unwrap();
        let mut samples: Vec<f64> = (0..31)
            .map(|_| {
                let begun = Instant::now();
                for _ in 0..30 {
                    assert!(engine.gradients(&images, &labels, 0.).unwrap().finite);
                    engine.update(&optimizer, 1.);
                }
                begun.elapsed().as_secs_f64() / 30.
            })
            .collect();
        samples.sort_by(f64::total_cmp);
        let seconds = samples[samples.len() / 2];
        let flops = 2 * engine.layers().multiply_adds_of_training() * labels.len();
        let rate = flops as f64 / seconds;
        let threads = Pool::global().threads();
        let share = match fma_roof(isa) {
            Some(roof) => format!("{:.0} %", 100. * rate / (threads as f64 * roof)),
            None => "-".to_owned(),
        };
        let (micros, rate) = (1e6 * seconds, rate / 1e9);
        println!("| {isa}, {threads} threads | {micros:.1} | {rate:.1} | {share} |");
    }
}

/// Images to logits, on the engine and by [`LeNet5::forward`], which records the graph for a
/// backward pass, as always with parameters that can be trained.
fn forward(criterion: &mut Criterion, train: &Dataset) {
    let mut group = group(criterion, "forward");
    for size in BATCH_SIZES {
        let config = config(size);
        let images = first_batch(&config, train).images;
        let pixels = values(&images);
        let images_of = FloatImages {
            pixels: &pixels,
            size: 28 * 28,
        };
        let model = model(&config);
        let pool = Arc::clone(Pool::global());
        let mut engine = model
            .to_engine(Purpose::Inference, size, Precision::F32, pool)
            .unwrap();

        let expected = values(&model.forward(&images).unwrap());
        engine.forward(&images_of, size).unwrap();
        let logits: Vec<f32> = engine.logits().flatten().collect();
        assert_close("engine", &logits, &expected);

        group.throughput(Throughput::Elements(size as u64));
        begin(&mut group, &Backend::default());
        group.bench_function(BenchmarkId::new("engine", size), |bencher| {
            bencher.iter(|| engine.forward(&images_of, size).unwrap());
        });
        begin(&mut group, &Backend::Candle);
        group.bench_function(BenchmarkId::new("candle", size), |bencher| {
            bencher.iter(|| model.forward(&images).unwrap());
        });
    }
    group.finish();
}

/// Images and labels to the gradients of the loss.
fn forward_backward(criterion: &mut Criterion, train: &Dataset) {
    let mut group = group(criterion, "forward_backward");
    for size in BATCH_SIZES {
        // With biases other than 0: the maps of a black border are exactly their bias, and at 0
        // candle's ReLU has the slope 1, ours, as PyTorch's, 0.
        let config = Config {
            init: Init::PyTorch,
            ..config(size)
        };
        let Batch { images, labels } = first_batch(&config, train);
        let pixels = values(&images);
        let images_of = FloatImages {
            pixels: &pixels,
            size: 28 * 28,
        };
        let label_values = labels.to_vec1::<u32>().unwrap();
        let model = model(&config);
        let pool = Arc::clone(Pool::global());
        let mut engine = model
            .to_engine(Purpose::Training, size, Precision::F32, pool)
            .unwrap();
        let gradients = || {
            let logits = model.forward(&images).unwrap();
            cross_entropy(&logits, &labels).unwrap().backward().unwrap()
        };

        let expected = gradients();
        let found = engine.gradients(&images_of, &label_values, 0.).unwrap();
        assert!(found.finite);
        let vars = model.parameters().iter();
        for ((name, var), found) in std::iter::zip(vars, engine.last_gradients()) {
            assert_close(name, found, &values(expected.get(var).unwrap()));
        }

        group.throughput(Throughput::Elements(size as u64));
        begin(&mut group, &Backend::default());
        group.bench_function(BenchmarkId::new("engine", size), |bencher| {
            bencher.iter(|| engine.gradients(&images_of, &label_values, 0.).unwrap());
        });
        begin(&mut group, &Backend::Candle);
        group.bench_function(BenchmarkId::new("candle", size), |bencher| {
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
        group.throughput(Throughput::Elements(size as u64));
        let augmented = Config {
            augmentation: Draft::recipe("best")
                .unwrap()
                .finish()
                .unwrap()
                .augmentation,
            ..config(size)
        };
        let plain = [Backend::default(), Backend::Candle]
            .map(|backend| (backend.to_string(), backend, config(size)));
        let all =
            plain
                .into_iter()
                .chain([("augmented".to_owned(), Backend::default(), augmented)]);
        for (name, backend, config) in all {
            let mut training = Training::new(config, backend.clone(), train);

            let before = training.loss(test);
            training.steps((1_024 / size as u64).max(8));
            let after = training.loss(test);
            assert!(after < before, "batches of {size}: {before} became {after}");

            begin(&mut group, &backend);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter_custom(|steps| training.steps(steps));
            });
        }
    }
    group.finish();
}

/// A training that goes on for as many steps as it is asked for.
struct Training<'a> {
    config: Config,
    model: LeNet5,
    backend: Backend,
    train: &'a Dataset,
    no_validation: Dataset,
    progress: Progress,
}

impl<'a> Training<'a> {
    fn new(config: Config, backend: Backend, train: &'a Dataset) -> Self {
        Self {
            model: model(&config),
            backend,
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
        let training = lenet_train::Training {
            model: &self.model,
            backend: &self.backend,
            config: &self.config,
            train: self.train,
            validation: &self.no_validation,
        };
        let ending = fit(&training, &mut self.progress, &mut observe);
        assert_eq!(ending.unwrap(), Ending::Stopped);
        time.unwrap()
    }

    fn loss(&self, dataset: &Dataset) -> f64 {
        evaluate(
            &self.model,
            &self.backend,
            dataset,
            self.config.normalization(),
        )
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

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// That no number is off by more than 1e-4 of the largest. Another order of additions makes 1e-6 of
/// it; to lose one image of 1,024, or one tap of a convolution, makes 1e-3.
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0_f32, |most, x| most.max(x.abs()));
    assert!(largest > 0., "{what}: all are 0");
    for (found, expected) in std::iter::zip(found, expected) {
        // Written so that not-a-number fails.
        let close = (found - expected).abs() <= 1e-4 * largest;
        assert!(close, "{what}: {found} should be {expected}, of {largest}");
    }
}

/// A group of benches in which every sample makes equally many iterations: growing samples, the
/// default, would take minutes where an iteration takes half a second.
fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// How long the next bench takes: candle's own operations are a hundred times as slow, so that ten
/// samples of one iteration must do for large batches.
fn begin(group: &mut BenchmarkGroup<'_, WallTime>, backend: &Backend) {
    let [samples, warm_up, measurement] = match backend {
        Backend::Fused(_) => [30, 300, 2_000],
        Backend::Candle => [10, 100, 1_000],
    };
    group.sample_size(samples as usize);
    group.warm_up_time(Duration::from_millis(warm_up));
    group.measurement_time(Duration::from_millis(measurement));
}
