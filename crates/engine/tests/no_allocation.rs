//! A training step allocates nothing, on no thread: all memory is the engine's, from the start.
//!
//! A program of its own, for its allocator counts on all threads, and other tests would run meanwhile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "engine/layers.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod layers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lenet_engine::Activation::{Relu, Tanh};
use lenet_engine::Isa;
use lenet_engine::engine::{Engine, FloatImages, Precision, Purpose, Setup};
use lenet_engine::optimizer::{Adam, Optimizer};
use lenet_engine::pool::Pool;

use layers::lenet_5;

/// Calls to the system's allocator that took memory, on all threads but the test harness's.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// Whether the test has begun. A thread that took memory before is the harness's: it takes more
/// when it reports a test that has been running for a minute, as on an emulated processor.
static BEGUN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_HARNESS: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if !BEGUN.load(Ordering::Relaxed) {
        IS_HARNESS.set(true);
    } else if !IS_HARNESS.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the bounds are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the bounds are those of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the bounds are those of the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the bounds are those of the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The one test of this program: the test harness would allocate for a second one meanwhile.
#[test]
fn a_training_step_allocates_nothing() {
    const IMAGES: usize = 50;
    BEGUN.store(true, Ordering::Relaxed);
    // This thread is the harness's until here.
    IS_HARNESS.set(false);
    let pixels: Vec<f32> = (0..IMAGES * 784).map(|i| (i % 17) as f32 / 17.0).collect();
    let images = FloatImages {
        pixels: &pixels,
        size: 784,
    };
    let labels: Vec<u32> = (0..IMAGES as u32).map(|i| i % 10).collect();
    let optimizer = Optimizer::Adam(Adam::default());
    for isa in Isa::available() {
        for activation in [Relu, Tanh] {
            let setup = Setup {
                purpose: Purpose::Training,
                precision: Precision::F32,
                most_images: IMAGES,
                pool: Arc::new(Pool::exactly(3)),
                isa,
            };
            let mut engine = Engine::new(lenet_5(2, activation), setup).unwrap();
            let parameters: Vec<Vec<f32>> =
                engine.parameters().map(|p| vec![0.01; p.len()]).collect();
            let parameters: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
            engine.set_parameters(&parameters).unwrap();
            let mut step = |count| {
                let labels = &labels[..count];
                let found = engine.gradients(&images, labels, 0.1).unwrap();
                engine.update(&optimizer, 1.0);
                engine.forward(&images, count).unwrap();
                (
                    found.loss,
                    engine.predicted()[0],
                    engine.logits().flatten().next(),
                )
            };
            // The system's locks may take memory when they are used first.
            step(IMAGES);
            let before = ALLOCATIONS.load(Ordering::SeqCst);
            for _ in 0..2 {
                for count in [IMAGES, 1, 17] {
                    step(count);
                }
                // Long enough for the pool to fall asleep.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let count = ALLOCATIONS.load(Ordering::SeqCst) - before;
            assert_eq!(count, 0, "{isa}, {activation:?}");
        }
    }
    // The counter counts.
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst), before + 1);
}
