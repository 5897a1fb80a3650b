//! With how many of its threads a pool runs: all of them, or fewer while other programs have the
//! cores.
//!
//! The threads of a job wait for the last of them. If another program has a core, the system takes
//! it from one of them for some milliseconds, ten times as long as a job of a training step takes,
//! and the others stand still: two threads are then slower than one. A pool sees that by its threads
//! having no work to do for much of the time. It then tries one thread less, compares how many jobs
//! each number of threads gets done, and keeps the better one for a while. What the jobs compute does
//! not depend on it.
//!
//! Threads also stand still when the system has put two of them on one core, which it notices and
//! mends after a tenth of a second or so. Hence a number of threads has several windows of time to
//! show that it does well, before a lower one is preferred.

use std::time::Duration;

/// Jobs and time that a number of threads is judged by: both are reached, so that the short and the
/// long jobs of a training step count alike however long they are.
const WINDOW_JOBS: u32 = 60;
const WINDOW: Duration = Duration::from_millis(25);
/// The part of their time without work from which on the threads are suspected to be in each other's
/// way. Jobs that divide badly, three blocks for two threads, leave a quarter.
const IDLE: f64 = 0.3;
/// How much faster one thread more must be: measurements waver, and others have a use for the core.
const MARGIN: f64 = 1.03;
/// How long a choice holds at first. Each time that it proves right again it holds twice as long, so
/// that trials take a thirtieth of the time at last.
const HOLDS: Duration = Duration::from_millis(100);
const HOLDS_AT_MOST: Duration = Duration::from_millis(3200);

/// Windows that a number of threads may do badly in, one after the other.
const PATIENCE: u32 = 4;

/// The number of threads, chosen by what it did before.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    now: usize,
    /// What the number of threads before did, if this one is tried.
    trial: Option<Window>,
    window: Window,
    /// Windows in which this number of threads did badly, one after the other.
    bad: u32,
    /// Whether fewer threads were better the last time: still fewer may be better yet.
    falling: bool,
    /// Time for which nothing else is tried.
    rest: Duration,
    holds: Duration,
}

/// Jobs of one number of threads.
#[derive(Clone, Copy, Debug)]
struct Window {
    threads: usize,
    jobs: u32,
    time: Duration,
    /// All threads' time within their parts of the jobs, together.
    work: Duration,
}

impl Window {
    fn of(threads: usize) -> Self {
        Self {
            threads,
            jobs: 0,
            time: Duration::ZERO,
            work: Duration::ZERO,
        }
    }

    fn is_full(&self) -> bool {
        self.jobs >= WINDOW_JOBS && self.time >= WINDOW
    }

    fn jobs_per_second(&self) -> f64 {
        f64::from(self.jobs) / self.time.as_secs_f64()
    }

    fn idle(&self) -> f64 {
        1. - self.work.as_secs_f64() / (self.time.as_secs_f64() * self.threads as f64)
    }
}

