//! The processes that `mpirun` started, which share a training if this program was built for it.

use std::env;
#[cfg(feature = "mpi")]
use std::sync::Arc;

use lenet_engine::pool;
#[cfg(feature = "mpi")]
use lenet_engine::pool::Pool;
#[cfg(feature = "mpi")]
use lenet_files::Error;
use lenet_train::Backend;
use tracing::warn;

use crate::arguments::Hardware;
use crate::device::set_threads;
use crate::failure::{Failure, Outcome};

/// This process and those that train with it.
pub struct Ranks {
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
        Some(count @ 2_usize..) => {
            let message =
                format!("mpirun started {count} processes, and each would do the same: {hint}");
            Err(Failure::usage(message))
        }
        _ => Ok(()),
    }
}

#[cfg(not(feature = "mpi"))]
impl Ranks {
    /// There are no others.
    pub fn join() -> Outcome<Self> {
        check_alone(
            "this program was built without MPI; rebuild it with `cargo build --release -p lenet \
             --features mpi`",
        )?;
        Ok(Self {})
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        0
    }

    fn on_this_machine(&self) -> usize {
        1
    }

    /// The outcome of this process is that of the program.
    pub fn end<T>(self, outcome: Outcome<T>) -> Outcome<T> {
        outcome
    }

    fn share(&self, backend: Backend, _: &Hardware) -> Outcome<Backend> {
        Ok(backend)
    }
}

#[cfg(feature = "mpi")]
impl Ranks {
    /// Joins the others.
    pub fn join() -> Outcome<Self> {
        let world = lenet_mpi::World::join();
        let world = world.ok_or_else(|| Error::internal("MPI was joined before"))?;
        Ok(Self { world })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.world.exchange().rank()
    }

    fn on_this_machine(&self) -> usize {
        self.world.on_this_machine()
    }

    /// An error ends all processes, with its exit code.
    pub fn end<T>(self, outcome: Outcome<T>) -> Outcome<T> {
        let exchange = self.world.exchange();
        match outcome {
            Err(failure) if exchange.ranks() > 1 => {
                if exchange.rank() > 0 {
                    // Most errors are everybody's: the first process says them, and ends the others.
                    std::thread::sleep(std::time::Duration::from_secs(3));
                    eprint!("rank {}: ", exchange.rank());
                }
                self.world.abort(failure.report())
            }
            outcome => outcome,
        }
    }

    fn share(&self, backend: Backend, hardware: &Hardware) -> Outcome<Backend> {
        let exchange = self.world.exchange();
        if exchange.ranks() == 1 {
            return Ok(backend);
        }
        if !hardware.is_fused() {
            return Err(Failure::usage(
                "processes share a training on `--engine fused` and the CPU alone",
            ));
        }
        let pool = Pool::new(Pool::global().threads()).among(exchange);
        Ok(Backend::Fused(Arc::new(pool)))
    }
}

impl Ranks {
    /// What computes this process's part, and its number of threads: by default the processes of a
    /// machine share its cores.
    pub fn backend(&self, hardware: &Hardware) -> Outcome<(Backend, usize)> {
        let here = self.on_this_machine();
        let cores = pool::cores_of(here);
        let default = (here > 1).then_some(cores as u16);
        let threads = set_threads(hardware.threads.or(default))?;
        if here > 1 && threads > cores && self.rank() == 0 {
            warn!(
                "{here} processes with {threads} threads each, and {cores} of this machine's cores for \
                 each: they will wait for each other"
            );
        }
        Ok((self.share(hardware.backend(), hardware)?, threads))
    }
}
