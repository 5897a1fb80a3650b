//! Work in pieces on all threads, with the results in the order of the pieces.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use lenet_files::{Error, Kind, Result};

/// Pieces per thread that may be begun before the first of them is used.
const AHEAD: usize = 4;

/// What the threads share.
struct Shared<I> {
    /// Gives pieces; `None` when there are no more.
    source: Option<I>,
    /// Pieces given, and how many of them were used.
    given: usize,
    used: usize,
}

/// Takes pieces from `source`, works on them on `threads` threads, each of which begins with `start`,
/// and gives the results to `use_result` in the pieces' order. Memory holds a few pieces a thread.
///
/// # Errors
/// The first of `use_result`, which ends the work; a thread that cannot be started.
pub fn in_order<P, W, R: Send, E: From<Error>>(
    threads: usize,
    source: impl FnMut() -> Option<P> + Send,
    start: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, P) -> R + Sync,
    mut use_result: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let shared = Mutex::new(Shared {
        source: Some(source),
        given: 0,
        used: 0,
    });
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let is_used = Condvar::new();
    let take = || {
        let full = |shared: &mut Shared<_>| {
            shared.source.is_some() && shared.given >= shared.used + AHEAD * threads
        };
        let waited = is_used.wait_while(lock(), full);
        let mut shared = waited.unwrap_or_else(PoisonError::into_inner);
        let piece = shared.source.as_mut()?();
        if piece.is_none() {
            shared.source = None;
        }
        shared.given += 1;
        Some((shared.given - 1, piece?))
    };
    let (sender, receiver) = sync_channel(AHEAD * threads);
    let (take, start, work) = (&take, &start, &work);
    thread::scope(|scope| {
        let mut started = Err(Error::internal("no thread"));
        for _ in 0..threads {
            let sender = sender.clone();
            let thread = move || {
                let mut own = start();
                while let Some((number, piece)) = take() {
                    if sender.send((number, work(&mut own, piece))).is_err() {
                        return;
                    }
                }
            };
            // With fewer it takes longer.
            match thread::Builder::new().spawn_scoped(scope, thread) {
                Ok(_) => started = Ok(()),
                Err(error) if started.is_err() => {
                    let message = "cannot start a thread";
                    started = Err(Error::new(Kind::Io, message).caused_by(error));
                }
                Err(_) => break,
            }
        }
        drop(sender);
        started?;
        let mut waiting = BTreeMap::new();
        let mut used = 0;
        let mut ended = Ok(());
        for (number, result) in receiver {
            waiting.insert(number, result);
            while let (Some(result), true) = (waiting.remove(&used), ended.is_ok()) {
                used += 1;
                ended = use_result(result);
            }
            let mut shared = lock();
            shared.used = used;
            if ended.is_err() {
                shared.source = None;
            }
            is_used.notify_all();
        }
        ended
    })
}
