//! `--device` and `--threads`: what computes.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use lenet_engine::Isa;
use lenet_engine::pool::{self, Pool};
use lenet_files::{check_threads, no_threads};

use crate::failure::{Failure, Outcome};

/// The release of candle that this program is built on.
pub const CANDLE_VERSION: &str = "0.11.1";

/// A device by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// `cpu`.
    Cpu,
    /// `cuda` or `cuda:N`.
    Cuda(usize),
    /// `metal`.
    Metal,
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
        match (kind, number.parse()) {
            ("cpu", _) if name == "cpu" => Ok(DeviceName::Cpu),
            ("metal", _) if name == "metal" => Ok(DeviceName::Metal),
            ("cuda", Ok(number)) => Ok(DeviceName::Cuda(number)),
            _ => Err("the devices are cpu, cuda, cuda:N and metal".to_owned()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(number) => write!(f, "cuda:{number}"),
            DeviceName::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceName {
    /// Opens the device.
    pub fn open(self) -> Outcome<Device> {
        let missing = |feature: &str| {
            let name = if feature == "cuda" { "CUDA" } else { "Metal" };
            Failure::usage(format!(
                "--device {self}: this build has no {name} support; rebuild with `cargo build \
                 --release -p lenet --features {feature}`"
            ))
        };
        let unusable = |error| Failure::usage(format!("--device {self} cannot be used: {error}"));
        match self {
            DeviceName::Cpu => Ok(Device::Cpu),
            DeviceName::Cuda(number) if cfg!(feature = "cuda") => {
                Device::new_cuda(number).map_err(unusable)
            }
            DeviceName::Metal if cfg!(feature = "metal") => Device::new_metal(0).map_err(unusable),
            DeviceName::Cuda(_) => Err(missing("cuda")),
            DeviceName::Metal => Err(missing("metal")),
        }
    }
}

/// Sets the number of compute threads, before anything uses them: by default one per physical core,
/// and never more than there are cores. Returns the number.
///
/// # Errors
/// `LENET_ISA` names an instruction set that this machine does not have; the system has no threads
/// to spare.
pub fn set_threads(threads: Option<u16>) -> Outcome<usize> {
    Isa::from_environment()
        .map_err(|error| Failure::usage(format!("{}: {error}", lenet_engine::ISA_VARIABLE)))?;
    let wanted = threads.map_or_else(pool::physical_cores, usize::from);
    let threads = Pool::set_global_threads(wanted);
    // candle's own operations, with `--engine candle`, run on rayon's threads.
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(wanted);
    // Without them, the first operation that wants them would panic; some want threads of their own.
    rayon.build_global().map_err(no_threads)?;
    check_threads(pool::cores())?;
    Ok(threads)
}

/// The instruction set of the engine on this machine, detected at run time.
pub fn instruction_set() -> &'static str {
    Isa::current().name()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lock file decides what is built.
    #[test]
    fn candle_version_is_that_of_the_lock_file() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        let entry = format!("name = \"candle-core\"\nversion = \"{CANDLE_VERSION}\"\n");
        assert!(lock.contains(&entry), "Cargo.lock lacks {entry}");
    }

    #[test]
    fn names() {
        for (name, device) in [
            ("cpu", DeviceName::Cpu),
            ("cuda", DeviceName::Cuda(0)),
            ("cuda:3", DeviceName::Cuda(3)),
            ("metal", DeviceName::Metal),
        ] {
            assert_eq!(name.parse(), Ok(device));
        }
        for name in ["", "gpu", "cpu:0", "cuda:", "cuda:-1", "metal:1"] {
            assert!(name.parse::<DeviceName>().is_err(), "{name}");
        }
    }
}
