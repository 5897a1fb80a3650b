//! The processes that `mpirun` started, which share a training if this program was built for it.

use std::env;
use std::sync::Arc;

use lenet_engine::Exchange;
use lenet_engine::pool::{self, Pool};
use lenet_train::Backend;
use tracing::warn;

use crate::arguments::Hardware;
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};

/// This process and those that train with it.
pub struct Ranks {
    /// The way to the others, if there are any.
    exchange: Option<Arc<dyn Exchange>>,
    on_this_machine: usize,
    #[cfg(feature = "mpi")]
    world: lenet_mpi::World,
}

/// Checks that `mpirun` started one process at most: more of them would all do the same.
pub fn check_alone(hint: &str) -> Outcome<()> {
    let sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].into_iter();
    match sizes
        .filter_map(|name| env::var(name).ok()?.parse().ok())
        .max()
    {
        Some(count @ 2_usize..) => Err(Failure::usage(format!(
            "mpirun started {count} processes, and each would do the same: {hint}"
        ))),
        _ => Ok(()),
    }
}

impl Ranks {
    /// There are no others.
    #[cfg(not(feature = "mpi"))]
    pub fn join() -> Outcome<Self> {
        check_alone(
            "this program was built without MPI; rebuild it with `cargo build --release -p lenet \
             --features mpi`",
        )?;
        Ok(Self {
            exchange: None,
            on_this_machine: 1,
        })
    }

    /// Joins the others.
    #[cfg(feature = "mpi")]
    pub fn join() -> Outcome<Self> {
        let world = lenet_mpi::World::join();
        let world = world.ok_or_else(|| lenet_files::Error::internal("MPI was joined before"))?;
        Ok(Self {
            exchange: Some(world.exchange()).filter(|exchange| exchange.ranks() > 1),
            on_this_machine: world.on_this_machine(),
            world,
        })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.rank())
    }

    /// What computes this process's part, and its number of threads: by default the processes of a
    /// machine share its cores.
    pub fn backend(&self, hardware: &Hardware) -> Outcome<(Backend, usize)> {
        let here = self.on_this_machine;
        let cores = pool::cores_of(here);
        let default = (here > 1).then_some(cores as u16);
        let threads = set_threads(hardware.threads.or(default))?;
        let Some(exchange) = &self.exchange else {
            return Ok((hardware.backend(), threads));
        };
        if !hardware.is_fused() {
            let message = "processes share a training on `--engine fused` and the CPU alone";
            return Err(Failure::usage(message));
        }
        if threads > cores {
            warn!(
                "{here} processes with {threads} threads each, and {cores} of this machine's cores for \
                 each: they will wait for each other"
            );
        }
        let pool = Pool::new(threads).among(Arc::clone(exchange));
        Ok((Backend::Fused(Arc::new(pool)), threads))
    }

    /// The outcome of this process; an error of one of several ends all, with its exit code.
    pub fn end<T>(self, outcome: Outcome<T>) -> Outcome<T> {
        #[cfg(feature = "mpi")]
        if let (Some(exchange), Err(_)) = (&self.exchange, &outcome) {
            if exchange.rank() > 0 {
                // Most errors are everybody's: the first process says them, and ends the others.
                std::thread::sleep(std::time::Duration::from_secs(3));
                eprint!("rank {}: ", exchange.rank());
            }
            self.world.abort(outcome.err().map_or(0, Failure::report));
        }
        outcome
    }
}
