//! The processes that `mpirun` or `srun` started, which share a training: the only crate that calls
//! MPI. Without its feature `mpi` it is empty.
//!
//! All calls block, and come from the thread that joined. A process that is lost ends the others:
//! that is MPI's default, and a training goes on from its last checkpoint.
#![forbid(unsafe_code)]
#![cfg(feature = "mpi")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lenet_engine::Exchange;
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _};

/// All processes, this one among them. Dropped, it waits for the others to end too.
pub struct World {
    exchange: Arc<Processes>,
    _universe: Universe,
}

impl World {
    /// Joins the other processes; a process that was started alone is the only one. `None` if this
    /// process has joined before.
    pub fn join() -> Option<Self> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        let world = universe.world();
        let exchange = Processes {
            rank: world.rank() as usize,
            ranks: world.size() as usize,
            stop: AtomicBool::new(false),
            agreed: AtomicBool::new(false),
        };
        Some(Self {
            exchange: Arc::new(exchange),
            _universe: universe,
        })
    }

    /// What engines share a training by.
    pub fn exchange(&self) -> Arc<dyn Exchange> {
        Arc::clone(&self.exchange) as Arc<dyn Exchange>
    }

    /// Number of processes on this machine. All processes ask at once.
    pub fn on_this_machine(&self) -> usize {
        SimpleCommunicator::world().split_shared(0).size() as usize
    }

    /// Ends all processes with this exit code.
    pub fn abort(&self, code: u8) -> ! {
        SimpleCommunicator::world().abort(code.into())
    }
}

#[derive(Debug)]
struct Processes {
    rank: usize,
    ranks: usize,
    stop: AtomicBool,
    agreed: AtomicBool,
}

impl Exchange for Processes {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn gather(&self, own: &mut [f32], lens: &[usize], all: &mut [f32]) {
        own[0] = f32::from(self.stop.load(Ordering::Relaxed));
        let counts: Vec<i32> = lens.iter().map(|&len| len as i32).collect();
        let mut end = 0;
        let begin = |count: &i32| {
            end += count;
            end - count
        };
        let begins: Vec<i32> = counts.iter().map(begin).collect();
        let mut parts = PartitionMut::new(all, counts, &begins[..]);
        SimpleCommunicator::world().all_gather_varcount_into(own, &mut parts);
        let agreed = begins.iter().any(|&first| all[first as usize] != 0.0);
        self.agreed.store(agreed, Ordering::Relaxed);
    }

    fn sum(&self, own: &[f32], sum: &mut [f32]) {
        SimpleCommunicator::world().all_reduce_into(own, sum, SystemOperation::sum());
    }

    fn agree(&self, stop: bool) -> bool {
        self.stop.store(stop, Ordering::Relaxed);
        self.agreed.load(Ordering::Relaxed)
    }
}
