//! Which instruction sets this machine has, found at run time.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::simd::{self, Simd};

/// Forces an instruction set, by its [name](Isa::name), for tests and comparisons.
pub const ISA_VARIABLE: &str = "LENET_ISA";

/// An instruction set that this machine has.
///
/// There is no way to get another one: that a value exists is the proof which the kernels need before
/// they run its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa {
    pub(crate) kind: Kind,
    name: &'static str,
    width: usize,
    is_wide: bool,
}

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
    const PORTABLE: Self = Self::of::<simd::portable::Portable>(Kind::Portable, "portable");

    const fn of<V: Simd>(kind: Kind, name: &'static str) -> Self {
        Self {
            kind,
            name,
            width: V::WIDTH,
            is_wide: V::WIDE,
        }
    }

    /// Every instruction set of this machine for which there are kernels, the fastest first; the
    /// last is `portable`, which every machine has.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                found.push(Self::of::<simd::avx512::Avx512>(Kind::Avx512, "avx512"));
            }
            if has!("avx2") && has!("fma") {
                found.push(Self::of::<simd::avx2::Avx2>(Kind::Avx2, "avx2"));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self::of::<simd::neon::Neon>(Kind::Neon, "neon"));
        }
        found.push(Self::PORTABLE);
        found
    }

    /// The one that the kernels use: what the variable [`ISA_VARIABLE`] names, or the fastest.
    ///
    /// Looked up once a process. A name of none of this machine's is ignored here; programs should
    /// ask [`Isa::from_environment`] first, which returns an error.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::from_environment().unwrap_or_else(|_| Self::fastest()))
    }

    /// What the variable [`ISA_VARIABLE`] names, or the fastest if it is not set or empty.
    ///
    /// # Errors
    /// A name of none of this machine's, as a sentence.
    pub fn from_environment() -> Result<Self, String> {
        match std::env::var_os(ISA_VARIABLE) {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
            _ => Ok(Self::fastest()),
        }
    }

    /// The first of [`Isa::available`].
    pub fn fastest() -> Self {
        Self::available()[0]
    }

    /// Whether a tile of 24 sums fits into the registers.
    pub(crate) fn is_wide(self) -> bool {
        self.is_wide
    }

    /// Floats of a register.
    pub(crate) fn width(self) -> usize {
        self.width
    }

    /// `avx512`, `avx2`, `neon` or `portable`.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    /// A sentence that lists the names of this machine's.
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let available = Self::available();
        let named = available.iter().find(|isa| isa.name() == name);
        named.copied().ok_or_else(|| {
            let names: Vec<&str> = available.into_iter().map(Self::name).collect();
            let names = names.join(", ");
            format!("the instruction set {name:?} is not one of this machine's: {names}")
        })
    }
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
            assert_eq!(isa.name().parse::<Isa>().unwrap(), isa);
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known() {
        let error = "mmx".parse::<Isa>().unwrap_err();
        assert!(
            error.contains("\"mmx\"") && error.ends_with("portable"),
            "{error}"
        );
    }
}
