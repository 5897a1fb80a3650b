//! Matrix tiles of bf16 with sums in f32: Intel's AMX, on Linux.
//!
//! `TDPBF16PS` multiplies a tile of 16 x 32 bf16 with one of 32 x 16 and adds the product to 16 x 16
//! f32, 16 times as many multiplications an instruction as AVX-512 makes. The left tile is the
//! weight (or, for its gradient, what arrives from above), one row an output channel; the right one
//! has its rows in pairs, so that two neighbours of the summed axis lie side by side. All layouts
//! here are chosen so that a tile can be loaded straight from them.
//!
//! Inputs, weights and gradients are rounded to bf16 on their way into a product, and nowhere else:
//! sums, parameters and moments stay f32.
//!
//! The compiler knows no tiles on stable Rust, hence the assembler. It never touches the tile
//! registers by itself, so that they keep their contents between two statements.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators go through closures, which do not inherit the instruction set"
)]

pub(crate) mod bf16;
mod conv;
mod convert;
mod linear;

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

use crate::isa::{Isa, Kind};

/// Rows of a tile.
pub(crate) const ROWS: usize = 16;
/// Floats of a tile of sums.
pub(crate) const TILE: usize = 256;

/// Whether the machine has AMX with bf16 and the system lets this process use it.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let has_avx512 = Isa::fastest().kind == Kind::Avx512;
        has_avx512
            && std::arch::is_x86_feature_detected!("avx512bf16")
            && has_tiles()
            && request_permission()
    })
}

/// AMX-TILE and AMX-BF16 of the processor, and tile state enabled by the system.
fn has_tiles() -> bool {
    // Leaf 7 exists wherever AVX-512 does, and XGETBV too.
    let features = __cpuid_count(7, 0);
    let has = |bit: u32| features.edx >> bit & 1 == 1;
    // SAFETY: AVX-512 was detected, which includes the system's use of XSAVE.
    let enabled = unsafe { xcr0() };
    has(22) && has(24) && enabled >> 17 & 0b11 == 0b11
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: register 0 exists wherever the instruction does.
    unsafe { _xgetbv(0) }
}

/// Asks Linux for the use of tiles by this process; threads inherit it.
#[cfg(target_os = "linux")]
fn request_permission() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and touches no memory.
    let refused = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    refused == 0
}

/// How other systems grant it is not known here.
#[cfg(not(target_os = "linux"))]
fn request_permission() -> bool {
    false
}

/// The shape of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    /// Bytes of a row.
    pub(crate) bytes: usize,
}

/// Sets the shapes of the eight tiles of this thread.
///
/// # Safety
/// AMX must be available.
pub(crate) unsafe fn configure(shapes: [Shape; 8]) {
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);
    let mut configuration = Configuration([0; 64]);
    configuration.0[0] = 1;
    for (tile, shape) in shapes.into_iter().enumerate() {
        configuration.0[16 + 2 * tile] = shape.bytes as u8;
        configuration.0[48 + tile] = shape.rows as u8;
    }
    // SAFETY: the palette is 1, and shapes are at most 16 rows of 64 bytes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack, readonly)) }
}

/// Ends this thread's use of tiles, so that the system need not save them.
///
/// # Safety
/// AMX must be available.
pub(crate) unsafe fn release() {
    // SAFETY: the caller's.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// Loads a tile from rows so many bytes apart.
macro_rules! load {
    ($tile:literal, $from:expr, $stride:expr) => {
        std::arch::asm!(
            concat!("tileloadd tmm", $tile, ", [{from} + {stride}*1]"),
            from = in(reg) $from,
            stride = in(reg) $stride,
            options(nostack, readonly)
        )
    };
}
pub(crate) use load;

/// Stores a tile of sums to rows so many bytes apart.
macro_rules! store {
    ($tile:literal, $to:expr, $stride:expr) => {
        std::arch::asm!(
            concat!("tilestored [{to} + {stride}*1], tmm", $tile),
            to = in(reg) $to,
            stride = in(reg) $stride,
            options(nostack)
        )
    };
}
pub(crate) use store;

/// Sets a tile to 0.
macro_rules! zero {
    ($($tile:literal),*) => {
        std::arch::asm!($(concat!("tilezero tmm", $tile)),*, options(nostack, nomem))
    };
}
pub(crate) use zero;

/// Adds the product of the second and third tile to the first.
macro_rules! multiply {
    ($sums:literal, $left:literal, $right:literal) => {
        std::arch::asm!(
            concat!("tdpbf16ps tmm", $sums, ", tmm", $left, ", tmm", $right),
            options(nostack, nomem)
        )
    };
}
pub(crate) use multiply;
