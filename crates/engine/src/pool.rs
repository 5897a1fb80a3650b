//! Threads that wait for work at full speed for a short time before they sleep.
//!
//! A training step of a small network takes half a millisecond and needs its threads three times:
//! waking them through the operating system each time would cost a tenth of it. So a thread that has
//! finished looks for the next job for a while before it goes to sleep, and so does the caller that
//! waits for the last one.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Exchange;

/// How long a thread looks for work before it yields: longer than the threads of a training step
/// differ, too short to be noticed.
const PATIENCE: Duration = Duration::from_micros(30);
/// For how long it then yields to others on its core before it sleeps. Threads that sleep at once
/// may stay on one core, where they take turns: the system sees no reason to move one.
const COURTESY: Duration = Duration::from_millis(1);
/// Looks between two looks at the clock.
const LOOKS: usize = 32;

/// What all threads do at once, each with its number and the number of threads.
type Job<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Some threads, the caller's among them.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a job runs: a second caller does its job alone instead of waiting.
    busy: AtomicBool,
    exchange: Option<Arc<dyn Exchange>>,
}

impl Pool {
    /// This many threads, but no more than the machine has cores: a thread more would only make the
    /// others wait, and the results are the same.
    pub fn new(threads: usize) -> Self {
        Self::exactly(threads.min(cores()))
    }

    /// This many threads, whatever the machine has. For tests.
    pub fn exactly(threads: usize) -> Self {
        let seats = (1..threads.max(1)).map(|_| Seat::default()).collect();
        let shared = Arc::new(Shared {
            seats,
            ..Shared::default()
        });
        let workers = (1..threads.max(1)).map(|worker| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("lenet-{worker}"));
            thread.spawn(move || shared.work(worker))
        });
        // If the system refuses a thread, the others do its work.
        let workers: Vec<_> = workers.map_while(Result::ok).collect();
        Self {
            shared,
            workers,
            busy: AtomicBool::new(false),
            exchange: None,
        }
    }

    /// The pool of one of several processes that share a training.
    pub fn among(mut self, exchange: Arc<dyn Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// The processes that share what is computed on this pool, if they are two or more.
    pub fn exchange(&self) -> Option<&dyn Exchange> {
        let exchange = self.exchange.as_deref();
        exchange.filter(|exchange| exchange.ranks() > 1)
    }

    /// The pool of the process: as many threads as [`Pool::set_global_threads`] said, or one for
    /// each physical core.
    pub fn global() -> &'static Arc<Self> {
        global().get_or_init(|| Arc::new(Self::new(physical_cores())))
    }

    /// Sets the number of threads of [`Pool::global`], before its first use. Returns the number that
    /// it has, which is another one if it was in use already or the machine has fewer cores.
    pub fn set_global_threads(threads: usize) -> usize {
        let pool = global().get_or_init(|| Arc::new(Self::new(threads)));
        pool.threads()
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs the job on the threads and returns when all have ended. The job learns how many take
    /// part: if another thread's job is running already, the caller does its own alone.
    ///
    /// # Panics
    /// If the job does.
    pub fn run(&self, job: &Job<'_>) {
        let free = Ordering::Acquire;
        let taken = self
            .busy
            .compare_exchange(false, true, free, Ordering::Relaxed);
        if self.workers.is_empty() || taken.is_err() {
            job(0, 1);
            if taken.is_ok() {
                self.busy.store(false, Ordering::Release);
            }
            return;
        }
        let own = self.share_out(job);
        let panicked = self.shared.panicked.swap(false, Ordering::Relaxed);
        self.busy.store(false, Ordering::Release);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the pool panicked");
    }

    /// Runs the job on all threads; returns how the caller's part ended.
    fn share_out(&self, job: &Job<'_>) -> std::thread::Result<()> {
        let shared = &*self.shared;
        let threads = self.threads();
        // SAFETY: only the lifetime changes. No worker uses the job after it has counted itself
        // out, and this function does not return or unwind before all have. While `busy` is set no
        // other thread writes the cell, and workers read it only after the call below.
        unsafe {
            *shared.job.get() = Some((
                std::mem::transmute::<*const Job<'_>, *const Job<'static>>(job),
                threads,
            ));
        }
        shared.running.store(self.workers.len(), Ordering::Relaxed);
        self.call();
        let own = catch_unwind(AssertUnwindSafe(|| job(0, threads)));
        shared.await_workers();
        own
    }

    /// Calls the workers.
    fn call(&self) {
        let shared = &*self.shared;
        // Sequentially consistent with the seats: either a worker sees the call before it sleeps, or
        // this thread sees that it sleeps.
        shared.call.fetch_add(1, Ordering::SeqCst);
        for (seat, worker) in std::iter::zip(&shared.seats, &self.workers) {
            if seat.asleep.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.call();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its jobs.
            let _ = worker.join();
        }
    }
}

