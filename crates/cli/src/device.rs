//! `--device` and `--threads`: where the arithmetic is done.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use candle_core::Device;

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
            Failure::Usage(format!(
                "--device {self}: this program was built without it; \
                 build it with `cargo build --release -p lenet --features {feature}`"
            ))
        };
        let unusable = |error| Failure::Usage(format!("--device {self} cannot be used: {error}"));
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

/// Sets how many threads the arithmetic uses, before anything has used them; `None` means one a
/// core. Gives the number.
pub fn set_threads(threads: Option<NonZeroUsize>) -> usize {
    if let Some(threads) = threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        if let Err(error) = pool.build_global() {
            tracing::warn!("--threads {threads} has no effect: {error}");
        }
    }
    rayon::current_num_threads()
}

/// The instruction set that the arithmetic can use on this machine, by detection at run time.
pub fn instruction_set() -> &'static str {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            return "avx2+fma";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return "neon";
    }
    "portable"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lock file is the truth about what is built.
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
