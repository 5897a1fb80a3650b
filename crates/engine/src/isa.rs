//! Which instruction sets this machine has, found at run time.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::simd::{self, Simd as _};

/// Forces an instruction set, by its [name](Isa::name), for tests and comparisons.
pub const ISA_VARIABLE: &str = "LENET_ISA";

/// An instruction set that this machine has.
///
/// There is no way to get one that it has not: that a value exists is the proof which the kernels
/// need before they run its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(pub(crate) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Isa {
    /// Every instruction set of this machine that there are kernels for, the fastest first; the last
    /// is `portable`, which every machine has.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                found.push(Self(Kind::Avx512));
            }
            if has!("avx2") && has!("fma") {
                found.push(Self(Kind::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self(Kind::Neon));
        }
        found.push(Self(Kind::Portable));
        found
    }

    /// The one that the kernels use: what the variable [`ISA_VARIABLE`] names, or the fastest.
    ///
    /// Looked up once a process. A name that this machine has not is ignored here; programs should
    /// ask [`Isa::from_environment`] first, which says so.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| match Self::from_environment() {
            Ok(isa) => isa,
            Err(_) => Self::fastest(),
        })
    }

    /// What the variable [`ISA_VARIABLE`] names, or the fastest where it is not set or empty.
    ///
    /// # Errors
    /// [`UnknownIsa`] where the variable names none of this machine's.
    pub fn from_environment() -> Result<Self, UnknownIsa> {
        match std::env::var_os(ISA_VARIABLE) {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
            _ => Ok(Self::fastest()),
        }
    }

    /// The first of [`Isa::available`].
    pub fn fastest() -> Self {
        let first = Self::available().into_iter().next();
        first.unwrap_or(Self(Kind::Portable))
    }

    /// Whether a tile of 24 sums fits into the registers.
    pub(crate) fn is_wide(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => true,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => true,
            _ => false,
        }
    }

    /// Floats of a register.
    pub(crate) fn width(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => simd::avx512::Avx512::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => simd::avx2::Avx2::WIDTH,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => simd::neon::Neon::WIDTH,
            Kind::Portable => simd::portable::Portable::WIDTH,
        }
    }

    /// `avx512`, `avx2`, `neon` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            Kind::Portable => "portable",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Self, UnknownIsa> {
        let available = Self::available();
        match available.iter().find(|isa| isa.name() == name) {
            Some(isa) => Ok(*isa),
            None => Err(UnknownIsa {
                name: name.to_owned(),
                available: available.into_iter().map(Self::name).collect(),
            }),
        }
    }
}

/// A name that is not one of this machine's instruction sets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the instruction set {name:?} is not one of this machine's: {}", .available.join(", "))]
pub struct UnknownIsa {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub available: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_the_portable_one_last() {
        let available = Isa::available();
        assert_eq!(available.last().map(|isa| isa.name()), Some("portable"));
        assert_eq!(available.first().copied(), Some(Isa::fastest()));
        for isa in available {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = "mmx".parse::<Isa>().unwrap_err().to_string();
        assert!(
            error.contains("\"mmx\"") && error.ends_with("portable"),
            "{error}"
        );
    }
}
