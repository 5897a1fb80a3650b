//! Threads in place of processes that share a training.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use lenet_engine::Exchange;

/// One of some threads.
#[derive(Debug)]
pub struct Rank {
    rank: usize,
    shared: Arc<Shared>,
    stop: AtomicBool,
    agreed: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    parts: Vec<Mutex<Vec<f32>>>,
    barrier: Barrier,
}

impl Rank {
    /// Everybody's part, in order.
    fn exchange(&self, own: &[f32]) -> Vec<Vec<f32>> {
        let lock = |part| Mutex::lock(part).unwrap_or_else(PoisonError::into_inner);
        *lock(&self.shared.parts[self.rank]) = own.to_vec();
        self.shared.barrier.wait();
        let parts = self.shared.parts.iter().map(|part| lock(part).clone());
        let parts = parts.collect();
        self.shared.barrier.wait();
        parts
    }
}

impl Exchange for Rank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.shared.parts.len()
    }

    fn gather(&self, own: &mut [f32], lens: &[usize], all: &mut [f32]) {
        own[0] = f32::from(self.stop.load(Ordering::Relaxed));
        let parts = self.exchange(own);
        assert!(parts.iter().map(Vec::len).eq(lens.iter().copied()));
        let agreed = parts.iter().any(|part| part[0] != 0.0);
        self.agreed.store(agreed, Ordering::Relaxed);
        all.copy_from_slice(&parts.concat());
    }

    fn sum(&self, own: &[f32], sum: &mut [f32]) {
        sum.fill(0.0);
        for part in self.exchange(own) {
            for (sum, value) in std::iter::zip(&mut *sum, part) {
                *sum += value;
            }
        }
    }

    fn agree(&self, stop: bool) -> bool {
        self.stop.store(stop, Ordering::Relaxed);
        self.agreed.load(Ordering::Relaxed)
    }
}

/// What each of `ranks` threads computes.
pub fn among<T: Send>(ranks: usize, compute: impl Fn(Arc<dyn Exchange>) -> T + Sync) -> Vec<T> {
    let shared = Arc::new(Shared {
        parts: (0..ranks).map(|_| Mutex::default()).collect(),
        barrier: Barrier::new(ranks),
    });
    let rank = |rank| Rank {
        rank,
        shared: Arc::clone(&shared),
        stop: AtomicBool::new(false),
        agreed: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let threads = (0..ranks).map(|own| {
            let exchange = Arc::new(rank(own));
            scope.spawn(|| compute(exchange))
        });
        let threads: Vec<_> = threads.collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .map(|result| result.expect("a rank panicked"))
            .collect()
    })
}