fn global() -> &'static OnceLock<Arc<Pool>> {
    static GLOBAL: OnceLock<Arc<Pool>> = OnceLock::new();
    &GLOBAL
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Physical cores that this process may use: two threads of one core share its arithmetic units, so
/// that a second one gains little.
pub fn physical_cores() -> usize {
    num_cpus::get_physical().clamp(1, cores())
}

/// Physical cores for each of some processes on this machine: a share of all, unless each is bound to
/// cores of its own.
pub fn cores_of(processes: usize) -> usize {
    if cores() < num_cpus::get_physical() {
        physical_cores()
    } else {
        (physical_cores() / processes).max(1)
    }
}

/// Looks for something with patience, and returns it if it came.
fn look_for<T>(came: impl Fn() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        for _ in 0..LOOKS {
            let found = came();
            if found.is_some() {
                return found;
            }
            std::hint::spin_loop();
        }
        let waited = begun.elapsed();
        if waited > PATIENCE + COURTESY {
            return None;
        }
        if waited > PATIENCE {
            std::thread::yield_now();
        }
    }
}

/// A worker's own, on a line of the cache of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Seat {
    asleep: AtomicBool,
}

/// The threads' common state.
#[derive(Debug, Default)]
struct Shared {
    /// Number of the last call.
    call: AtomicU64,
    /// The job of this call and the number of threads.
    job: UnsafeCell<Option<(*const Job<'static>, usize)>>,
    /// Workers that have not ended their part of it.
    running: AtomicUsize,
    panicked: AtomicBool,
    ends: AtomicBool,
    /// Of worker 1 and so on.
    seats: Box<[Seat]>,
    sleep: Mutex<()>,
    /// The caller's, which waits for `running` to be 0.
    caller_asleep: AtomicBool,
    done: Condvar,
}

// SAFETY: the cell is written by the one thread that holds `busy`, while no worker has a part in a
// job, and read by workers only between a call and their counting out; what the pointer points to is
// `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in the cell is used only while `run` keeps its target alive.
unsafe impl Send for Shared {}

impl Shared {
    fn work(&self, worker: usize) {
        let seat = &self.seats[worker - 1];
        let mut seen = 0;
        loop {
            seen = self.await_call(seat, seen);
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: after the call and before this worker counts itself out the caller waits for
            // it, so that the cell stays as written and its job alive.
            let job = unsafe { (*self.job.get()).map(|(job, threads)| (&*job, threads)) };
            if let Some((job, threads)) = job
                && catch_unwind(AssertUnwindSafe(|| job(worker, threads))).is_err()
            {
                self.panicked.store(true, Ordering::Relaxed);
            }
            if self.running.fetch_sub(1, Ordering::SeqCst) == 1
                && self.caller_asleep.load(Ordering::SeqCst)
            {
                let _guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
                self.done.notify_all();
            }
        }
    }

