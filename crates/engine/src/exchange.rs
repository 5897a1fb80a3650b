//! Processes that share a training.

use std::fmt::Debug;

/// The processes that compute one training together. Each computes a share of the blocks of every
/// pass, then all have the whole result.
///
/// Every process makes the same passes in the same order, from one thread. A
/// [`Pool`](crate::pool::Pool) carries the exchange to all engines that run on it.
pub trait Exchange: Debug + Send + Sync {
    /// This process's number, from 0.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn ranks(&self) -> usize;

    /// Gathers the parts of all processes in `all`, one after another by rank, `lens` words each;
    /// `own` is this process's. Words are moved, never computed with. The first word of each part is
    /// the exchange's own.
    fn gather(&self, own: &mut [f32], lens: &[usize], all: &mut [f32]);

    /// Adds up everybody's numbers, in an order that may depend on the number of processes.
    fn sum(&self, own: &[f32], sum: &mut [f32]);

    /// Notes whether this process wants to stop, for the others to learn with the next gathering.
    /// Returns whether any process wanted it at the last one: the same everywhere.
    fn agree(&self, stop: bool) -> bool;
}
