//! What it costs to give every thread its part of a training step: the kernels' own pool against
//! rayon's, with idle cores and with one that others use.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use criterion::{BenchmarkId, Criterion};
use lenet_engine::pool::{Pool, physical_cores};

/// A thread's part of the jobs of a step: forward and back, gradients of weights, Adam. In turns of
/// [`compute`], a nanosecond or two each.
const JOBS: [u64; 3] = [200_000, 25_000, 5_000];

fn main() {
    let mut criterion = Criterion::default().sample_size(30).configure_from_args();
    steps(&mut criterion);
    criterion.final_summary();
}

/// A chain of multiplications, which takes its time whatever the caches hold.
fn compute(turns: u64) -> u64 {
    let mut x = black_box(1_u64);
    for _ in 0..turns {
        x = x.wrapping_mul(x).wrapping_add(1);
    }
    black_box(x)
}

fn steps(criterion: &mut Criterion) {
    let threads = physical_cores();
    let own = Pool::new(threads);
    let rayon = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    verify(&own, &rayon);

    let mut group = criterion.benchmark_group("pool");
    for (machine, others) in [("idle", 0), ("one_core_busy", 1)] {
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..others {
                scope.spawn(|| {
                    while !ends.load(Ordering::Relaxed) {
                        compute(10_000);
                    }
                });
            }
            group.bench_function(BenchmarkId::new("one_thread", machine), |bencher| {
                bencher.iter(|| {
                    for turns in JOBS {
                        compute(turns * threads as u64);
                    }
                });
            });
            group.bench_function(BenchmarkId::new("own", machine), |bencher| {
                bencher.iter(|| {
                    for turns in JOBS {
                        own.run(&|_, _| {
                            compute(turns);
                        });
                    }
                });
            });
            // As in a training, whose loop is no thread of rayon's.
            group.bench_function(BenchmarkId::new("rayon", machine), |bencher| {
                bencher.iter(|| {
                    for turns in JOBS {
                        rayon.broadcast(|_| compute(turns));
                    }
                });
            });
            ends.store(true, Ordering::Relaxed);
        });
    }
    group.finish();
}

/// Both give a job to every thread, once.
fn verify(own: &Pool, rayon: &rayon::ThreadPool) {
    let count = AtomicU64::new(0);
    own.run(&|thread, _| {
        count.fetch_add(1 << (8 * thread), Ordering::Relaxed);
    });
    let ours = count.swap(0, Ordering::Relaxed);
    rayon.broadcast(|context| {
        count.fetch_add(1 << (8 * context.index()), Ordering::Relaxed);
    });
    assert_eq!(ours, count.into_inner());
}
