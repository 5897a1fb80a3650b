//! Each kernel by itself for LeNet-5's shapes, in floating-point operations a second, and which share
//! that is of what a thread can do at best.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use criterion::{BenchmarkId, Criterion, Throughput};
use lenet_data::{Dataset, embedded};
use lenet_engine::Isa;
use lenet_engine::engine::{Engine, FloatImages, Purpose};
use lenet_engine::measure::{Kernels, Work, fma_roof};
use lenet_engine::pool::Pool;
use lenet_engine::reference::adam::Settings;
use lenet_model::{Architecture, Init, LeNet5};
use lenet_picture::Normalization;

/// Images of the batch, over which the gradients of the linear layers' weights are.
const BATCH: usize = 128;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(300))
        .without_plots()
        .configure_from_args();
    let model = LeNet5::new(&Architecture::default(), Init::default(), 42, &Device::Cpu).unwrap();
    let train = embedded::mnist().unwrap().train;
    for isa in Isa::available() {
        let mut kernels = kernels(&model, &train, isa);
        let all = kernels.all();
        for &kernel in &all {
            assert!(kernels.is_right(kernel), "{isa}: {kernel}");
        }
        let mut group = criterion.benchmark_group(format!("kernels/{isa}"));
        for kernel in all {
            group.throughput(match kernels.work(kernel) {
                Work::Flops(flops) => Throughput::Elements(flops as u64),
                Work::Bytes(bytes) => Throughput::Bytes(bytes as u64),
            });
            group.bench_function(BenchmarkId::from_parameter(kernel), |bencher| {
                bencher.iter(|| kernels.run(kernel));
            });
        }
        group.finish();
    }
    criterion.final_summary();

    let is = |flag| std::env::args().any(|argument| argument == flag);
    if is("--bench") && !is("--test") && !is("--list") {
        for isa in Isa::available() {
            table(&model, &train, isa);
        }
    }
}

/// Each kernel's median time beside the roof, and the whole step's throughput.
fn table(model: &LeNet5, train: &Dataset, isa: Isa) {
    let mut kernels = kernels(model, train, isa);
    let roof = fma_roof(isa, Duration::from_millis(200));
    println!(
        "\n{isa}: roof {:.1} GFLOP/s a thread, one thread\n",
        roof / 1e9
    );
    println!("| kernel | us | rate | of the roof |\n|---|---:|---:|---:|");
    for kernel in kernels.all() {
        let seconds = median(1e-3, || kernels.run(kernel));
        let (rate, share) = match kernels.work(kernel) {
            Work::Flops(flops) => {
                let rate = flops as f64 / seconds;
                let share = format!("{:.0} %", 100. * rate / roof);
                (format!("{:.1} GFLOP/s", rate / 1e9), share)
            }
            Work::Bytes(bytes) => (
                format!("{:.1} GB/s", bytes as f64 / seconds / 1e9),
                String::new(),
            ),
        };
        println!("| {kernel} | {:.2} | {rate} | {share} |", 1e6 * seconds);
    }
    step(model, train, isa, roof);
}

/// The kernels of LeNet-5 on the first images of the set, on one thread.
fn kernels(model: &LeNet5, train: &Dataset, isa: Isa) -> Kernels {
    let pool = Arc::new(Pool::exactly(1));
    let engine = engine(model, pool, isa);
    let (bytes, labels) = first_images(train);
    Kernels::new(engine, bytes, Normalization::default().table(), &labels).unwrap()
}

fn engine(model: &LeNet5, pool: Arc<Pool>, isa: Isa) -> Engine {
    let layers = model.architecture().layers().unwrap();
    let mut engine = Engine::new(layers, Purpose::Training, BATCH, pool, isa);
    let values = model.parameters().values().unwrap();
    let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    engine.set_parameters(&values).unwrap();
    engine
}

/// The bytes and the labels of a batch.
fn first_images(train: &Dataset) -> (Vec<u8>, Vec<u32>) {
    let images = || train.iter().take(BATCH);
    let bytes = images().flat_map(|(pixels, _)| *pixels).collect();
    let labels = images().map(|(_, label)| u32::from(label)).collect();
    (bytes, labels)
}

/// The whole training step on the threads that the program uses.
fn step(model: &LeNet5, train: &Dataset, isa: Isa, roof: f64) {
    let pool = Arc::clone(Pool::global());
    let threads = pool.threads();
    let mut engine = engine(model, pool, isa);
    let (bytes, labels) = first_images(train);
    let table = Normalization::default().table();
    let pixels: Vec<f32> = bytes.iter().map(|&byte| table[usize::from(byte)]).collect();
    let images = FloatImages {
        pixels: &pixels,
        size: 28 * 28,
    };
    let settings = Settings::default();
    let seconds = median(2e-2, || {
        assert!(engine.gradients(&images, &labels, 0.).unwrap().finite);
        engine.adam(&settings);
    });
    let rate = BATCH as f64 / seconds;
    let flops = 2. * engine.layers().multiply_adds_of_training() as f64;
    let share = rate * flops / (threads as f64 * roof);
    println!(
        "| whole step of {BATCH} images, {threads} threads | {:.1} | {:.1} GFLOP/s, {rate:.0} images/s | {:.0} % |",
        1e6 * seconds,
        rate * flops / 1e9,
        100. * share,
    );
}

/// The median seconds of a call, over 31 samples of so many seconds.
fn median(sample: f64, mut call: impl FnMut()) -> f64 {
    let mut time = |calls: usize| {
        let begun = Instant::now();
        (0..calls).for_each(|_| call());
        begun.elapsed().as_secs_f64() / calls as f64
    };
    let estimate = time(10);
    let calls = ((sample / estimate) as usize).max(1);
    let mut samples: Vec<f64> = (0..31).map(|_| time(calls)).collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