impl Pace {
    /// Begins with all threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            most: threads,
            now: threads,
            trial: None,
            window: Window::of(threads),
            bad: 0,
            falling: true,
            rest: Duration::ZERO,
            holds: HOLDS,
        }
    }

    /// The number of threads for the next job.
    pub(super) fn threads(&self) -> usize {
        self.now
    }

    /// A job took so long, in which the threads worked so long, all together.
    pub(super) fn record(&mut self, time: Duration, work: Duration) {
        self.window.jobs += 1;
        self.window.time += time;
        self.window.work += work;
        self.rest = self.rest.saturating_sub(time);
        if !self.window.is_full() {
            return;
        }
        let window = self.window;
        match self.trial {
            Some(before) if before.threads < self.now => self.judge_more(before, window),
            Some(before) => self.judge_fewer(before, window),
            None => self.consider(window),
        }
        self.window = Window::of(self.now);
    }

    /// Whether to try another number of threads than one that is in use.
    fn consider(&mut self, window: Window) {
        let bad = window.idle() > IDLE;
        self.bad = if bad { self.bad + 1 } else { 0 };
        if self.rest > Duration::ZERO {
            return;
        }
        if self.now > 1 && self.bad >= PATIENCE && (self.falling || self.now == self.most) {
            self.attempt(window, self.now - 1);
        } else if self.now < self.most && !(bad && self.falling) {
            self.attempt(window, self.now + 1);
        }
    }

    fn attempt(&mut self, before: Window, threads: usize) {
        self.trial = Some(before);
        self.now = threads;
        self.bad = 0;
    }

    /// One thread more has some windows to show that it pays; fewer are kept where both are about
    /// equal.
    fn judge_more(&mut self, before: Window, trial: Window) {
        let pays = trial.jobs_per_second() > MARGIN * before.jobs_per_second();
        self.bad += 1;
        if pays {
            self.decide(self.now, HOLDS, false);
        } else if self.bad >= PATIENCE {
            self.decide(before.threads, self.holds * 2, true);
        }
    }

    fn judge_fewer(&mut self, before: Window, trial: Window) {
        if MARGIN * trial.jobs_per_second() > before.jobs_per_second() {
            // One thread less may be better still, which is looked at without delay.
            self.decide(self.now, HOLDS, true);
            self.rest = Duration::ZERO;
        } else {
            self.decide(before.threads, self.holds * 2, false);
        }
    }

    fn decide(&mut self, threads: usize, holds: Duration, falling: bool) {
        self.now = threads;
        self.trial = None;
        self.bad = 0;
        self.falling = falling;
        self.holds = holds.min(HOLDS_AT_MOST);
        self.rest = self.holds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a job of 400 us of work on one thread takes with so many threads: its time and the
    /// threads' work.
    type Machine = fn(usize) -> (u64, u64);

    /// Every thread has a core.
    fn idle(threads: usize) -> (u64, u64) {
        (400 / threads as u64, 400)
    }

    /// One of two cores is lost to somebody else half of the time.
    fn one_of_two_busy(threads: usize) -> (u64, u64) {
        match threads {
            1 => (400, 400),
            _ => (520, 600),
        }
    }

    /// Two of four cores are.
    fn two_of_four_busy(threads: usize) -> (u64, u64) {
        match threads {
            1 | 2 => idle(threads),
            3 => (250, 400),
            _ => (290, 480),
        }
    }

    /// Runs jobs for so many milliseconds, and gives the part of them that each number of threads
    /// did.
    fn run(pace: &mut Pace, machine: Machine, milliseconds: u64) -> Vec<f64> {
        let (mut jobs, mut time) = (vec![0.; pace.most + 1], 0);
        while time < milliseconds * 1000 {
            let threads = pace.threads();
            let (job, work) = machine(threads);
            pace.record(Duration::from_micros(job), Duration::from_micros(work));
            jobs[threads] += 1.;
            time += job;
        }
        let sum: f64 = jobs.iter().sum();
        jobs.iter().map(|count| count / sum).collect()
    }

    #[test]
    fn an_idle_machine_runs_all_threads_always() {
        let mut pace = Pace::new(4);
        assert_eq!(run(&mut pace, idle, 10_000), [0., 0., 0., 0., 1.]);
    }

    #[test]
    fn a_busy_core_is_left_to_others() {
        let mut pace = Pace::new(2);
        run(&mut pace, one_of_two_busy, 1_000);
        let parts = run(&mut pace, one_of_two_busy, 20_000);
        assert!(parts[1] > 0.95, "{parts:?}");
    }

    #[test]
    fn as_many_threads_as_pay() {
        let mut pace = Pace::new(4);
        run(&mut pace, two_of_four_busy, 1_000);
        let parts = run(&mut pace, two_of_four_busy, 20_000);
        assert!(parts[2] > 0.95, "{parts:?}");
    }

    /// A second after the others have gone, at most three later.
    #[test]
    fn a_core_that_becomes_free_is_used_again() {
        let mut pace = Pace::new(2);
        for busy in [300, 30_000] {
            run(&mut pace, one_of_two_busy, busy);
            run(&mut pace, idle, 4_000);
            assert_eq!(run(&mut pace, idle, 1_000)[2], 1., "after {busy} ms");
        }
    }

    /// Jobs of which all but one thread have no part.
    #[test]
    fn jobs_that_cannot_be_divided_run_on_one_thread() {
        let mut pace = Pace::new(2);
        run(&mut pace, |_| (400, 400), 1_000);
        let parts = run(&mut pace, |_| (400, 400), 20_000);
        assert!(parts[1] > 0.95, "{parts:?}");
    }
}