    /// Waits for another call than `seen`, and returns it.
    fn await_call(&self, seat: &Seat, seen: u64) -> u64 {
        let called = |order| {
            let call = self.call.load(order);
            (call != seen).then_some(call)
        };
        if let Some(call) = look_for(|| called(Ordering::Acquire)) {
            return call;
        }
        seat.asleep.store(true, Ordering::SeqCst);
        let call = loop {
            match called(Ordering::SeqCst) {
                Some(call) => break call,
                None => std::thread::park(),
            }
        };
        seat.asleep.store(false, Ordering::Relaxed);
        call
    }

    /// Waits until every worker has ended its job.
    fn await_workers(&self) {
        if look_for(|| (self.running.load(Ordering::Acquire) == 0).then_some(())).is_some() {
            return;
        }
        let mut guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.caller_asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) != 0 {
            guard = self
                .done
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_asleep.store(false, Ordering::SeqCst);
    }
}

/// The part of `count` things that falls to a thread, or to a process: consecutive ranges, whose
/// lengths differ by one at most.
pub(crate) fn share(count: usize, thread: usize, threads: usize) -> std::ops::Range<usize> {
    count * thread / threads..count * (thread + 1) / threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_does_every_job() {
        for threads in [1, 2, 3, 5] {
            let pool = Pool::exactly(threads);
            assert_eq!(pool.threads(), threads);
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for round in 0..200 {
                // Now and then long enough for the workers to fall asleep.
                if round % 50 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                pool.run(&|thread, of| {
                    assert_eq!(of, threads);
                    counts[thread].fetch_add(1, Ordering::Relaxed);
                });
            }
            for count in &counts {
                assert_eq!(count.load(Ordering::Relaxed), 200);
            }
        }
    }

    #[test]
    fn a_long_job_lets_the_caller_sleep() {
        let pool = Pool::exactly(2);
        let done = AtomicUsize::new(0);
        pool.run(&|thread, _| {
            if thread == 1 {
                std::thread::sleep(std::time::Duration::from_millis(20));
                done.store(1, Ordering::Relaxed);
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_job_within_a_job_runs_alone() {
        let pool = Pool::exactly(3);
        let inner = AtomicUsize::new(0);
        pool.run(&|_, _| {
            pool.run(&|thread, threads| {
                assert_eq!((thread, threads), (0, 1));
                inner.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(inner.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::exactly(2);
        for sick in 0..2 {
            let job = |thread: usize, _: usize| assert_ne!(thread, sick, "on purpose");
            assert!(catch_unwind(AssertUnwindSafe(|| pool.run(&job))).is_err());
            let healthy = AtomicUsize::new(0);
            pool.run(&|_, _| {
                healthy.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(healthy.load(Ordering::Relaxed), 2);
        }
    }

    /// Jobs as long as threads wait before they sleep, so that falling asleep and being woken meet
    /// each other; a lost wake-up would let both wait for ever.
    #[test]
    fn nobody_waits_for_ever() {
        let (done, is_done) = std::sync::mpsc::channel();
        let jobs = std::thread::spawn(move || {
            let pool = Pool::exactly(3);
            let mut random = 1_u64;
            let mut wait = move || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                PATIENCE * (random % 256) as u32 / 128
            };
            for _ in 0..20_000 {
                let [before, own, others] = [wait(), wait(), wait()];
                let begun = Instant::now();
                while begun.elapsed() < before {}
                pool.run(&|thread, _| {
                    let begun = Instant::now();
                    while begun.elapsed() < if thread == 0 { own } else { others } {}
                });
            }
            done.send(()).is_ok()
        });
        // The jobs take two seconds, on a machine with other work perhaps ten.
        let waited = is_done.recv_timeout(Duration::from_secs(120));
        assert!(
            waited.is_ok(),
            "the threads of the pool wait for each other"
        );
        assert!(jobs.join().is_ok_and(|sent| sent));
    }

    #[test]
    fn shares_cover_everything_once() {
        for count in [0, 1, 7, 8, 469] {
            for threads in 1..5 {
                let shares = (0..threads).flat_map(|thread| share(count, thread, threads));
                assert_eq!(shares.collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            }
        }
    }
}
